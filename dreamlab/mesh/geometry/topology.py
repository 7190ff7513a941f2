"""Small combinatorial tools on plain arrays: vertices [V,3] float64, faces [F,3] int64."""

from __future__ import annotations

import numpy as np


def unique_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of an array [N,D]: index of each distinct row's first occurrence, and for every row which distinct one
    it is."""
    order = np.lexsort(rows.T)
    ordered = rows[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(-1)
    index = np.empty(len(order), dtype=np.int64)
    index[order] = new.cumsum() - 1
    return order[new], index  # lexsort is stable: the first of equal rows comes first


def drop_unused(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Without the vertices that no face uses."""
    used = np.zeros(len(vertices), dtype=bool)
    used[faces] = True
    return vertices[used], (used.cumsum() - 1)[faces]


def weld(vertices: np.ndarray, faces: np.ndarray, tolerance: float = 1e-7) -> tuple[np.ndarray, np.ndarray]:
    """Merge equal vertices (to `tolerance` of the size), drop degenerate faces, copies of faces and unused
    vertices."""
    extent = float(np.ptp(vertices, axis=0).max()) or 1.0
    first, index = unique_rows(np.round(vertices / (extent * tolerance)).astype(np.int64))
    vertices, faces = vertices[first], index[faces]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    if len(faces):
        faces = faces[np.sort(unique_rows(np.sort(faces, axis=1))[0])]
    return drop_unused(vertices, faces)


def directed_edges(faces: np.ndarray) -> np.ndarray:
    """[3F, 2]: edge k of face f stands in row 3 f + k and runs from corner k to corner k + 1."""
    return np.stack([faces, np.roll(faces, -1, axis=1)], -1).reshape(-1, 2)


def edge_uses(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every undirected edge: its number per row of `directed_edges`, its uses in all, and forward minus
    backward."""
    edges = directed_edges(faces)
    _, index = unique_rows(np.sort(edges, axis=1))
    n = int(index.max()) + 1 if len(index) else 0
    sign = np.where(edges[:, 0] < edges[:, 1], 1, -1)
    return (
        index,
        np.bincount(index, minlength=n),
        np.bincount(index, weights=sign, minlength=n).astype(np.int64),
    )


def is_closed(faces: np.ndarray) -> bool:
    """Every edge belongs to exactly two faces that run along it in opposite directions."""
    _, uses, balance = edge_uses(faces)
    return len(faces) > 0 and bool((uses == 2).all() and (balance == 0).all())


def neighbours(faces: np.ndarray) -> np.ndarray:
    """Pairs of faces [P,2] that share an edge of exactly two faces."""
    return borders(faces)[0]


def borders(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of faces [P,2] that share an edge of exactly two faces, and that edge's corners [P,2]."""
    index, uses, _ = edge_uses(faces)
    order = np.argsort(index, kind="stable")
    start = np.searchsorted(index[order], np.nonzero(uses == 2)[0])
    pairs = np.stack([order[start], order[start + 1]], -1) // 3
    return pairs, directed_edges(faces)[order[start]]


def components(faces: np.ndarray) -> np.ndarray:
    """Which connected part (through shared vertices) every face belongs to, [F], numbered from 0."""
    return labels_of(faces, int(faces.max()) + 1)[faces[:, 0]]


def labels_of(groups: np.ndarray, n: int) -> np.ndarray:
    """Connected parts of n nodes, where the nodes of one row of `groups` [G,K] hang together."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows = np.repeat(groups[:, 0], groups.shape[1] - 1)
    graph = coo_matrix((np.ones(len(rows), dtype=bool), (rows, groups[:, 1:].reshape(-1))), shape=(n, n))
    return connected_components(graph, directed=False)[1]


def signed_volumes(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Every face's share of the signed volume: their sum is the volume of a closed outward-wound mesh."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.einsum("ij,ij->i", a, np.cross(b, c)) / 6


def face_normals(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit normals [F,3] and areas [F]."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    length = np.linalg.norm(cross, axis=1)
    return cross / np.maximum(length, 1e-30)[:, None], length / 2


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals [V,3], faces weighted by their corner's angle (Thuermer and Wuethrich 1998)."""
    normal, _ = face_normals(vertices, faces)
    out = np.zeros((len(vertices), 3))
    for k in range(3):
        p, q, r = (vertices[faces[:, (k + i) % 3]] for i in range(3))
        u, v = q - p, r - p
        cosine = np.einsum("ij,ij->i", u, v) / np.maximum(
            np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1), 1e-30
        )
        weighted = normal * np.arccos(cosine.clip(-1, 1))[:, None]
        for axis in range(3):
            out[:, axis] += np.bincount(faces[:, k], weights=weighted[:, axis], minlength=len(vertices))
    length = np.linalg.norm(out, axis=1, keepdims=True)
    return np.where(length > 1e-20, out / np.maximum(length, 1e-20), [0.0, 1.0, 0.0])


def contains(vertices: np.ndarray, faces: np.ndarray, point: np.ndarray) -> bool:
    """Whether a point lies inside a closed mesh: parity of its crossings along a skew ray (Moeller-Trumbore
    1997)."""
    direction = np.array([0.5773, 0.5212, 0.6286])  # skew to the axes, so it rarely meets an edge
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    e1, e2 = b - a, c - a
    p = np.cross(direction, e2)
    det = np.einsum("ij,ij->i", e1, p)
    safe = np.where(np.abs(det) < 1e-18, np.inf, det)
    t = point - a
    q = np.cross(t, e1)
    u, v = np.einsum("ij,ij->i", t, p) / safe, q @ direction / safe
    hit = (u >= 0) & (v >= 0) & (u + v < 1) & (np.einsum("ij,ij->i", e2, q) / safe > 0) & np.isfinite(safe)
    return bool(hit.sum() % 2)


def touching(faces: np.ndarray, n: int):
    """How many of the n vertices two faces share, as a sparse matrix [F,F] (csr); 3 for a face and itself."""
    from scipy.sparse import csr_matrix

    face = np.repeat(np.arange(len(faces)), 3)
    corner = csr_matrix((np.ones(len(face)), (face, faces.reshape(-1))), shape=(len(faces), n))
    return corner @ corner.T
