"""A mesh's own layout for textures: whether an image can be baked into it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.texture.raster import depth_inside, rasterise_uv

TEXELS = 512  # along each side of the image in which faces are laid over each other
SLACK = 1e-4  # of the image, that coordinates may lie outside
FEW = 0.01  # share of texels, or of the surface, that may be at fault: a sliver here and there


def fault_of(uv: Float[np.ndarray, "F 3 2"] | None, corners: Float[np.ndarray, "F 3 3"]) -> str | None:
    """What keeps an image from being baked into these coordinates of faces with these corners, as the end of
    a sentence about them; None where nothing does."""
    if uv is None:
        return "are not there"
    if not np.isfinite(uv).all() or uv.min(initial=0) < -SLACK or uv.max(initial=0) > 1 + SLACK:
        return "reach beyond the image"
    e1, e2 = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    empty = np.abs(e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]) < 1e-12
    area = topo.face_normals(corners.reshape(-1, 3), np.arange(3 * len(corners)).reshape(-1, 3))[1]
    if area[empty].sum() > FEW * area.sum():
        return "have no room for some faces"
    texel, _, weight = rasterise_uv(uv, TEXELS)
    texel = texel[depth_inside(weight) > 1e-6]  # centres on an edge lie in two faces
    if len(texel) - len(np.unique(texel)) > FEW * len(texel):
        return "overlap"
    return None
