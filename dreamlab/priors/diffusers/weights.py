"""Which files hold the weights of a model's parts: plain, of a variant such as fp16, or pickled."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from torch import Tensor

from dreamlab.core.errors import DamagedError, DreamlabError, InputError
from dreamlab.priors.diffusers.hub_errors import FETCH_AGAIN, translated
from dreamlab.priors.diffusers.json_files import read_json
from dreamlab.priors.diffusers.source import PretrainedConfig, Source, cached, fetched, is_offline

_PLAIN = ""
_SHARD = r"(?:-\d+-of-\d+)?"
_WEIGHTS = re.compile(
    rf"(?:diffusion_pytorch_model|pytorch_model|model){_SHARD}(?:\.(?P<variant>\w+))?{_SHARD}\.(?P<end>safetensors|bin)"
)
CONVERT = (
    "import torch, safetensors.torch as s; "
    "w = torch.load('{pickled}', map_location='cpu', weights_only=True); "
    "s.save_file({{k: v.clone().contiguous() for k, v in w.items()}}, '{safe}', {{'format': 'pt'}})"
)
_WEIGHTLESS = ("tokenizer", "scheduler", "image_noising_scheduler", "feature_extractor")
_SAFE_NAMES = {"pytorch_model": "model"}


class Weights:
    """The weights' files by part, from the names of all files of a model; "" is the model's own folder."""

    def __init__(self, names: Collection[str]) -> None:
        self.variants: dict[str, set[str]] = {}
        self.pickled: dict[str, str] = {}
        for path in map(PurePosixPath, names):
            found = _WEIGHTS.fullmatch(path.name)
            part = path.parent.as_posix().removeprefix(".")
            if found and found["end"] == "safetensors":
                self.variants.setdefault(part, set()).add(found["variant"] or _PLAIN)
            elif found:
                self.pickled.setdefault(part, str(path))


def weights_of(config: PretrainedConfig, source: Source, parts: Collection[str]) -> Weights:
    """What the folder holds, or the hub. The hub's cache answers where it has plain weights of all these
    parts, and where the hub must not or cannot be asked.
    """
    if source.path is not None:
        return _in_folder(source.path)
    of_cache = (cached(source.place, source.revision, name) for name in ("model_index.json", "config.json"))
    index = next((file for file in of_cache if file is not None), None)
    kept = Weights(()) if index is None else _in_folder(index.parent)
    wanted = [part for part in parts if not part.startswith(_WEIGHTLESS)]
    if is_offline(config) or all(_PLAIN in kept.variants.get(part, ()) for part in wanted):
        return kept
    from huggingface_hub import HfApi

    try:
        with translated(source.place):
            return Weights(HfApi().list_repo_files(source.place, revision=source.revision))
    except DreamlabError:  # whoever loads the model says what is wrong, unless the cache has it all
        return kept


def _in_folder(folder: Path) -> Weights:
    return Weights([file.relative_to(folder).as_posix() for file in (*folder.glob("*"), *folder.glob("*/*"))])


def choose_variant(config: PretrainedConfig, source: Source, parts: Collection[str]) -> str | None:
    """The variant to read these parts in: the one that was asked for, None for plain files, or the one that
    there is where a part has no plain files, which is said.

    Raises InputError for parts whose weights are pickled alone, or lack what was asked for.
    """
    held = weights_of(config, source, parts)
    for part in parts:
        if part in held.pickled and part not in held.variants:
            raise InputError(
                f"the weights {held.pickled[part]} of {source.place} are pickled, and could run code",
                expected="safetensors",
                mend=f"Take a model that has them, or convert it: {_conversion(source, held.pickled[part])}",
            )
    kept = {part: held.variants[part] for part in parts if part in held.variants}
    if config.variant is not None:
        return _asked(config.variant, held, kept, source.place)
    alone = {part: variants for part, variants in kept.items() if _PLAIN not in variants}
    if not alone:
        return None
    common = set.intersection(*alone.values())
    if not common:
        raise InputError(
            f"the parts of {source.place} are there in different variants alone",
            got=", ".join(f"{part}: {'/'.join(sorted(some))}" for part, some in alone.items()),
        )
    chosen = "fp16" if "fp16" in common else min(common)
    _say(f"the weights of {source.place} come as {chosen} alone ({_names(alone)}): these are read")
    return chosen


def _asked(variant: str, held: Weights, kept: dict[str, set[str]], place: str) -> str | None:
    there = {name for variants in held.variants.values() for name in variants}
    lacking = [part for part, variants in kept.items() if variant not in variants]
    if there and (variant not in there or any(_PLAIN not in kept[part] for part in lacking)):
        raise InputError(
            f"{place} has no weights of prior.variant={variant}"
            + (f" for {_names(lacking)}" * (variant in there)),
            expected=" or ".join(sorted(there - {_PLAIN}) + ["none"] * (_PLAIN in there)),
        )
    if lacking:
        _say(f"{place} has no {variant} weights of {_names(lacking)}: plain ones are read")
    return None if lacking and len(lacking) == len(kept) else variant


def read_weights(config: PretrainedConfig, source: Source, part: str) -> dict[str, Tensor]:
    """All weights of a part of diffusers' in its safetensors, whole or in shards. Raises what
    `choose_variant` and `fetched` raise.
    """
    from safetensors.torch import load_file

    variant = choose_variant(config, source, (part,))
    middle = f".{variant}" if variant else ""
    stem = f"{part}/diffusion_pytorch_model"
    try:
        return load_file(fetched(config, source, f"{stem}{middle}.safetensors"))
    except DamagedError as missing:
        try:
            index = fetched(config, source, f"{stem}.safetensors.index{middle}.json")
        except DreamlabError:
            raise missing from None
    try:
        shards = set(read_json(index)["weight_map"].values())
    except (KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{index} is damaged", mend=FETCH_AGAIN) from error
    return {
        name: value
        for shard in sorted(shards)
        for name, value in load_file(fetched(config, source, f"{part}/{shard}")).items()
    }


def _conversion(source: Source, pickled: str) -> str:
    """A command that reads the file without running any of it."""
    file = PurePosixPath(source.place if source.path else "", pickled)
    stem = file.name.removesuffix(".bin")
    for old, new in _SAFE_NAMES.items():
        stem = new + stem.removeprefix(old) if stem.startswith(old) else stem
    return f'python -c "{CONVERT.format(pickled=file, safe=file.with_name(stem + ".safetensors"))}"'


def _names(parts: Collection[str]) -> str:
    return ", ".join(part or "the model" for part in parts)


def _say(line: str) -> None:
    warnings.warn(line, stacklevel=4)
