"""Corners of a mesh at which several fans of faces meet in one point, and how they are parted."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from dreamlab.mesh.geometry import topology as topo

APART = 0.02  # how far a parted corner moves towards its own faces, as a share of their size


def fans(faces: Int[np.ndarray, "F 3"]) -> Int[np.ndarray, "F 3"]:
    """Which fan every corner of every face is in: corners of one vertex whose faces hang together through
    edges at it; numbered from 0."""
    pairs = topo.neighbours(faces)
    same = faces[pairs[:, 0]][:, :, None] == faces[pairs[:, 1]][:, None, :]
    pair, here, there = same.nonzero()
    joined = np.stack([pairs[pair, 0] * 3 + here, pairs[pair, 1] * 3 + there], -1)
    return topo.labels_of(joined, 3 * len(faces)).reshape(-1, 3)


def pinched_corners(faces: Int[np.ndarray, "F 3"]) -> Int[np.ndarray, " N"]:
    """Vertices whose faces hang together through edges in more than one fan, in order."""
    first = np.unique(fans(faces), return_index=True)[1]
    vertex, count = np.unique(faces.reshape(-1)[first], return_counts=True)
    return vertex[count > 1]


def part_fans(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> tuple[Float[np.ndarray, "W 3"], Int[np.ndarray, "F 3"]]:
    """The mesh with a vertex of its own for every fan, those that shared one moved a little towards their
    faces, so that they do not even lie in one place. A mesh that is pinched nowhere passes unchanged."""
    pinched = pinched_corners(faces)
    if len(pinched) == 0:
        return vertices, faces
    fan = fans(faces).reshape(-1)
    corner = faces.reshape(-1)
    apart = np.isin(corner, pinched)
    labels, index = np.unique(fan[apart], return_inverse=True)
    middle = np.repeat(vertices[faces].mean(1), 3, axis=0)[apart]
    count = np.bincount(index)[:, None]
    centre = np.stack([np.bincount(index, weights=middle[:, k]) for k in range(3)], -1) / count
    own = np.zeros(len(labels), dtype=np.int64)
    own[index] = corner[apart]
    new = vertices[own] + APART * (centre - vertices[own])
    corner = corner.copy()
    corner[apart] = len(vertices) + index
    return topo.drop_unused(np.concatenate([vertices, new]), corner.reshape(-1, 3))
