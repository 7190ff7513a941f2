"""What model files are made of, whatever their format: triangles, and what colours them, in linear light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Num, UInt8

from dreamlab.core.types import Material, Mesh, Wrap
from dreamlab.mesh.geometry.color import linear_to_srgb, srgb_to_linear, wrapped
from dreamlab.mesh.geometry.topology import face_normals
from dreamlab.mesh.io.images import times

LEAST_ALPHA = 0.4
"""FlatMesh leaves out faces of cut-out and blended materials that are less opaque than this on average."""
REPEAT = Material(wrap=("repeat", "repeat"))
"""What textures of files do unless told otherwise."""
# Where a textured face is sampled: its centroid and three points towards the corners.
_SAMPLES = np.array([[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4]], np.float64)
_SAMPLES /= _SAMPLES.sum(1, keepdims=True)


@dataclass(frozen=True)
class Part:
    """One piece of a file, in world space.

    vertices [V,3]; faces [F,3], counter-clockwise from outside; normals [V,3] unit; uv [V,2], v up. Its
    colour is color [V,3] times factor [4] (both linear light, the factor with alpha) times the texture albedo
    uint8 [H,W,4] (sRGB, row 0 at the top); what is None is white. normal_map uint8 [N,M,3]. opaque: alpha
    means nothing. material: how its textures are read, and what a mesh keeps of its alpha.
    rough_metal, beside the other textures: shares of the material's roughness in green, of its metal in blue.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    normals: Float[np.ndarray, "V 3"] | None = None
    uv: Float[np.ndarray, "V 2"] | None = None
    color: Float[np.ndarray, "V 3"] | None = None
    factor: Float[np.ndarray, " 4"] | None = None
    albedo: UInt8[np.ndarray, "H W 4"] | None = None
    normal_map: UInt8[np.ndarray, "N M 3"] | None = None
    opaque: bool = True
    material: Material = REPEAT
    rough_metal: UInt8[np.ndarray, "R S 3"] | None = None

    @property
    def textured(self) -> bool:
        return self.uv is not None and (self.albedo is not None or self.normal_map is not None)

    def mesh(self) -> Mesh:
        """With its albedo times its factor; sRGB at the corners where they have colours, or nothing else
        has."""
        color, factor = self.tint()
        textures, material = [], replace(self.material, alpha="opaque")
        if self.textured and self.albedo is not None:
            material = self.material
            textures.append(("albedo", torch.from_numpy(self.painted(factor))))
        elif self.color is not None or (factor[:3] != 1).any():
            color = (np.ones((len(self.vertices), 3)) if color is None else color) * factor[:3]
        if self.textured and self.normal_map is not None:
            textures.append(("normal", torch.from_numpy(self.normal_map)))
        if self.textured and self.rough_metal is not None:
            textures.append(("metallic_roughness", torch.from_numpy(self.rough_metal)))
        return Mesh(
            torch.from_numpy(self.vertices).float(),
            torch.from_numpy(self.faces),
            None if self.normals is None else torch.from_numpy(self.normals).float(),
            None if color is None else torch.from_numpy(linear_to_srgb(color.clip(0, 1))).float(),
            torch.from_numpy(self.uv).float() if self.uv is not None and textures else None,
            tuple(textures),
            material,
        )

    def tint(self) -> tuple[Float[np.ndarray, "V 3"] | None, Float[np.ndarray, " 4"]]:
        """Its colour but for the albedo: at the corners, if they differ, and one for all."""
        factor = np.ones(4) if self.factor is None else self.factor
        if self.color is None or (self.color != self.color[:1]).any():
            return self.color, factor
        return None, factor * np.append(self.color[0], 1.0)

    def painted(self, factor: Float[np.ndarray, " 4"]) -> UInt8[np.ndarray, "H W C"]:
        """The albedo times a factor, with a fourth channel if the material needs it."""
        image = np.full((1, 1, 4), 255, np.uint8) if self.albedo is None else self.albedo
        image = image if (factor == 1).all() else times(image, factor)
        return image if self.material.alpha != "opaque" else np.ascontiguousarray(image[..., :3])

    def faceted(self) -> Part:
        """With normals that are its faces', so that every edge shows. Corners are doubled."""
        corners = self.faces.reshape(-1)
        normals = np.repeat(face_normals(self.vertices, self.faces)[0], 3, axis=0)
        return replace(self.picked(corners), faces=np.arange(len(corners)).reshape(-1, 3), normals=normals)

    def picked(self, corners: Int[np.ndarray, " N"]) -> Part:
        """With these of its corners, one after another; the faces are left as they are."""
        names = ("vertices", "normals", "uv", "color")
        rows = {name: None if (of := getattr(self, name)) is None else of[corners] for name in names}
        return replace(self, **rows)

    def doubled(self, own: Num[np.ndarray, "N K"]) -> tuple[Part, Num[np.ndarray, "V K"]]:
        """With corners doubled where faces differ in what is their own: `own` has a row for each corner of
        each face, one after another. Also the row that each corner of the result has.
        """
        keys = np.concatenate([self.faces.reshape(-1, 1), own], 1)
        rows, index = np.unique(keys, axis=0, return_inverse=True)
        moved = self.picked(rows[:, 0].astype(np.int64))
        return replace(moved, faces=index.reshape(-1, 3).astype(np.int64)), rows[:, 1:]

    def flat(self) -> tuple[Float[np.ndarray, "F 3"], Float[np.ndarray, " F"]]:
        """The mean colour of every face in linear light, and its alpha, 1 throughout opaque parts."""
        linear, alpha = np.ones((len(self.faces), 3)), np.ones(len(self.faces))
        if self.color is not None:
            linear = self.color[self.faces].mean(1)
        if self.factor is not None:
            linear, alpha = linear * self.factor[:3], alpha * self.factor[3]
        if self.albedo is not None and self.uv is not None:
            texels = _texels(self.albedo, self.uv[self.faces], self.material.wrap)
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
    image: UInt8[np.ndarray, "H W 4"], corners: Float[np.ndarray, "F 3 2"], wrap: tuple[Wrap, Wrap]
) -> Float[np.ndarray, "F S 4"]:
    """Nearest texels in 0..1 at fixed points of each face; corners' uv has v up."""
    height, width = image.shape[:2]
    uv = np.einsum("sk,fkc->fsc", _SAMPLES, corners)
    column = wrapped(np.floor(uv[..., 0] * width).astype(np.int64), width, wrap[0])
    row = wrapped(np.floor((1.0 - uv[..., 1]) * height).astype(np.int64), height, wrap[1])
    return image[row, column] / 255.0
