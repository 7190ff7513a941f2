"""Textures as bytes: PNG as small as it gets, JPEG, WebP."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np

TextureFormat = Literal["png", "jpeg", "webp"]
SUFFIXES: dict[str, str] = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
QUALITY = 90  # of 100, of colours; where WebP loses nothing, its effort


def encoded(image: np.ndarray, kind: TextureFormat = "png", exact: bool = False) -> tuple[bytes, str]:
    """A uint8 image [H,W,3 or 4], and its media type.

    exact: of numbers, not of colours, such as normals: WebP then loses nothing, and JPEG, which always does,
    is at 95. Colours lose what quality 90 loses, all three channels at full size. JPEG has no alpha: an
    image with alpha becomes PNG.
    """
    from PIL import Image

    out, picture = io.BytesIO(), Image.fromarray(image)
    if kind == "webp":
        picture.save(out, "webp", lossless=exact, quality=QUALITY, exact=exact)
    elif kind == "jpeg" and image.shape[-1] == 3:
        quality = 95 if exact else QUALITY
        picture.save(out, "jpeg", quality=quality, subsampling=0, optimize=True)
    else:
        picture.save(out, "png", optimize=True)
        return out.getvalue(), "image/png"
    return out.getvalue(), f"image/{kind}"
