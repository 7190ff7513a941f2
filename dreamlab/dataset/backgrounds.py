"""What stands behind the object in the pictures of a data set."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from jaxtyping import UInt8
from pydantic import BaseModel, ConfigDict, Field

from dreamlab.core.errors import InputError

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
Byte = Annotated[int, Field(ge=0, le=255)]
Color = tuple[Byte, Byte, Byte]
Picture = UInt8[np.ndarray, "H W 3"]


class _Background(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def check(self) -> None:
        """Raise InputError now if it cannot be had."""


class Transparent(_Background):
    """Nothing: the pictures have alpha."""

    kind: Literal["transparent"] = "transparent"

    def picture(self, size: tuple[int, int], rng: np.random.Generator) -> None:
        return None


class Plain(_Background):
    """One sRGB colour."""

    kind: Literal["color"] = "color"
    color: Color

    def picture(self, size: tuple[int, int], rng: np.random.Generator) -> Picture:
        return np.tile(np.array(self.color, np.uint8), (*size, 1))


class Gradient(_Background):
    """From one sRGB colour at the top of the picture to another at its foot; another pair for every view, by
    the seed, where none is named."""

    kind: Literal["gradient"] = "gradient"
    colors: tuple[Color, Color] | None = None

    def picture(self, size: tuple[int, int], rng: np.random.Generator) -> Picture:
        drawn = rng.integers(40, 256, (2, 3)).astype(float)
        top, foot = drawn if self.colors is None else np.array(self.colors, float)
        along = ((np.arange(size[0]) + 0.5) / size[0])[:, None]
        rows = (top * (1 - along) + foot * along + 0.5).astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(rows[:, None], (*size, 3)))


class Pictures(_Background):
    """A picture of a folder for every view, by the seed, its middle cut to the views' shape."""

    kind: Literal["images"] = "images"
    folder: Path

    def check(self) -> None:
        self._files()

    def _files(self) -> list[Path]:
        try:
            files = sorted(p for p in self.folder.iterdir() if p.suffix.lower() in PICTURES and p.is_file())
        except OSError as error:
            raise InputError(f"{self.folder} cannot be read", got=error.strerror or str(error)) from error
        if not files:
            expected = "files ending in " + ", ".join(PICTURES)
            raise InputError(f"{self.folder} holds no pictures for backgrounds", expected=expected)
        return files

    def picture(self, size: tuple[int, int], rng: np.random.Generator) -> Picture:
        files = self._files()
        return _fitted(files[rng.integers(len(files))], size)


@lru_cache(maxsize=64)
def _fitted(path: Path, size: tuple[int, int]) -> Picture:
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.fit(image.convert("RGB"), (size[1], size[0])))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read as a picture", got=str(error)) from error


BackgroundConfig = Annotated[Transparent | Plain | Gradient | Pictures, Field(discriminator="kind")]
