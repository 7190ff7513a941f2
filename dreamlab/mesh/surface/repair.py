"""Triangle soup becomes a closed surface: one winding, no crowded edges, small holes shut."""

from __future__ import annotations

import numpy as np

from dreamlab.mesh.geometry import topology as topo


def make_closed(vertices: np.ndarray, faces: np.ndarray, hole_edges: int) -> tuple[np.ndarray, np.ndarray]:
    """Consistent winding, no edge with more than two faces, small holes shut. A closed mesh passes
    unchanged."""
    if topo.is_closed(faces):
        return vertices, faces
    index, uses, _ = topo.edge_uses(faces)
    crowded = (uses > 2)[index].reshape(-1, 3).any(1)
    if not crowded.all():
        faces = faces[~crowded]
    faces = consistent_winding(vertices, faces)
    return topo.drop_unused(*close_holes(vertices, faces, hole_edges))


def consistent_winding(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Faces turned so that neighbours run along their common edge in opposite directions."""
    _, uses, balance = topo.edge_uses(faces)
    if (balance[uses == 2] == 0).all():
        return faces
    import trimesh

    mesh = trimesh.Trimesh(vertices, faces, process=False)
    trimesh.repair.fix_winding(mesh)
    return np.asarray(mesh.faces, dtype=np.int64)


def close_holes(vertices: np.ndarray, faces: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Fill boundary loops of up to `limit` edges with a fan around their middle."""
    index, uses, _ = topo.edge_uses(faces)
    rim = topo.directed_edges(faces)[(uses == 1)[index]]
    rings = [
        ring for ring in _loops(rim[:, ::-1]) if 3 <= len(ring) <= limit
    ]  # patches run the other way round
    middles = [vertices[ring].mean(0) for ring in rings]
    fans = [
        np.stack([ring, np.roll(ring, -1), np.full(len(ring), len(vertices) + i)], -1)
        for i, ring in enumerate(rings)
    ]
    return np.concatenate([vertices, np.reshape(middles, (-1, 3))]), np.concatenate([faces, *fans])


def _loops(edges: np.ndarray) -> list[np.ndarray]:
    """The closed loops of directed edges [E,2]; where loops touch in a vertex, the simple ones."""
    follow: dict[int, list[int]] = {}
    for a, b in edges.tolist():
        follow.setdefault(a, []).append(b)
    loops = []
    for start in list(follow):
        path = [start]
        while follow.get(path[-1]):
            here = follow[path[-1]].pop()
            if here in path:
                cut = path.index(here)
                loops.append(np.asarray(path[cut:]))
                del path[cut + 1 :]
            else:
                path.append(here)
    return loops
