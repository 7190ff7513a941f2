"""Normals and tangents of a mesh whose vertices may be doubled along texture seams, and where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo

Origin = Literal["keep", "centre", "base"]
MOST_STRETCHED = 100.0  # times as long as another side that a side can be asked for
CREASE = 35.0  # degrees between faces from which on an edge stays sharp


def face_normals_of(mesh: Mesh) -> np.ndarray:
    """Unit normals [F,3] float64 of the faces by their winding; zeros for faces without area."""
    return topo.face_normals(mesh.vertices.double().numpy(), mesh.faces.numpy())[0]


def normals_of(mesh: Mesh) -> np.ndarray:
    """Unit vertex normals [V,3] float64: the mesh's own, else smooth ones that ignore texture seams."""
    if mesh.normals is not None:
        given = mesh.normals.double().numpy()
        length = np.linalg.norm(given, axis=1, keepdims=True)
        return np.where(length > 1e-12, given / np.maximum(length, 1e-12), [0.0, 1.0, 0.0])
    vertices = mesh.vertices.double().numpy()
    first, index = topo.unique_rows(vertices)
    return topo.vertex_normals(vertices[first], index[mesh.faces.numpy()])[index]


def tangents_of(mesh: Mesh) -> np.ndarray:
    """Tangent frames [V,4] float64: unit tangent along +u, orthogonal to the normal, and the handedness in w.

    As glTF wants them: bitangent = cross(normal, tangent) * w runs along +v (up in the image).
    """
    if mesh.uv is None:
        raise InputError(
            "the mesh has no texture coordinates", expected="uv for its tangents", mend="Unwrap it first"
        )
    faces, vertices, uv = mesh.faces.numpy(), mesh.vertices.double().numpy(), mesh.uv.double().numpy()
    normal = normals_of(mesh)
    e1, e2 = (vertices[faces[:, k]] - vertices[faces[:, 0]] for k in (1, 2))
    d1, d2 = (uv[faces[:, k]] - uv[faces[:, 0]] for k in (1, 2))
    det = d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]
    # multiplied, not divided, by the determinant's sign: each face counts by its area in the texture
    along_u = (e1 * d2[:, 1:] - e2 * d1[:, 1:]) * np.sign(det)[:, None]
    total, turn = np.zeros_like(vertices), np.zeros(len(vertices))
    for k in range(3):
        turn += np.bincount(faces[:, k], weights=det, minlength=len(vertices))
        for axis in range(3):
            total[:, axis] += np.bincount(faces[:, k], weights=along_u[:, axis], minlength=len(vertices))
    total -= normal * np.einsum("ij,ij->i", normal, total)[:, None]
    spare = np.cross(normal, np.where(np.abs(normal[:, :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0]))
    total = np.where(np.linalg.norm(total, axis=1, keepdims=True) > 1e-12, total, spare)
    total /= np.linalg.norm(total, axis=1, keepdims=True)
    return np.concatenate([total, np.where(turn >= 0, 1.0, -1.0)[:, None]], 1)


def place(mesh: Mesh, *, size: float | None = None, origin: Origin = "keep") -> Mesh:
    """The mesh with its longest side `size` metres long and its origin moved.

    origin "centre" is the middle of the bounding box, "base" the middle of its underside; "keep" leaves it
    (and scales about it).
    """
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    extent = float((high - low).max())
    if size is not None and (size <= 0 or extent <= 0):
        raise InputError(
            "the mesh cannot be scaled", expected="a positive size", got=f"{size} for an extent {extent}"
        )
    scale = 1.0 if size is None else size / extent
    middle = (low + high) / 2
    if origin == "base":
        middle[1] = low[1]
    elif origin == "keep":
        middle = middle * 0
    return replace(mesh, vertices=(mesh.vertices - middle) * scale)


@dataclass(frozen=True)
class Frame:
    """Where a mesh lies: the middle [3] of its box, and how far its farthest corner is from there."""

    middle: Float[Tensor, " 3"]
    radius: Float[Tensor, ""]

    def inside(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
        """The same points once the middle is the origin and the farthest corner at distance 1."""
        return ((points.double() - self.middle) / self.radius).float()


def frame_of(mesh: Mesh) -> Frame:
    """The frame of a mesh; corners of no face do not count."""
    used = mesh.vertices.double()[mesh.faces.unique()]
    if len(used) == 0:
        return Frame(torch.zeros(3, dtype=torch.float64), torch.ones((), dtype=torch.float64))
    middle = (used.amin(0) + used.amax(0)) / 2
    return Frame(middle, (used - middle).norm(dim=1).max().clamp_min(1e-30))


def centred(mesh: Mesh, radius: float = 1.0) -> Mesh:
    """The middle of the box at the origin, the farthest corner of a face at distance `radius`."""
    return replace(mesh, vertices=frame_of(mesh).inside(mesh.vertices) * radius)


def stretched(mesh: Mesh, sides: tuple[float, float, float]) -> Mesh:
    """The mesh stretched along the axes until its box has sides in this proportion, the longest as long as
    the longest was; normals are turned with the surface.

    Raises InputError for a mesh that is flat along an axis.
    """
    extent = mesh.vertices.double().amax(0) - mesh.vertices.double().amin(0)
    if float(extent.min()) <= 0:
        raise InputError("a flat mesh cannot be stretched", expected="a width, a height and a depth")
    wanted = extent.new_tensor(sides) / max(sides) * extent.max()
    x, y, z = (wanted / extent).tolist()
    return scaled_along(mesh, (x, y, z))


def scaled_along(mesh: Mesh, factors: tuple[float, float, float]) -> Mesh:
    """The mesh with x, y and z multiplied by these factors > 0; normals are turned with the surface."""
    factor = torch.tensor(factors, dtype=torch.float64)
    normals = mesh.normals
    if normals is not None:
        normals = torch.nn.functional.normalize(normals.double() / factor, dim=1).float()
    return replace(mesh, vertices=(mesh.vertices.double() * factor).float(), normals=normals)


def parse_sides(text: str) -> tuple[float, float, float]:
    """Width, height and depth of "1x2x1" or "2 x 0.5 x 1". InputError for anything else."""
    parts = [part.strip() for part in text.lower().split("x")]
    number = re.compile(r"[0-9]*\.?[0-9]+")
    if len(parts) != 3 or not all(number.fullmatch(part) and float(part) > 0 for part in parts):
        raise InputError(
            "the proportions cannot be read",
            expected="width, height and depth, such as 1x2x1",
            got=repr(text),
        )
    width, height, depth = (float(part) for part in parts)
    if max(width, height, depth) > MOST_STRETCHED * min(width, height, depth):
        raise InputError(
            "the proportions cannot be used", expected=f"at most {MOST_STRETCHED:.0f} to 1", got=repr(text)
        )
    return width, height, depth


def parse_size(text: str) -> float:
    """Metres of "0.3m", "30 cm", "300mm", "12in" or a bare number of metres. InputError for anything else."""
    units = {"": 1.0, "m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([a-z]*)\s*", text.lower())
    if not found or found[2] not in units or float(found[1]) <= 0:
        raise InputError(
            "the size cannot be read", expected="a length such as 0.3m, 30cm or 12in", got=repr(text)
        )
    return float(found[1]) * units[found[2]]


def creased(mesh: Mesh, degrees: float = CREASE) -> Mesh:
    """The bare shape with normals that are smooth over edges up to this angle, as every path writes it.

    Corners on sharper edges are doubled, one for each side. Colours, uv and textures are dropped: they come
    afterwards, and `unwrap` copies these normals over its seams.
    """
    vertices, faces, normals = creased_normals(mesh.vertices.double().numpy(), mesh.faces.numpy(), degrees)
    return Mesh(
        torch.from_numpy(vertices).float(), torch.from_numpy(faces), torch.from_numpy(normals).float()
    )


def creased_normals(
    vertices: np.ndarray, faces: np.ndarray, degrees: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices [V,3], faces [F,3] and unit normals [V,3] that are smooth over edges up to this angle.

    Around a vertex the faces between two sharp edges (or rims) form a fan that shares one normal: their own,
    weighted by area and by the angle at the corner. Each fan has its vertex.
    """
    normal, area = topo.face_normals(vertices, faces)
    pairs = topo.neighbours(faces)
    smooth = pairs[np.einsum("pi,pi->p", *normal[pairs.T]) >= np.cos(np.radians(degrees))]
    # of two faces that share a smooth edge the corners at either end hang together
    same = faces[smooth[:, 0]][:, :, None] == faces[smooth[:, 1]][:, None, :]
    pair, here, there = same.nonzero()
    joined = np.stack([smooth[pair, 0] * 3 + here, smooth[pair, 1] * 3 + there], -1)
    fan = topo.labels_of(joined, 3 * len(faces))
    to_next, to_last = (vertices[np.roll(faces, turn, axis=1)] - vertices[faces] for turn in (-1, 1))
    length = np.linalg.norm(to_next, axis=-1) * np.linalg.norm(to_last, axis=-1)
    angle = np.arccos((np.einsum("fki,fki->fk", to_next, to_last) / np.maximum(length, 1e-30)).clip(-1, 1))
    weighted = ((normal * area[:, None])[:, None] * angle[..., None]).reshape(-1, 3)
    total = np.stack([np.bincount(fan, weights=weighted[:, k]) for k in range(3)], -1)
    norm = np.linalg.norm(total, axis=1, keepdims=True)
    normals = np.where(norm > 1e-30, total / np.maximum(norm, 1e-30), [0.0, 1.0, 0.0])
    first = np.unique(fan, return_index=True)[1]
    return vertices[faces.reshape(-1)[first]], fan.reshape(-1, 3).astype(np.int64), normals
