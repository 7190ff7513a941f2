"""A user's picture, as a prior is shown it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.errors import InputError
from dreamlab.pictures.read import read_rgba


def read_image(file: Path) -> Float[Tensor, "1 3 H W"]:
    """A picture in -1..1 as its camera was held, transparency on white.

    Raises InputError for what is not square, and as `read_rgba`.
    """
    rgba = read_rgba(file).rgba
    height, width = rgba.shape[:2]
    if width != height:
        raise InputError(f"the picture {file} is not square", got=f"{width}x{height}", mend="Crop or pad it")
    alpha = rgba[..., 3:].astype(np.float32) / 255
    pixels = np.round(rgba[..., :3] * alpha + 255 * (1 - alpha))
    return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)[None]
