"""Is a mesh sound: closed, manifold, in one piece, without faces that pass through each other?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dreamlab.core.types import Mesh
from dreamlab.mesh.game.soundness import soundness
from dreamlab.mesh.geometry import topology as topo


class MeshHealth(NamedTuple):
    """watertight: every edge has two faces that run along it in opposite directions. pinched_corners: where
    fans of faces meet in one point. handles: of all closed parts together; -1 where it is not closed.
    slivers: share of faces whose height is below 1/50 of their longest edge. crossing_faces: faces that pass
    through another one; -1 where there are too many faces to look. uv_islands, uv_used: of the texture's
    layout (0 without one).
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
        crossing_faces=sound.crossing_faces,
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
