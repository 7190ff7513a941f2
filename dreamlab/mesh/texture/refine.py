"""Split long edges of a mesh, without cracks, until none is longer than wanted: detail for what lives at
corners."""

from __future__ import annotations

import numpy as np

from dreamlab.mesh.geometry import topology as topo

ROUNDS = 12  # each halves the long edges: enough for any mesh whose edges are below 4,000 times the limit


def refine(values: np.ndarray, faces: np.ndarray, longest: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners [V',3+C] and faces [F',3] of the same surface with edges up to `longest`.

    The first three columns of `values` [V,3+C] are positions; the rest (uv and the like) is halved along.
    Every edge is split by its own length alone ("red-green" refinement: one, two or all three edges of a
    face), so that faces on both sides agree, also across seams, where both sides' corners are equal to the
    bit.
    """
    for _ in range(ROUNDS):
        edges = topo.directed_edges(faces)
        first, index = topo.unique_rows(np.sort(edges, axis=1))
        ends = values[edges[first]]
        long = np.linalg.norm(ends[:, 0, :3] - ends[:, 1, :3], axis=1) > longest
        if not long.any():
            break
        middle = np.where(long, len(values) + long.cumsum() - 1, -1)[index].reshape(-1, 3)
        values = np.concatenate([values, ends[long].mean(1)])
        faces = split(values[:, :3], faces, middle)
    return values, faces


def split(x: np.ndarray, faces: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Faces cut at new corners [F,3] on their edges, such as their middles; edge k runs from corner k, -1:
    whole. Of corners at x [V,3] the shorter diagonals are taken."""
    count = (middle >= 0).sum(1)
    out = [faces[count == 0]]
    # turned so that with one edge to split it is the first, and with two the last is whole
    turn = np.where(count == 1, (middle >= 0).argmax(1), np.where(count == 2, (middle < 0).argmax(1) + 1, 0))
    rows, order = np.arange(len(faces))[:, None], (np.arange(3) + turn[:, None]) % 3
    (a, b, c), (ab, bc, ca) = faces[rows, order].T, middle[rows, order].T

    def add(where: np.ndarray, *triangles: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        out.extend(np.stack(t, -1)[where] for t in triangles)

    add(count == 1, (a, ab, c), (ab, b, c))
    add(count == 2, (ab, b, bc))
    shorter = np.linalg.norm(x[a] - x[bc], axis=1) <= np.linalg.norm(x[ab] - x[c], axis=1)
    add((count == 2) & shorter, (a, ab, bc), (a, bc, c))
    add((count == 2) & ~shorter, (a, ab, c), (ab, bc, c))
    add(count == 3, (a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    return np.concatenate(out)
