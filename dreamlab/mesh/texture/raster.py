"""Which texels lie in which triangle of an atlas: every texel-triangle pair, also where triangles overlap."""

from __future__ import annotations

import numpy as np


def rasterise_uv(
    uv: np.ndarray, resolution: int, grow: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of texel centres and the triangles that hold them: texel [P] (row * resolution + column, row 0 at
    the top), face [P], barycentric weights [P,3].

    uv [F,3,2] with v up. `grow` texels are added around every triangle, where a weight may be negative.
    """
    xy = (uv * [1, -1] + [0, 1]) * resolution - 0.5
    e1, e2 = xy[:, 1] - xy[:, 0], xy[:, 2] - xy[:, 0]
    det = e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]
    safe = np.where(np.abs(det) < 1e-12, np.inf, det)
    low = np.clip(np.ceil(xy.min(1) - grow), 0, resolution).astype(np.int64)
    high = np.clip(np.floor(xy.max(1) + grow) + 1, low, resolution).astype(np.int64)
    # one row of texels of one triangle at a time: long thin triangles then cost their rows, not their box
    rows = high[:, 1] - low[:, 1]
    face = np.repeat(np.arange(len(uv)), rows)
    y = np.arange(len(face)) - np.repeat(rows.cumsum() - rows, rows) + low[face, 1]
    left, right = _span(xy[face], y, grow)
    left = np.clip(np.ceil(left), low[face, 0], high[face, 0]).astype(np.int64)
    width = np.clip(np.floor(right).astype(np.int64) + 1, left, high[face, 0]) - left
    pair = np.repeat(np.arange(len(face)), width)
    x = np.arange(len(pair)) - np.repeat(width.cumsum() - width, width) + left[pair]
    face, y = face[pair], y[pair]
    dx, dy = x - xy[face, 0, 0], y - xy[face, 0, 1]
    b = (dx * e2[face, 1] - dy * e2[face, 0]) / safe[face]
    c = (e1[face, 0] * dy - e1[face, 1] * dx) / safe[face]
    a = 1 - b - c
    texel = y * resolution + x
    if grow == 0:
        keep = (a >= 0) & (b >= 0) & (c >= 0)
        texel, face, a, b, c = texel[keep], face[keep], a[keep], b[keep], c[keep]
    return texel, face, np.stack([a, b, c], -1)


def owners(uv: np.ndarray, resolution: int, grow: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs of `rasterise_uv` with each texel once, sorted: of the triangles that claim a texel the one
    it lies deepest in has it."""
    texel, face, weight = rasterise_uv(uv, resolution, grow=grow)
    order = np.lexsort([-depth_inside(weight), texel])
    first = order[np.diff(texel[order], prepend=-1) > 0]
    return texel[first], face[first], weight[first]


def depth_inside(weights: np.ndarray) -> np.ndarray:
    """The smallest of each row's three weights: how deep inside its triangle a texel lies (below 0:
    outside).
    """
    return np.minimum(np.minimum(weights[:, 0], weights[:, 1]), weights[:, 2])


def _span(xy: np.ndarray, y: np.ndarray, grow: float) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest x of triangles [N,3,2] within `grow` of the line at height y [N]."""
    left, right = np.full(len(y), np.inf), np.full(len(y), -np.inf)
    for k in range(3):
        a, b = xy[:, k], xy[:, (k + 1) % 3]
        rise = b[:, 1] - a[:, 1]
        slope = (b[:, 0] - a[:, 0]) / np.where(np.abs(rise) < 1e-12, np.inf, rise)
        low, high = np.minimum(a[:, 1], b[:, 1]), np.maximum(a[:, 1], b[:, 1])
        for at in (y - grow, y + grow) if grow else (y,):
            inside = (at >= low - grow) & (at <= high + grow)
            x = a[:, 0] + (np.clip(at, low, high) - a[:, 1]) * slope
            flat = np.abs(rise) < 1e-12
            left = np.where(inside, np.minimum(left, np.where(flat, np.minimum(a[:, 0], b[:, 0]), x)), left)
            right = np.where(
                inside, np.maximum(right, np.where(flat, np.maximum(a[:, 0], b[:, 0]), x)), right
            )
    missed = right < left
    return np.where(missed, 0, left - grow), np.where(missed, -1, right + grow)
