"""How high a shape is over a grid of places, and how far it can be let down onto another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dreamlab.mesh.geometry.boxes import overlapping

TOP = 0.15  # of its height: what counts as the top of a shape
TOP_CELLS = 48  # along its longer side as seen from above
_FINEST = 1e-7  # of the longest side, that is kept between two shapes


class HeightMap(NamedTuple):
    """The highest and the lowest point of a shape above each place: [X,Z], -inf and inf where it has none."""

    top: Float[np.ndarray, "X Z"]
    bottom: Float[np.ndarray, "X Z"]


def heights_of(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    first: Float[np.ndarray, " 2"],
    count: Int[np.ndarray, " 2"],
    cell: float,
) -> HeightMap:
    """Over places (x, z) = first + cell * (i, j), in the squares of this width around them: what of the shape
    lies in one by its corners, and by its faces over the middle."""
    top, bottom = np.full(tuple(count), -np.inf), np.full(tuple(count), np.inf)
    at = np.rint((vertices[:, [0, 2]] - first) / cell).astype(np.int64)
    seen = ((at >= 0) & (at < count)).all(1)
    spot = tuple(at[seen].T)
    np.maximum.at(top, spot, vertices[seen, 1])
    np.minimum.at(bottom, spot, vertices[seen, 1])
    for corner in vertices[faces]:
        _add_face(top, bottom, corner, first, cell)
    return HeightMap(top, bottom)


def top_region(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> tuple[tuple[float, float], float]:
    """Where (x, z) the middle of a shape's top is, and how wide that is: the diameter of a disc as large as
    the largest connected part of what is within TOP of its height, seen from above. The middle is the place
    of that part that is nearest to its mean, so that it lies over the shape."""
    from scipy.ndimage import label

    low, high = vertices[faces].reshape(-1, 3).min(0), vertices[faces].reshape(-1, 3).max(0)
    cell = max(float((high - low)[[0, 2]].max()) / TOP_CELLS, 1e-12)
    count = np.ceil((high - low)[[0, 2]] / cell).astype(int) + 1
    top = heights_of(vertices, faces, low[[0, 2]], count, cell).top
    within = top >= high[1] - TOP * (high[1] - low[1])
    parts = np.empty(within.shape, np.int32)
    label(within, np.ones((3, 3)), output=parts)
    sizes = np.bincount(parts.reshape(-1))[1:]
    cells = np.argwhere(parts == 1 + sizes.argmax())
    spot = cells[np.square(cells - cells.mean(0)).sum(1).argmin()]
    x, z = low[[0, 2]] + cell * spot
    return (float(x), float(z)), 2 * cell * float(np.sqrt(len(cells) / np.pi))


def _add_face(
    top: np.ndarray, bottom: np.ndarray, corner: np.ndarray, first: np.ndarray, cell: float
) -> None:
    flat = (corner[:, [0, 2]] - first) / cell
    low = np.maximum(np.ceil(flat.min(0)), 0).astype(int)
    high = np.minimum(np.floor(flat.max(0)), np.array(top.shape) - 1).astype(int)
    if (low > high).any():
        return
    i, j = np.mgrid[low[0] : high[0] + 1, low[1] : high[1] + 1]
    (e1, e2) = flat[1] - flat[0], flat[2] - flat[0]
    det = e1[0] * e2[1] - e1[1] * e2[0]
    if abs(det) < 1e-12:
        return
    x, z = i - flat[0, 0], j - flat[0, 1]
    u, v = (x * e2[1] - z * e2[0]) / det, (e1[0] * z - e1[1] * x) / det
    inside = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9)
    y = corner[0, 1] + u * (corner[1, 1] - corner[0, 1]) + v * (corner[2, 1] - corner[0, 1])
    spot = i[inside], j[inside]
    top[spot] = np.maximum(top[spot], y[inside])
    bottom[spot] = np.minimum(bottom[spot], y[inside])


def clearance(
    upper: Float[np.ndarray, "V 3"],
    upper_faces: Int[np.ndarray, "F 3"],
    lower: Float[np.ndarray, "W 3"],
    lower_faces: Int[np.ndarray, "G 3"],
) -> float:
    """How far the upper shape can be let straight down until it touches the lower one; less than 0 where some
    of it is below already, inf where nothing of it is over the other.

    Two triangles that come together along y meet at a corner of one or where two edges cross as seen from
    above: the least gap over both is exact.
    """
    one, other = upper[upper_faces], lower[lower_faces]
    flat_low = np.concatenate([one[..., [0, 2]].min(1), other[..., [0, 2]].min(1)])
    flat_high = np.concatenate([one[..., [0, 2]].max(1), other[..., [0, 2]].max(1)])
    ends = np.zeros((len(flat_low), 1))
    pairs = np.sort(
        overlapping(np.concatenate([flat_low, ends], 1), np.concatenate([flat_high, ends], 1)), axis=1
    )
    pairs = pairs[(pairs[:, 0] < len(one)) & (pairs[:, 1] >= len(one))]
    if len(pairs) == 0:
        return np.inf
    a, b = one[pairs[:, 0]], other[pairs[:, 1] - len(one)]
    gaps = [_over_corners(a, b), -_over_corners(b, a, most=True), _over_edges(a, b)]
    return float(min(gaps)) - _FINEST * float(np.ptp(upper, axis=0).max())


def _over_corners(a: np.ndarray, b: np.ndarray, most: bool = False) -> float:
    """The least height of a corner of a [P,3,3] over the face b below it; with `most` the greatest."""
    e1, e2 = (b[:, k] - b[:, 0] for k in (1, 2))
    det = e1[:, 0] * e2[:, 2] - e1[:, 2] * e2[:, 0]
    sound = np.abs(det) > 1e-18
    det = np.where(sound, det, 1.0)
    out = -np.inf if most else np.inf
    for k in range(3):
        x, z = a[:, k, 0] - b[:, 0, 0], a[:, k, 2] - b[:, 0, 2]
        u, v = (x * e2[:, 2] - z * e2[:, 0]) / det, (e1[:, 0] * z - e1[:, 2] * x) / det
        over = sound & (u >= 0) & (v >= 0) & (u + v <= 1)
        y = a[:, k, 1] - (b[:, 0, 1] + u * e1[:, 1] + v * e2[:, 1])
        if over.any():
            out = max(out, y[over].max()) if most else min(out, y[over].min())
    return out


def _over_edges(a: np.ndarray, b: np.ndarray) -> float:
    """The least height of an edge of a over one of b that it crosses as seen from above."""
    out = np.inf
    for k in range(3):
        for m in range(3):
            p, r = a[:, k], a[:, (k + 1) % 3] - a[:, k]
            q, s = b[:, m], b[:, (m + 1) % 3] - b[:, m]
            det = r[:, 0] * s[:, 2] - r[:, 2] * s[:, 0]
            sound = np.abs(det) > 1e-18
            det = np.where(sound, det, 1.0)
            x, z = q[:, 0] - p[:, 0], q[:, 2] - p[:, 2]
            t, w = (x * s[:, 2] - z * s[:, 0]) / det, (x * r[:, 2] - z * r[:, 0]) / det
            cross = sound & (t >= 0) & (t <= 1) & (w >= 0) & (w <= 1)
            y = p[:, 1] + t * r[:, 1] - (q[:, 1] + w * s[:, 1])
            out = min(out, y[cross].min(initial=np.inf))
    return out
