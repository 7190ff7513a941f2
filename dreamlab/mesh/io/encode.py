"""Textures as bytes: PNG as small as it gets, JPEG, WebP."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np

from dreamlab.mesh.io import basis

TextureFormat = Literal["png", "jpeg", "webp"]
PackedFormat = Literal["png", "jpeg", "webp", "ktx2"]  # of a GLB that is not read back here
SUFFIXES: dict[str, str] = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
QUALITY = 90  # of 100, of colours; where WebP loses nothing, its effort


def encoded(image: np.ndarray, kind: PackedFormat = "png", exact: bool = False) -> tuple[bytes, str]:
    """A uint8 image [H,W,3 or 4], and its media type.

    exact: of numbers, not of colours, such as normals: WebP then loses nothing, and JPEG, which always does,
    is at 95. Colours lose what quality 90 loses, all three channels at full size. JPEG has no alpha: an
    image with alpha becomes PNG. KTX2 is `basis.ktx2`.
    """
    from PIL import Image

    if kind == "ktx2":
        return basis.ktx2(image, exact), basis.MIME

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
