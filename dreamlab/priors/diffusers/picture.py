"""A user's picture, as a prior is shown it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from dreamlab.core.errors import InputError
from dreamlab.mesh.io.images import FORMATS, decode_image

_ORIENTATION = 0x0112  # of EXIF: how a camera was held


def read_image(file: Path) -> Float[Tensor, "1 3 H W"]:
    """A picture in -1..1 as its camera was held, transparency on white.

    Raises InputError for what is no picture of a format that is known here, or not square.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the picture {file}", got=error.strerror or str(error)) from error
    rgba = decode_image(data, f"the picture {file}").rgba
    rgba = _upright(rgba, _orientation(data, file))
    height, width = rgba.shape[:2]
    if width != height:
        raise InputError(f"the picture {file} is not square", got=f"{width}x{height}", mend="Crop or pad it")
    alpha = rgba[..., 3:].astype(np.float32) / 255
    pixels = np.round(rgba[..., :3] * alpha + 255 * (1 - alpha))
    return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)[None]


def _orientation(data: bytes, file: Path) -> int:
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        if opened.mode == "F":
            raise InputError(
                f"the picture {file} holds floating point numbers, whose white is not known",
                mend="Save it with 8 or 16 bits a channel",
            )
        if opened.format == "TIFF":  # Pillow turns it by itself while it decodes
            return 1
        try:
            return int(opened.getexif().get(_ORIENTATION, 1))
        except Exception:  # damage there turns no picture
            return 1


def _upright(image: UInt8[np.ndarray, "H W 4"], orientation: int) -> UInt8[np.ndarray, "h w 4"]:
    """What EXIF's orientations 2 to 8 say is to be done with an image [H,W,C]; any other leaves it."""
    if orientation in (2, 4, 5, 7):
        image = image[:, ::-1]
    turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    return np.ascontiguousarray(np.rot90(image, turns))
