"""CLIP similarity and retrieval, by weights that are on this machine already: nothing is fetched.

Similarity is the cosine of image and text embeddings (Radford et al. 2021); R-precision as in
dreamlab.evaluate.retrieval.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
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
    """A CLIP with its processor. name: what it was asked for as. identity: changes with its config."""

    name: str
    identity: str
    model: Any
    processor: Any

    @torch.no_grad()
    def images(self, pictures: UInt8[np.ndarray, "n H W 3"]) -> Float[Tensor, "n d"]:
        """Unit embeddings of sRGB pictures."""
        values = self.processor(images=list(pictures), return_tensors="pt")["pixel_values"]
        parts = [self.model.vision_model(pixel_values=rows).pooler_output for rows in values.split(8)]
        return F.normalize(self.model.visual_projection(torch.cat(parts)), dim=1)

    @torch.no_grad()
    def texts(self, prompts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Unit embeddings of prompts; what is longer than the model's 77 tokens is cut off."""
        tokens = self.processor(text=list(prompts), return_tensors="pt", padding=True, truncation=True)
        pooled = self.model.text_model(**tokens).pooler_output
        return F.normalize(self.model.text_projection(pooled), dim=1)


def load_clip(name: str = USUAL) -> Clip:
    """A CLIP from a folder in the format of transformers, or one of the hub's that was fetched before.

    name: a folder, a short name of ALIASES or a hub id. Raises UnavailableError where it is not on this
    machine, DamagedError where its files hold no CLIP.
    """
    from transformers import CLIPModel, CLIPProcessor
    from transformers.utils import logging as told

    place = ALIASES.get(name, name)
    folder = Path(place).expanduser()
    is_folder = folder.is_dir()
    level = told.get_verbosity()
    told.set_verbosity_error()
    try:
        where: dict[str, Any] = {"local_files_only": True}
        source = str(folder) if is_folder else place
        model = CLIPModel.from_pretrained(source, use_safetensors=True, **where).eval().requires_grad_(False)
        processor = CLIPProcessor.from_pretrained(source, **where)
    except Exception as error:  # transformers raises whatever its parts do
        if is_folder:
            got = str(error).strip().splitlines()[0]
            raise DamagedError(f"{folder} cannot be read as a CLIP", got=got) from error
        raise UnavailableError(
            f"CLIP {place} is not on this machine",
            mend=f"Fetch it once with `hf download {place}`, or name a folder with --clip",
        ) from error
    finally:
        told.set_verbosity(level)
    return Clip(name, _identity(source, model), model, processor)


def _identity(source: str, model: Any) -> str:
    """Of its name, its config and a few of its weights."""
    sample = model.visual_projection.weight.detach().float().flatten()[:4096].numpy().tobytes()
    text = f"{source} {model.config.to_json_string()}".encode()
    return hashlib.sha256(text + sample).hexdigest()[:16]
