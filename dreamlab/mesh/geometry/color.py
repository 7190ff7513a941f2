"""sRGB and linear light (IEC 61966-2-1), textures and vertex colours."""

from __future__ import annotations

import io

import numpy as np

from dreamlab.core.types import Mesh


def srgb_to_linear(c: np.ndarray) -> np.ndarray:
    """sRGB in 0..1 to linear light in 0..1."""
    return np.where(c <= 0.04045, c / 12.92, ((np.maximum(c, 0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(c: np.ndarray) -> np.ndarray:
    """Linear light in 0..1 to sRGB in 0..1."""
    return np.where(c <= 0.0031308, c * 12.92, 1.055 * np.maximum(c, 0.0031308) ** (1 / 2.4) - 0.055)


def to_bytes(c: np.ndarray) -> np.ndarray:
    """0..1 to uint8, rounded."""
    return (np.clip(c, 0, 1) * 255 + 0.5).astype(np.uint8)


def sample(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Bilinear colours in 0..1 of a uint8 texture [H,W,C] at uv [N,2] (v up), edges repeated."""
    h, w = texture.shape[:2]
    x = (uv[:, 0] * w - 0.5).clip(0, w - 1)
    y = ((1 - uv[:, 1]) * h - 0.5).clip(0, h - 1)
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    x1, y1 = np.minimum(x0 + 1, w - 1), np.minimum(y0 + 1, h - 1)
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    top = texture[y0, x0] * (1 - fx) + texture[y0, x1] * fx
    bottom = texture[y1, x0] * (1 - fx) + texture[y1, x1] * fx
    return (top * (1 - fy) + bottom * fy) / 255


def texture_of(mesh: Mesh, name: str) -> np.ndarray | None:
    """The mesh's texture called "albedo" or "normal" as uint8 [H,W,3], if it has one and uv to go with it."""
    found = dict(mesh.textures).get(name)
    return None if found is None or mesh.uv is None else found.numpy()


def vertex_colors(mesh: Mesh) -> np.ndarray | None:
    """sRGB colours [V,3] in 0..1: the mesh's own, else its albedo texture read at the corners, else None."""
    if mesh.colors is not None:
        return mesh.colors.double().numpy().clip(0, 1)
    albedo = texture_of(mesh, "albedo")
    if albedo is None or mesh.uv is None:
        return None
    return sample(albedo[..., :3], mesh.uv.double().numpy())


def png(image: np.ndarray) -> bytes:
    """A uint8 image as PNG."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(image).save(out, format="PNG", compress_level=6)
    return out.getvalue()
