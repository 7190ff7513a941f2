"""What `--prior WHICH`, `--lora FILE:SCALE` and `--vram GB` mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dreamlab.core.errors import InputError


def prior_settings(text: str) -> dict[str, Any]:
    """Settings of the prior that WHICH names: "embedded", an alias, a hub id, a pipeline's folder or a
    .safetensors file (a pretrained model, or weights that `dreamlab studio train` wrote).

    Raises InputError if it is none of them.
    """
    if text == "embedded":
        return {"kind": "embedded"}
    from dreamlab.priors.diffusers.recognise import kind_of

    kind = kind_of(text)
    place = Path(text).expanduser()
    where = str(place.resolve()) if place.exists() else text  # a run may be resumed from elsewhere
    return {"kind": kind, "weights" if kind == "embedded" else "model": where}


def lora_settings(text: str) -> dict[str, Any]:
    """FILE or FILE:SCALE. Raises InputError if there is no such file."""
    file, colon, scale = text.rpartition(":")
    try:
        given: dict[str, Any] = {"scale": float(scale)} if colon else {}
    except ValueError:
        given = {}
    path = Path(file if given else text).expanduser()
    if not path.is_file():
        raise InputError(
            f"there is no LoRA {path}", expected="FILE or FILE:SCALE, such as style.safetensors:0.8"
        )
    return {"file": str(path.resolve())} | given
