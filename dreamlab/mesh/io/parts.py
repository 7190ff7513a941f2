"""What model files are made of, whatever their format: triangles, and what colours them, in linear light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import linear_to_srgb, srgb_to_linear

LEAST_ALPHA = 0.4
"""FlatMesh leaves out faces of cut-out and blended materials that are less opaque than this on average."""
# Where a textured face is sampled: its centroid and three points towards the corners.
_SAMPLES = np.array([[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4]], np.float64)
_SAMPLES /= _SAMPLES.sum(1, keepdims=True)


@dataclass(frozen=True)
class Part:
    """One piece of a file, in world space.

    vertices [V,3]; faces [F,3], counter-clockwise from outside; normals [V,3] unit; uv [V,2], v up. Its
    colour is color [V,3] times factor [4] (both linear light, the factor with alpha) times the texture albedo
    uint8 [H,W,4] (sRGB, row 0 at the top); what is None is white. normal_map uint8 [H,W,3]. opaque: alpha
    means nothing.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    normals: Float[np.ndarray, "V 3"] | None = None
    uv: Float[np.ndarray, "V 2"] | None = None
    color: Float[np.ndarray, "V 3"] | None = None
    factor: Float[np.ndarray, " 4"] | None = None
    albedo: UInt8[np.ndarray, "H W 4"] | None = None
    normal_map: UInt8[np.ndarray, "H W 3"] | None = None
    opaque: bool = True

    def mesh(self) -> Mesh:
        """With the textures as they are, or else sRGB at the corners, if anything is coloured at all."""
        maps = {"albedo": None if self.albedo is None else self.albedo[..., :3], "normal": self.normal_map}
        textures = tuple((k, torch.from_numpy(v.copy())) for k, v in maps.items() if v is not None)
        return Mesh(
            torch.from_numpy(self.vertices).float(),
            torch.from_numpy(self.faces),
            None if self.normals is None else torch.from_numpy(self.normals).float(),
            None if textures else self._corner_colors(),
            torch.from_numpy(self.uv).float() if self.uv is not None and textures else None,
            textures,
        )

    def _corner_colors(self) -> torch.Tensor | None:
        factor = np.ones(3) if self.factor is None else self.factor[:3]
        if self.color is None and (factor == 1).all():
            return None
        linear = np.ones((len(self.vertices), 3)) if self.color is None else self.color
        return torch.from_numpy(linear_to_srgb((linear * factor).clip(0, 1))).float()

    def flat(self) -> tuple[Float[np.ndarray, "F 3"], Float[np.ndarray, " F"]]:
        """The mean colour of every face in linear light, and its alpha, 1 throughout opaque parts."""
        linear, alpha = np.ones((len(self.faces), 3)), np.ones(len(self.faces))
        if self.color is not None:
            linear = self.color[self.faces].mean(1)
        if self.factor is not None:
            linear, alpha = linear * self.factor[:3], alpha * self.factor[3]
        if self.albedo is not None and self.uv is not None:
            texels = _texels(self.albedo, self.uv[self.faces])
            linear = linear * srgb_to_linear(texels[..., :3]).mean(1)
            alpha = alpha * texels[..., 3].mean(1)
        return linear, np.ones_like(alpha) if self.opaque else alpha


class FlatMesh(NamedTuple):
    """Triangles of one colour each: vertices [V,3], faces [F,3], face_colors [F,3] sRGB in 0..1."""

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    face_colors: Float[np.ndarray, "F 3"]


def flattened(parts: Sequence[Part]) -> FlatMesh:
    """All parts as one mesh of flat faces: factors, textures (four texels a face) and corner colours averaged
    over each face in linear light. Faces that let most light through are left out (see LEAST_ALPHA).
    """
    faces, colors, count = [np.zeros((0, 3), np.int64)], [np.zeros((0, 3))], 0
    for part in parts:
        linear, alpha = part.flat()
        seen = alpha >= LEAST_ALPHA
        faces.append(part.faces[seen] + count)
        colors.append(linear_to_srgb(linear[seen].clip(0, 1)))
        count += len(part.vertices)
    vertices = np.concatenate([np.zeros((0, 3)), *(part.vertices for part in parts)])
    return FlatMesh(vertices, np.concatenate(faces), np.concatenate(colors))


def _texels(
    image: UInt8[np.ndarray, "H W 4"], corners: Float[np.ndarray, "F 3 2"]
) -> Float[np.ndarray, "F S 4"]:
    """Nearest texels in 0..1 at fixed points of each face; corners' uv has v up, and repeats."""
    height, width = image.shape[:2]
    uv = np.einsum("sk,fkc->fsc", _SAMPLES, corners)
    column = np.floor(uv[..., 0] * width).astype(np.int64) % width
    row = np.floor((1.0 - uv[..., 1]) * height).astype(np.int64) % height
    return image[row, column] / 255.0
