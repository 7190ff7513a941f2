"""Textual inversion: words of a user's own, each a few vectors in the tables of the text encoders."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.priors.diffusers.hub_errors import listening
from dreamlab.priors.diffusers.single_file import SAFETENSORS, header

_PICKLED = (".pt", ".bin")
_LARGEST = 16 * 2**20  # bytes of a pickled file, unpacked; 75 vectors of both encoders of XL are a 25th
_ENCODERS = {"clip_l": "", "clip_g": "_2"}  # SDXL's names for the vectors, and the pipeline's for the parts


def learn_words(pipe: Any, files: Sequence[Path], model: str) -> Any:
    """The text pipeline with the words that textual inversion files bring; a word is its file's name.

    Raises InputError for files that do not fit, DamagedError for files that cannot be read.
    """
    for file in files:
        if not file.is_file() or file.suffix not in (*SAFETENSORS, *_PICKLED):
            raise InputError(
                f"{file} is not a textual inversion", expected="a .safetensors, .pt or .bin file that exists"
            )
        if not hasattr(pipe, "load_textual_inversion"):
            raise InputError(f"{model} cannot learn words from textual inversion files")
        vectors = read_vectors(file)
        with listening():
            try:
                _learn(pipe, file.stem, vectors)
            except (ValueError, RuntimeError, LookupError, TypeError, AttributeError, OSError) as error:
                lines = str(error).strip().splitlines() or [type(error).__name__]
                raise InputError(
                    f"the textual inversion {file} does not fit {model}", got=lines[0][:200]
                ) from error
    return pipe


def read_vectors(file: Path) -> dict[str, Tensor]:
    """Vectors [N,D] by text encoder of SDXL ("clip_l", "clip_g"), or under "" where there is one encoder.

    Raises DamagedError for a file that cannot be read, InputError for one of something else.
    """
    if file.suffix in SAFETENSORS:
        from safetensors.torch import load_file

        header(file)  # says what is wrong with it
        held: Any = load_file(file)
    else:
        held = _unpickled(file)
    if isinstance(held, dict) and isinstance(held.get("string_to_param"), dict):
        held = held["string_to_param"]
    if not isinstance(held, dict) or not held or not all(isinstance(v, Tensor) for v in held.values()):
        raise InputError(f"{file} is not a textual inversion", expected="one tensor, or clip_l and clip_g")
    vectors = {name: torch.atleast_2d(value.detach()) for name, value in held.items()}
    if set(vectors) == set(_ENCODERS):
        return vectors
    if len(vectors) != 1 or set(vectors) & set(_ENCODERS):
        names = ", ".join(sorted(vectors)[:4])
        expected = "one tensor, or clip_l and clip_g"
        raise InputError(f"{file} is not a textual inversion", expected=expected, got=names)
    return {"": next(iter(vectors.values()))}


def _unpickled(file: Path) -> Any:
    """What a file of torch's holds, read without running any of it and only if it is small."""
    size = file.stat().st_size
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as packed:
            size = max(size, sum(entry.file_size for entry in packed.infolist()))
    if size > _LARGEST:
        raise InputError(
            f"{file} is too large for a textual inversion",
            expected=f"at most {_LARGEST // 2**20} MB",
            got=f"{size / 2**20:.0f} MB",
        )
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        ValueError,
        EOFError,
        LookupError,
        TypeError,
        OSError,
    ) as error:
        raise DamagedError(
            f"{file} is damaged, or holds more than tensors",
            mend="Get it as .safetensors: what is pickled could run code and is not read",
        ) from error


def _learn(pipe: Any, word: str, vectors: dict[str, Tensor]) -> None:
    """Raises ValueError where the vectors are not those of the model's text encoders."""
    two = getattr(pipe, "text_encoder_2", None) is not None
    if two != (len(vectors) == 2):
        raise ValueError(f"vectors for {len(vectors)} text encoder(s), where the model has {1 + two}")
    for name, value in vectors.items():
        suffix = _ENCODERS.get(name, "")
        encoder, tokeniser = (getattr(pipe, part + suffix) for part in ("text_encoder", "tokenizer"))
        width = encoder.get_input_embeddings().embedding_dim
        if value.ndim != 2 or value.shape[1] != width:
            raise ValueError(f"vectors of {value.shape[-1]} numbers, where text_encoder{suffix} has {width}")
        pipe.load_textual_inversion(value, token=word, text_encoder=encoder, tokenizer=tokeniser)
