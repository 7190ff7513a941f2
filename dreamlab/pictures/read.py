"""A user's picture, upright and in eight bits, whatever it was saved as."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from dreamlab.core.errors import InputError
from dreamlab.mesh.io.images import FORMATS, MOST_SIDE, decode_image

_ORIENTATION = 0x0112  # of EXIF: how a camera was held


class Read(NamedTuple):
    """RGBA as its camera was held, row 0 at the top; and how many pictures the file holds, of which this is
    the first."""

    rgba: UInt8[np.ndarray, "H W 4"]
    frames: int


def read_rgba(file: Path, most: int = MOST_SIDE) -> Read:
    """A picture of at most `most` pixels each way; a larger one is made smaller, by a whole number of times.

    Raises InputError for a file that cannot be read, and as `rgba_of`.
    """
    return rgba_of(data_of(file), str(file), most)


def data_of(file: Path) -> bytes:
    """What a picture's file holds. Raises InputError where it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the picture {file}", got=error.strerror or str(error)) from error


def rgba_of(data: bytes, name: str, most: int = MOST_SIDE, most_pixels: int | None = None) -> Read:
    """As `read_rgba`, of a file's bytes; one of more than `most_pixels` is refused (None: of
    more than are ever decoded).

    name: what errors call the picture. Raises InputError for what is no picture of a format that is known
    here, is damaged or far too large, or holds numbers whose white is not known.
    """
    rgba = decode_image(data, f"the picture {name}", most_pixels).rgba
    orientation, frames = _about(data, name)
    return Read(_upright(_smaller(rgba, -(-max(rgba.shape[:2]) // most)), orientation), frames)


def _smaller(rgba: UInt8[np.ndarray, "H W 4"], times: int) -> UInt8[np.ndarray, "h w 4"]:
    from PIL import Image

    return rgba if times <= 1 else np.array(Image.fromarray(rgba).reduce(times))  # colours by their alpha


def _about(data: bytes, name: str) -> tuple[int, int]:
    """EXIF's orientation, 1 where there is none; and the number of frames."""
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        if opened.mode == "F":
            raise InputError(
                f"the picture {name} holds floating point numbers, whose white is not known",
                mend="Save it with 8 or 16 bits a channel",
            )
        frames = int(getattr(opened, "n_frames", 1))
        if opened.format == "TIFF":  # Pillow turns it by itself while it decodes
            return 1, frames
        return _orientation(opened), frames


def _orientation(opened: Any) -> int:
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
