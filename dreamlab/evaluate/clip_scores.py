"""CLIP similarity and retrieval, by weights that are on this machine already: nothing is fetched.

Similarity is the cosine of image and text embeddings (Radford et al. 2021); R-precision as in
dreamlab.evaluate.retrieval.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from dreamlab.core.errors import DamagedError, UnavailableError

ALIASES = {
    "b32": "openai/clip-vit-base-patch32",
    "b16": "openai/clip-vit-base-patch16",
    "l14": "openai/clip-vit-large-patch14",
}
"""Those that DreamFusion reports R-precision with."""
USUAL = "b32"


@dataclass(frozen=True)
class Clip:
    """A CLIP that is on this machine; its weights are read when it is first asked.

    place: a folder, or a hub id whose files are in the cache. identity: changes with its config and with the
    size of its weights.
    """

    place: str
    identity: str

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        """Model and processor. Raises DamagedError where the files hold no CLIP."""
        from transformers import CLIPModel, CLIPProcessor
        from transformers.utils import logging as told

        level = told.get_verbosity()
        told.set_verbosity_error()
        where: dict[str, Any] = {"local_files_only": True}
        try:
            model = CLIPModel.from_pretrained(self.place, use_safetensors=True, **where)
            return model.eval().requires_grad_(False), CLIPProcessor.from_pretrained(self.place, **where)
        except Exception as error:  # transformers raises whatever its parts do
            got = str(error).strip().splitlines()[0]
            raise DamagedError(f"{self.place} cannot be read as a CLIP", got=got) from error
        finally:
            told.set_verbosity(level)

    @torch.no_grad()
    def images(self, pictures: UInt8[np.ndarray, "n H W 3"]) -> Float[Tensor, "n d"]:
        """Unit embeddings of sRGB pictures."""
        model, processor = self._parts
        values = processor(images=list(pictures), return_tensors="pt")["pixel_values"]
        parts = [model.vision_model(pixel_values=rows).pooler_output for rows in values.split(8)]
        return F.normalize(model.visual_projection(torch.cat(parts)), dim=1)

    @torch.no_grad()
    def texts(self, prompts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Unit embeddings of prompts; what is longer than the model's 77 tokens is cut off."""
        model, processor = self._parts
        tokens = processor(text=list(prompts), return_tensors="pt", padding=True, truncation=True)
        return F.normalize(model.text_projection(model.text_model(**tokens).pooler_output), dim=1)


def find_clip(name: str = USUAL) -> Clip:
    """A CLIP in a folder in the format of transformers, or one of the hub's that was fetched before.

    name: a folder, a short name of ALIASES or a hub id. Raises UnavailableError where it is not on this
    machine.
    """
    from huggingface_hub import try_to_load_from_cache

    place = ALIASES.get(name, name)
    folder = Path(place).expanduser()
    if folder.is_dir():
        files = [folder / "config.json", folder / "model.safetensors"]
        mend = f"{folder} wants config.json and model.safetensors"
        place = str(folder)
    else:
        cached = [
            _cached(try_to_load_from_cache, place, file) for file in ("config.json", "model.safetensors")
        ]
        files = [Path(file) for file in cached if file is not None]
        mend = f"Fetch it once with `hf download {place}`, or name a folder with --clip"
    if len(files) < 2 or not all(file.is_file() for file in files):
        raise UnavailableError(f"CLIP {place} is not on this machine", mend=mend)
    config, weights = files
    facts = config.read_bytes() + str(weights.stat().st_size).encode()
    return Clip(place, hashlib.sha256(place.encode() + facts).hexdigest()[:16])


def _cached(look: Any, place: str, file: str) -> str | None:
    """Where the hub's cache has a file; None where it has none, or the name is no hub id."""
    try:
        found = look(place, file)
    except ValueError:
        return None
    return found if isinstance(found, str) else None
