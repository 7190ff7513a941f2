"""How much of a surface nobody can see from outside."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from dreamlab.mesh.geometry import topology as topo

DIRECTIONS = 128
GRAZING = 0.05  # cosine below which a face is seen edge-on


def hidden_share(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> float:
    """The share of the area whose faces' middles are seen, from their front, from none of DIRECTIONS even
    ones (Fibonacci's spiral). What is seen through a narrow gap alone may be counted as hidden."""
    import trimesh

    normal, area = topo.face_normals(vertices, faces)
    if area.sum() <= 0:
        return 0.0
    rays = trimesh.Trimesh(vertices, faces, process=False).ray
    start = vertices[faces].mean(1) + normal * 1e-4 * float(np.ptp(vertices, axis=0).max())
    seen = np.zeros(len(faces), dtype=bool)
    k = np.arange(DIRECTIONS) + 0.5
    height, turn = 1 - 2 * k / DIRECTIONS, np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - height**2)
    for way in np.stack([ring * np.cos(turn), ring * np.sin(turn), height], -1):
        rows = np.nonzero(~seen & (normal @ way > GRAZING))[0]
        if len(rows):
            seen[rows] = ~rays.intersects_any(start[rows], np.broadcast_to(way, (len(rows), 3)))
    return float(area[~seen].sum() / area.sum())
