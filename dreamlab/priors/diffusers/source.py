"""Which pretrained model is meant, and where it lies: alias, hub id, folder or single .safetensors file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dreamlab.core.errors import DamagedError, InputError, UnavailableError
from dreamlab.priors.diffusers.aliases import alias
from dreamlab.priors.diffusers.hub_errors import FETCH_AGAIN, require_hub, translated
from dreamlab.priors.diffusers.json_files import read_json
from dreamlab.priors.diffusers.single_file import SAFETENSORS
from dreamlab.priors.precision import has_bfloat16_units

Dtype = Literal["auto", "float32", "float16", "bfloat16"]

UserPath = Annotated[Path, AfterValidator(Path.expanduser)]

_NOT_OF_TEXT = {"model", "revision", "offline", "vae", "vae_dtype", "resolution", "cache_prompts"}


class LoraConfig(BaseModel):
    """A low-rank adaptation on top of the model; scale 1 is as it was trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: UserPath
    scale: float = Field(default=1.0, ge=-10.0, le=10.0)


class PretrainedConfig(BaseModel):
    """What all pretrained pipelines share.

    model: an alias of `dreamlab priors`, a hub id, a pipeline's folder, or a single .safetensors file.
    layout: for a single file, a folder or hub id of a pipeline with the same parts, to read their
    configuration from.
    vae: another VAE than the model's: a folder, hub id, pipeline or .safetensors file, TAESD for one.
    text_encoder: a pipeline's folder or hub id to take text encoders and tokenisers from.
    revision: commit, branch or tag on the hub.
    variant: of the weights' files, such as "fp16" for model.fp16.safetensors.
    offline: never ask the hub, only its cache on this machine (HF_HUB_OFFLINE=1 means the same).
    dtype: of the network; "auto" is float16 on CUDA (for FLUX, Sana and SD3, which may overflow, bfloat16, or
    float32 on cards that only emulate it), bfloat16 on processors with units for it, float32 elsewhere.
    vae_dtype: "auto" is the network's, but float32 where float16 is known to overflow.
    vram: make the prior fit this much memory, in GB; None does nothing about memory, see
    dreamlab.priors.diffusers.memory.
    resolution: image side that renders are resized to, pixels; None is the one the model was trained for.
    lora: adaptations, merged into the weights in this order.
    textual_inversion: files of learnt words (their names are the words to use in prompts).
    cache_prompts: keep encoded prompts on disk, so that the text encoder is not loaded again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    # What a family is known by: classes in model_index.json (the first is the one that is loaded), and what
    # diffusers calls single files of it.
    pipelines: ClassVar[tuple[str, ...]] = ()
    single_files: ClassVar[tuple[str, ...]] = ()
    # Parts that tell it from other families of the same class.
    with_parts: ClassVar[tuple[str, ...]] = ()
    # Where a single file keeps its text encoders, and which of them the family can do without.
    text_in_single_file: ClassVar[dict[str, tuple[str, ...]]] = {}
    dispensable: ClassVar[tuple[str, ...]] = ()
    half: ClassVar[torch.dtype] = torch.float16

    model: str
    layout: str | None = None
    vae: str | None = None
    text_encoder: str | None = None
    revision: str | None = None
    variant: str | None = None
    offline: bool = False
    dtype: Dtype = "auto"
    vae_dtype: Dtype = "auto"
    vram: Literal[6, 8, 12, 24] | None = None
    resolution: int | None = Field(default=None, ge=8, le=4096)
    lora: tuple[LoraConfig, ...] = ()
    textual_inversion: tuple[UserPath, ...] = ()
    cache_prompts: bool = True

    def torch_dtype(self, device: torch.device | str) -> torch.dtype:
        """The network's floating point type on this device."""
        if self.dtype != "auto":
            return getattr(torch, self.dtype)
        if torch.device(device).type == "cuda":
            return torch.float32 if self.emulates(device) else self.half
        return torch.bfloat16 if has_bfloat16_units(device) else torch.float32

    def emulates(self, device: torch.device | str) -> bool:
        """Whether half precision is bfloat16 for this family, and this a card that only emulates it: slower
        than float32, without cuDNN's convolutions."""
        asked = self.dtype == "auto" and self.half == torch.bfloat16
        return asked and torch.device(device).type == "cuda" and not has_bfloat16_units(device)

    def text_dtype(self, device: torch.device | str) -> torch.dtype:
        """The text encoders' floating point type: the network's, but bfloat16 also where that is emulated,
        for they work once a prompt, and T5-XXL would take 19 GB in float32."""
        return self.half if self.emulates(device) else self.torch_dtype(device)


@dataclass(frozen=True)
class Source:
    """Where a pipeline comes from: a folder, a file, or a hub id with a revision."""

    place: str
    revision: str | None = None

    @property
    def path(self) -> Path | None:
        """The folder or file, or None for the hub."""
        return Path(self.place) if Path(self.place).exists() else None


def find(config: PretrainedConfig) -> Source:
    """The place that `model` means; of an alias's mirrors the first that is here, else the first that can be
    reached.

    Raises InputError if it is no alias, no path and no hub id.
    """
    path = Path(config.model).expanduser()
    if path.is_dir() or path.is_file():
        if path.is_file() and path.suffix not in SAFETENSORS:
            raise InputError(
                f"cannot load {path.name}",
                expected="a .safetensors file or a pipeline's folder (pickled weights can run code)",
                mend="Convert it to safetensors",
            )
        return Source(str(_of_cache(path)))
    known = alias(config.model)
    if known is not None:
        return _first(config, [Source(hub, config.revision or known.revision) for hub in known.hubs])
    if config.model.count("/") == 1 and not config.model.startswith((".", "/", "~")):
        return Source(config.model, config.revision)
    raise InputError(
        f"there is no model {config.model!r}",
        expected="an alias, a hub id (owner/name), a pipeline's folder or a .safetensors file",
        mend="See `dreamlab priors`",
    )


def find_part(config: PretrainedConfig, place: str) -> tuple[PretrainedConfig, Source]:
    """Settings and source of a part that comes from another place than the model. Raises as `find`."""
    elsewhere = config.model_copy(update={"model": place, "revision": None, "variant": None})
    return elsewhere, find(elsewhere)


def _of_cache(path: Path) -> Path:
    """The newest commit in a folder of the hub's cache (models--owner--name), any other path as it is."""
    if not (path / "snapshots").is_dir() or (path / "model_index.json").exists():
        return path
    main = path / "refs" / "main"
    commits = [path / "snapshots" / main.read_text(encoding="utf-8").strip()] if main.is_file() else []
    return next((commit for commit in (*commits, *(path / "snapshots").iterdir()) if commit.is_dir()), path)


def _first(config: PretrainedConfig, mirrors: list[Source]) -> Source:
    here = [source for source in mirrors if cached(source.place, source.revision)]
    if here or len(mirrors) == 1 or is_offline(config):
        return (here or mirrors)[0]
    for source in mirrors[:-1]:
        try:
            class_name(config, source)
            return source
        except UnavailableError:
            continue
    return mirrors[-1]


def fingerprint(config: PretrainedConfig, source: Source, parts: Sequence[str]) -> str:
    """What tells this model's text encoding from any other's: the settings, the commit or the files' sizes
    and times, and the same of everything put on top.
    """
    path = source.path
    if path is None:
        index = cached(source.place, source.revision)
        state: list[Any] = [index.parent.name if index else source.revision]
    else:
        files = [path] if path.is_file() else sorted(f for part in parts for f in (path / part).rglob("*"))
        state = [_state(file) for file in files if file.is_file()]
    if config.text_encoder is not None:
        elsewhere = Path(config.text_encoder).expanduser()
        files = sorted(f for part in parts for f in (elsewhere / part).rglob("*"))
        known = cached(config.text_encoder) if not elsewhere.exists() else None
        state = [str(known and known.parent.name), *(_state(file) for file in files if file.is_file())]
    on_top = [_state(file) for file in (*(lora.file for lora in config.lora), *config.textual_inversion)]
    settings = config.model_dump(mode="json", exclude=_NOT_OF_TEXT)
    return json.dumps([str(path.resolve()) if path else source.place, state, on_top, settings])


def _state(file: Path) -> tuple[str, int, int]:
    known = file.stat() if file.is_file() else None  # what is not there is reported when it is loaded
    return (str(file.resolve()), known.st_size, known.st_mtime_ns) if known else (str(file), 0, 0)


def is_offline(config: PretrainedConfig) -> bool:
    """Whether the hub must not be asked."""
    from huggingface_hub import constants

    return config.offline or bool(constants.HF_HUB_OFFLINE)


def cached(hub: str, revision: str | None = None, file: str = "model_index.json") -> Path | None:
    """The copy of a hub file on this machine, or None."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(hub, file, revision=revision)
    return Path(found) if isinstance(found, str) else None


def class_name(config: PretrainedConfig, source: Source) -> str:
    """The pipeline class that model_index.json names; "" for a single file, which does not say."""
    name = index_of(config, source).get("_class_name", "")
    return str(name if isinstance(name, str) else name[-1])  # [module, class] where it brings its own code


def index_of(config: PretrainedConfig, source: Source) -> dict[str, Any]:
    """model_index.json, or nothing for a single file.

    Raises InputError for a folder without one, DamagedError for one that cannot be read, UnavailableError
    where the hub does not give it.
    """
    path = source.path
    if path is not None and path.is_file():
        return {}
    if path is not None and not (path / "model_index.json").is_file():
        raise InputError(f"{path} is not a pipeline's folder", expected="a model_index.json in it")
    file = fetched(config, source, "model_index.json")
    try:
        index = read_json(file)
        if not index.get("_class_name"):
            raise ValueError("no _class_name")
    except (ValueError, DamagedError) as error:
        raise DamagedError(
            f"{file} is damaged", expected="JSON with _class_name", mend=FETCH_AGAIN
        ) from error
    return index


def fetched(config: PretrainedConfig, source: Source, file: str) -> Path:
    """One file of a model, downloaded if need be. Raises what `hub_errors.translated` raises."""
    path = source.path
    if path is not None:
        if not (path / file).is_file():
            raise DamagedError(f"files of {path} are missing", expected=file, mend=FETCH_AGAIN)
        return path / file
    from huggingface_hub import hf_hub_download

    offline = is_offline(config)
    if not offline and cached(source.place, source.revision, file) is None:
        require_hub(source.place)
    with translated(source.place):
        return Path(hf_hub_download(source.place, file, revision=source.revision, local_files_only=offline))


def snapshot(hub: str, revision: str | None = None) -> Path | None:
    """The folder in the hub's cache that holds this model's weights, or None."""
    index = cached(hub, revision)
    if index is None or not any(index.parent.rglob("*.safetensors")):
        return None
    return index.parent


def reachable(hub: str, revision: str | None = None) -> None:
    """Ask the hub for a model, and download nothing. Raises UnavailableError if it is not to be had."""
    from huggingface_hub import HfApi

    with translated(hub):
        HfApi().model_info(hub, revision=revision, timeout=10)
