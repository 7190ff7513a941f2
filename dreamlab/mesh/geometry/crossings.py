"""Faces of a mesh that pass through each other."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from dreamlab.mesh.geometry.boxes import overlapping

_EPS = 1e-9


def crossing_faces(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Int[np.ndarray, " N"]:
    """The faces that an edge of another face passes through, or whose edge passes through another; faces that
    share a corner are left out. Indices in order.

    Two triangles cross properly where an edge of one meets the inside of the other (Moeller-Trumbore 1997,
    for pairs whose boxes overlap). Faces that only touch, or lie in one plane, do not count.
    """
    corner = vertices[faces]
    pairs = overlapping(corner.min(1), corner.max(1))
    shared = (faces[pairs[:, 0]][:, :, None] == faces[pairs[:, 1]][:, None, :]).any((1, 2))
    pairs = pairs[~shared]
    both = np.concatenate([pairs, pairs[:, ::-1]])
    hit = _edge_meets(vertices[faces[both[:, 0]]], vertices[faces[both[:, 1]]])
    return np.unique(both[hit])


def _edge_meets(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether an edge of the first triangle [P,3,3] passes through the inside of the second."""
    a, e1, e2 = other[:, 0], other[:, 1] - other[:, 0], other[:, 2] - other[:, 0]
    hit = np.zeros(len(one), bool)
    for k in range(3):
        start, way = one[:, k], one[:, (k + 1) % 3] - one[:, k]
        p = np.cross(way, e2)
        det = np.einsum("ij,ij->i", e1, p)
        safe = np.where(np.abs(det) < 1e-18, np.inf, det)
        t = start - a
        q = np.cross(t, e1)
        u, v = np.einsum("ij,ij->i", t, p) / safe, np.einsum("ij,ij->i", way, q) / safe
        along = np.einsum("ij,ij->i", e2, q) / safe
        hit |= (u > _EPS) & (v > _EPS) & (u + v < 1 - _EPS) & (along > _EPS) & (along < 1 - _EPS)
    return hit
