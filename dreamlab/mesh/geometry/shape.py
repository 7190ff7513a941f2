"""Normals and tangents of a mesh whose vertices may be doubled along texture seams, and where it stands."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

import numpy as np

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo

Origin = Literal["keep", "centre", "base"]


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


def parse_size(text: str) -> float:
    """Metres of "0.3m", "30 cm", "300mm", "12in" or a bare number of metres. InputError for anything else."""
    units = {"": 1.0, "m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([a-z]*)\s*", text.lower())
    if not found or found[2] not in units or float(found[1]) <= 0:
        raise InputError(
            "the size cannot be read", expected="a length such as 0.3m, 30cm or 12in", got=repr(text)
        )
    return float(found[1]) * units[found[2]]


def creased_normals(
    vertices: np.ndarray, faces: np.ndarray, degrees: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices [V,3], faces [F,3] and unit normals [V,3] that are smooth over edges up to this angle.

    Corners on sharper edges are doubled, one for each side.
    """
    normal, area = topo.face_normals(vertices, faces)
    corner_vertex, corner_face = faces.reshape(-1), np.repeat(np.arange(len(faces)), 3)
    order = np.argsort(corner_vertex, kind="stable")
    count = np.bincount(corner_vertex, minlength=len(vertices))
    start = count.cumsum() - count
    # every corner against every face around its vertex
    around = count[corner_vertex]
    corner = np.repeat(np.arange(len(corner_vertex)), around)
    other = order[
        start[corner_vertex[corner]] + np.arange(len(corner)) - np.repeat(around.cumsum() - around, around)
    ]
    near = np.einsum("ni,ni->n", normal[corner_face[corner]], normal[corner_face[other]])
    smooth = near >= np.cos(np.radians(degrees))
    total = np.zeros((len(corner_vertex), 3))
    weighted = normal * area[:, None]
    for axis in range(3):
        total[:, axis] = np.bincount(
            corner[smooth], weights=weighted[corner_face[other[smooth]], axis], minlength=len(total)
        )
    total /= np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30)
    key = np.concatenate([corner_vertex[:, None], np.round(total * 1e4)], 1)
    first, index = topo.unique_rows(key)
    return vertices[corner_vertex[first]], index.reshape(-1, 3), total[first]
