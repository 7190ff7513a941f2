"""Is a mesh sound: closed, manifold, in one piece, without faces that pass through each other?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dreamlab.core.types import Mesh
from dreamlab.evaluate.boxes import overlapping
from dreamlab.mesh.game.soundness import soundness
from dreamlab.mesh.geometry import topology as topo

MOST = 60_000  # faces of which crossings are looked for
_EPS = 1e-9


class MeshHealth(NamedTuple):
    """watertight: every edge has two faces that run along it in opposite directions. pinched_corners: where
    fans of faces meet in one point. handles: of all closed parts together; -1 where it is not closed.
    slivers: share of faces whose height is below 1/50 of their longest edge. crossing_faces: faces that pass
    through another one; -1 above MOST faces. uv_islands, uv_used: of the texture's layout (0 without one).
    """

    faces: int
    vertices: int
    watertight: bool
    pinched_corners: int
    handles: int
    slivers: float
    crossing_faces: int
    uv_islands: int
    uv_used: float


def mesh_health(mesh: Mesh) -> MeshHealth:
    """See MeshHealth; the same whatever order faces are in."""
    vertices, faces = topo.weld(mesh.vertices.double().numpy(), mesh.faces.numpy())
    sound = soundness(mesh)
    parts = len(np.unique(topo.components(faces))) if len(faces) else 0
    closed = sound.edge_manifold and sound.pinched_corners == 0
    return MeshHealth(
        faces=len(mesh.faces),
        vertices=len(vertices),
        watertight=sound.edge_manifold,
        pinched_corners=sound.pinched_corners,
        handles=(2 * parts - sound.euler_number) // 2 if closed else -1,
        slivers=slivers(vertices, faces),
        crossing_faces=crossing_faces(vertices, faces),
        uv_islands=sound.uv_islands,
        uv_used=sound.uv_used,
    )


def slivers(vertices: np.ndarray, faces: np.ndarray, least: float = 1 / 50) -> float:
    """Share of the faces whose least height is below this share of their longest edge."""
    if len(faces) == 0:
        return 0.0
    corner = vertices[faces]
    longest = np.linalg.norm(corner - np.roll(corner, -1, 1), axis=2).max(1)
    area = topo.face_normals(vertices, faces)[1]
    return float((2 * area < least * longest**2).mean())


def crossing_faces(vertices: np.ndarray, faces: np.ndarray) -> int:
    """How many faces an edge of another face passes through, faces that share a corner left out.

    Two triangles that cross each other properly: an edge of one meets the inside of the other
    (Moeller-Trumbore 1997, for pairs whose boxes overlap). Faces that only touch, or lie in one plane, do not
    count.
    """
    if len(faces) > MOST:
        return -1
    corner = vertices[faces]
    pairs = overlapping(corner.min(1), corner.max(1))
    shared = (faces[pairs[:, 0]][:, :, None] == faces[pairs[:, 1]][:, None, :]).any((1, 2))
    pairs = pairs[~shared]
    both = np.concatenate([pairs, pairs[:, ::-1]])
    hit = _edge_meets(vertices[faces[both[:, 0]]], vertices[faces[both[:, 1]]])
    return len(np.unique(both[hit]))


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
