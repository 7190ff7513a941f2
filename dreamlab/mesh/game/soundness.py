"""What a surface and its layout in the texture are like: what an edge-manifold check does not see."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.crossings import crossing_faces
from dreamlab.mesh.geometry.fans import pinched_corners
from dreamlab.mesh.geometry.hidden import hidden_share

MOST = 60_000  # faces of which crossings are looked for
CRUMB = 8  # triangles below which an island of the texture is a crumb


class Soundness(NamedTuple):
    """Of a mesh, its corners welded: whether every edge has two faces that run along it in opposite
    directions; corners at which two or more fans of faces meet in one point; faces that pass through others,
    -1 of more than MOST faces; V - E + F, which is 2 for each closed part without handles, and 2 less for
    every handle; the share of its area that nobody sees from outside. Of its texture: islands, those of less
    than CRUMB triangles, and the share of the image that they cover; 0 without a texture."""

    edge_manifold: bool
    pinched_corners: int
    crossing_faces: int
    euler_number: int
    hidden: float
    uv_islands: int
    uv_crumbs: int
    uv_used: float


def soundness(mesh: Mesh) -> Soundness:
    """See Soundness; the same whatever order vertices and faces are in."""
    vertices, faces = topo.weld(mesh.vertices.double().numpy(), mesh.faces.numpy())
    edges = len(topo.edge_uses(faces)[1])
    islands = _islands(mesh)
    used = 0.0
    if mesh.uv is not None:
        a, b, c = mesh.uv[mesh.faces].double().unbind(1)
        (u, v), (s, t) = (b - a).T, (c - a).T
        used = float((u * t - v * s).abs().sum()) / 2
    return Soundness(
        edge_manifold=topo.is_closed(faces),
        pinched_corners=len(pinched_corners(faces)),
        crossing_faces=len(crossing_faces(vertices, faces)) if len(faces) <= MOST else -1,
        euler_number=len(vertices) - edges + len(faces),
        hidden=hidden_share(vertices, faces),
        uv_islands=len(islands),
        uv_crumbs=int((islands < CRUMB).sum()),
        uv_used=used,
    )


def _islands(mesh: Mesh) -> Int[np.ndarray, " I"]:
    """How many triangles each island of the texture has."""
    if mesh.uv is None or not mesh.textures:
        return np.zeros(0, dtype=np.int64)
    rows = np.concatenate([mesh.vertices.double().numpy(), mesh.uv.double().numpy()], 1)
    place = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    faces = place[mesh.faces.numpy()]
    return np.bincount(topo.labels_of(topo.neighbours(faces), len(faces)))
