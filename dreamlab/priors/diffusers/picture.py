"""Priors that are shown a user's picture: their settings, and the picture as they see it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import Self

from dreamlab.core.errors import ConfigError, InputError
from dreamlab.pictures.read import read_rgba
from dreamlab.priors.diffusers.source import PretrainedConfig, UserPath


class ShownPictureConfig(PretrainedConfig):
    """A family that is shown one picture of the object, from the front (azimuth 0), beside or instead of
    words.

    image: the picture, square, on white; transparency is laid on white. null: the first of the run's
    `images`.
    """

    title: ClassVar[str]

    image: UserPath | None = None

    def showing(self, image: Path, elevation: float, negative_prompt: str) -> Self:
        """With the picture of a run, taken from `elevation` degrees above, and what else it says there."""
        return self.model_copy(update={"image": image})

    def require_picture(self) -> None:
        """Raises ConfigError without one."""
        if self.image is None:
            mend = "Give one with --image PICTURE, or --set prior.image=PICTURE"
            raise ConfigError(f"{self.title} has no picture", mend=mend)

    def state_of_picture(self) -> str:
        """What tells the picture's file from any other, and from itself once it is changed."""
        file = self.image
        if file is None:
            return ""
        return f"{file.resolve()} {file.stat().st_mtime_ns if file.is_file() else 0}"


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
