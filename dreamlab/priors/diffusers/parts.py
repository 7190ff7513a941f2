"""Parts that a model is given from elsewhere, a VAE or text encoders, and what a single file lacks."""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.priors.diffusers.hub_errors import listening, translated
from dreamlab.priors.diffusers.json_files import read_json
from dreamlab.priors.diffusers.loading import layout_of, load_component
from dreamlab.priors.diffusers.single_file import as_safetensors, header
from dreamlab.priors.diffusers.source import PretrainedConfig, Source, fetched, find_part, index_of

_VAES = ("AutoencoderKL", "AutoencoderTiny", "AsymmetricAutoencoderKL")
_DEEP = "AutoencoderDC"
_VAE_PREFIXES = ("first_stage_model.", "vae.")


def given_parts(
    config: PretrainedConfig, source: Source, parts: Collection[str], dtype: torch.dtype
) -> dict[str, Any]:
    """Of these parts those that `prior.vae` and `prior.text_encoder` name, loaded. Raises what `load` raises,
    InputError for places that hold no such part.
    """
    made: dict[str, Any] = {}
    if config.vae is not None and "vae" in parts:
        made["vae"] = _vae(config, source, dtype)
    if config.text_encoder is not None:
        elsewhere, there = find_part(config, config.text_encoder)
        for name in parts:
            if name.startswith(("text_encoder", "tokenizer")):
                kind = _class_in(index_of(elsewhere, there), name, there.place)
                made[name] = load_component(elsewhere, there, kind, name, dtype)
    return made


def require_parts(config: PretrainedConfig, file: Path) -> tuple[str, ...]:
    """The parts that may be missing of a single file, and are. Raises InputError where others are."""
    names = header(file)[0]

    def lacks(prefixes: tuple[str, ...]) -> bool:
        return not any(name.startswith(prefixes) for name in names)

    if config.vae is None and lacks(_VAE_PREFIXES):
        raise InputError(
            f"{file} holds no VAE",
            mend="Give one with --set prior.vae=PLACE: a folder, a hub id or a .safetensors file",
        )
    missing = [part for part, prefixes in config.text_in_single_file.items() if lacks(prefixes)]
    if config.text_encoder is not None:
        return ()
    needed = [part for part in missing if part not in config.dispensable]
    if needed:
        raise InputError(
            f"{file} holds no {' and no '.join(needed)}",
            mend="Give a pipeline of the same kind that has them with --set prior.text_encoder=PLACE: "
            "a folder or a hub id",
        )
    return tuple(missing)


def _vae(config: PretrainedConfig, source: Source, dtype: torch.dtype) -> Any:
    assert config.vae is not None
    elsewhere, there = find_part(config, config.vae)
    path = there.path
    if path is not None and path.is_file():
        return _vae_of_file(config, source, path, dtype)
    if path is not None and not (path / "model_index.json").is_file():
        folder = None
    else:
        folder = _vae_folder(elsewhere, there)
    settings = read_json(fetched(elsewhere, there, f"{folder}/config.json" if folder else "config.json"))
    return load_component(
        elsewhere,
        there,
        _known(settings.get("_class_name"), there.place, index_of(config, source).get("vae")),
        folder,
        dtype,
    )


def _vae_folder(config: PretrainedConfig, source: Source) -> str | None:
    """Where in a repository the VAE lies: at its top, or in a pipeline's folder."""
    try:
        index_of(config, source)
    except DamagedError:
        if source.path is not None:
            raise
        return None
    return "vae"


def _vae_of_file(config: PretrainedConfig, source: Source, file: Path, dtype: torch.dtype) -> Any:
    """A VAE in one file, whose configuration is that of the model, or of what the model's file follows."""
    layout = source.place
    if source.path is not None and source.path.is_file():
        layout = layout_of(config, source)
    with translated(str(file)), listening():
        with as_safetensors(file) as named:
            return import_module("diffusers").AutoencoderKL.from_single_file(
                str(named), config=layout, subfolder="vae", torch_dtype=dtype, local_files_only=config.offline
            )


def _class_in(index: dict[str, Any], part: str, place: str) -> str:
    entry = index.get(part)
    if not isinstance(entry, list) or not entry or not isinstance(entry[-1], str):
        raise InputError(
            f"{place} holds no {part}", mend="Give a pipeline of the model's own kind as prior.text_encoder"
        )
    return entry[-1]


def _known(kind: Any, place: str, own: Any) -> str:
    """The class of a VAE for the model, DC-AE in place of DC-AE alone: latents of others differ in size."""
    deep = isinstance(own, list) and _DEEP in own
    fitting = (_DEEP,) if deep else _VAES
    if kind not in fitting:
        raise InputError(f"{place} is no VAE that can be used", expected=" or ".join(fitting), got=str(kind))
    return str(kind)
