"""sRGB and linear light (IEC 61966-2-1), textures and vertex colours."""

from __future__ import annotations

import numpy as np

from dreamlab.core.types import Material, Mesh, Wrap

PLAIN = Material()


def srgb_to_linear(c: np.ndarray) -> np.ndarray:
    """sRGB in 0..1 to linear light in 0..1."""
    return np.where(c <= 0.04045, c / 12.92, ((np.maximum(c, 0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(c: np.ndarray) -> np.ndarray:
    """Linear light in 0..1 to sRGB in 0..1."""
    return np.where(c <= 0.0031308, c * 12.92, 1.055 * np.maximum(c, 0.0031308) ** (1 / 2.4) - 0.055)


def to_bytes(c: np.ndarray) -> np.ndarray:
    """0..1 to uint8, rounded."""
    return (np.clip(c, 0, 1) * 255 + 0.5).astype(np.uint8)


def sample(texture: np.ndarray, uv: np.ndarray, material: Material = PLAIN) -> np.ndarray:
    """Bilinear colours in 0..1 of a uint8 texture [H,W,C] at uv [N,2] (v up), wrapped and, if it says so,
    not blended, as the material has it."""
    h, w = texture.shape[:2]
    x, y = uv[:, 0] * w - 0.5, (1 - uv[:, 1]) * h - 0.5
    if material.nearest:
        x, y = np.floor(x + 0.5), np.floor(y + 0.5)
    if material.wrap[0] == "clamp":
        x = x.clip(0, w - 1)
    if material.wrap[1] == "clamp":
        y = y.clip(0, h - 1)
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    x0, x1 = (wrapped(i, w, material.wrap[0]) for i in (x0, x0 + 1))
    y0, y1 = (wrapped(i, h, material.wrap[1]) for i in (y0, y0 + 1))
    top = texture[y0, x0] * (1 - fx) + texture[y0, x1] * fx
    bottom = texture[y1, x0] * (1 - fx) + texture[y1, x1] * fx
    return (top * (1 - fy) + bottom * fy) / 255


def wrapped(index: np.ndarray, n: int, wrap: Wrap) -> np.ndarray:
    """Texels of a row of n, 0..n-1, that stand at these whole numbers of any size."""
    if wrap == "repeat":
        return index % n
    if wrap == "mirror":
        index = index % (2 * n)
        return np.minimum(index, 2 * n - 1 - index)
    return index.clip(0, n - 1)


def texture_of(mesh: Mesh, name: str) -> np.ndarray | None:
    """The mesh's texture called "albedo" or "normal" as uint8 [H,W,3], if it has one and uv to go with it."""
    found = dict(mesh.textures).get(name)
    return None if found is None or mesh.uv is None else found[..., :3].numpy()


def vertex_colors(mesh: Mesh) -> np.ndarray | None:
    """sRGB colours [V,3] in 0..1: the mesh's own times its albedo texture read at the corners, or the one
    that it has, else None."""
    own = None if mesh.colors is None else mesh.colors.double().numpy().clip(0, 1)
    albedo = texture_of(mesh, "albedo")
    if albedo is None or mesh.uv is None:
        return own
    texels = sample(albedo, mesh.uv.double().numpy(), mesh.material)
    return texels if own is None else multiplied(texels, own)


def multiplied(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product in linear light of two sRGB colours in 0..1."""
    return linear_to_srgb(srgb_to_linear(a) * srgb_to_linear(b))
