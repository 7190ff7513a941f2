"""Pictures of model files: only formats named here, never more than memory holds; and sums of their light."""

from __future__ import annotations

import io
import warnings
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from dreamlab.core.errors import InputError
from dreamlab.mesh.geometry.color import linear_to_srgb, srgb_to_linear, to_bytes

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TGA", "GIF", "TIFF", "AVIF", "DDS")
"""What is decoded. Pillow knows more, and starts Ghostscript for some of it."""
MOST_SIDE = 8192  # of a texture in pixels; a larger one is halved until it fits
MOST_PIXELS = 178_000_000  # that are decoded at all: 0.7 GB
ROWS = 128  # of a picture in linear light at a time


class Picture(NamedTuple):
    """RGBA, row 0 at the top, and by how many times it is smaller than it was."""

    rgba: UInt8[np.ndarray, "H W 4"]
    smaller: int


def decode_image(data: bytes, name: str, most_pixels: int | None = None) -> Picture:
    """A picture, at most MOST_SIDE each way, of a file that has at most `most_pixels` (None: MOST_PIXELS).

    Of 16-bit greys the upper 8 bits are kept, greys in floating point are of 1; embedded profiles and
    orientations are ignored, as glTF asks.

    Raises InputError for a format that is not one of FORMATS, a damaged file and one of too many pixels.
    """
    from PIL import Image

    most_pixels = most_pixels or MOST_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise _too_large(name, most_pixels) from None
    except Exception as error:  # decoders raise whatever the bytes lead them to
        raise _unreadable(name, "no format that is known here") from error
    if image.width * image.height > most_pixels:
        raise _too_large(name, most_pixels)
    try:
        return _rgba(image)
    except Exception as error:
        raise _unreadable(name, f"{image.format} that breaks off or is damaged") from error


def _rgba(image: Any) -> Picture:
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off at 255
        deep = np.asarray(image).clip(0, 65535)
        image = Image.fromarray((deep >> 8).astype(np.uint8))
    elif image.mode == "F":  # shares of 1, which Pillow would cut off at 255
        image = Image.fromarray(to_bytes(np.nan_to_num(np.asarray(image)).clip(0, 1)))
    elif image.mode in ("P", "1"):  # cannot be averaged
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    smaller = -(-max(image.size) // MOST_SIDE)
    if smaller > 1:  # band by band: colours do not depend on alpha
        image = Image.merge(image.mode, [band.reduce(smaller) for band in image.split()])
    return Picture(np.array(image.convert("RGBA")), smaller)


def _too_large(name: str, most_pixels: int) -> InputError:
    return InputError(f"{name} is too large", expected=f"at most {most_pixels / 10**6:g} million pixels")


def _unreadable(name: str, got: str) -> InputError:
    return InputError(f"{name} cannot be read", expected="PNG, JPEG, WebP, ...", got=got)


def lit(
    albedo: UInt8[np.ndarray, "H W 4"] | None,
    factor: Float[np.ndarray, " 3"],
    lamp: UInt8[np.ndarray, "h w 4"] | None,
    glow: Float[np.ndarray, " 3"],
) -> UInt8[np.ndarray, "A B 4"]:
    """albedo times factor plus lamp times glow, in linear light, where None is white; as large as the larger.

    Factor and glow are linear; alpha is the albedo's.
    """
    white = np.full((1, 1, 4), 255, np.uint8)
    one, two = (white if image is None else image for image in (albedo, lamp))
    size = max(one.shape[1], two.shape[1]), max(one.shape[0], two.shape[0])
    one, two = resized(one, *size), resized(two, *size)
    table = srgb_to_linear(np.arange(256) / 255)
    out = one.copy()
    for row in range(0, len(out), ROWS):
        some = slice(row, row + ROWS)
        sum_ = table[one[some, :, :3]] * factor + table[two[some, :, :3]] * glow
        out[some, :, :3] = to_bytes(linear_to_srgb(sum_.clip(0, 1)))
    return out


def times(image: UInt8[np.ndarray, "H W 4"], factor: Float[np.ndarray, " 4"]) -> UInt8[np.ndarray, "H W 4"]:
    """An sRGB image times a factor in linear light, alpha times alpha."""
    steps = np.arange(256) / 255
    tables = [to_bytes(linear_to_srgb((srgb_to_linear(steps) * f).clip(0, 1))) for f in factor[:3]]
    tables.append(to_bytes(steps * factor[3]))
    return np.stack([table[image[..., k]] for k, table in enumerate(tables)], -1)


def resized(image: UInt8[np.ndarray, "H W 4"], width: int, height: int) -> UInt8[np.ndarray, "h w 4"]:
    """Larger between its texels, or smaller by their means. Alpha does not weigh: of solid materials it means
    nothing."""
    from PIL import Image

    if image.shape[1::-1] == (width, height):
        return image
    how = Image.Resampling.BILINEAR if width * height > image[..., 0].size else Image.Resampling.BOX
    planes = (Image.fromarray(image[..., :3]), Image.fromarray(image[..., 3]))
    return np.dstack([np.asarray(plane.resize((width, height), how)) for plane in planes])
