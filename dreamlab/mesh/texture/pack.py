"""Pack flat charts into the unit square, all at one scale, which is found by bisection: by their outlines,
or, where there are very many, by their boxes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from dreamlab.mesh.texture.flatten import signed_areas
from dreamlab.mesh.texture.outlines import place_outlines
from dreamlab.mesh.texture.skyline import place_boxes

ANGLES = 24  # rotations tried for the smallest box, over a quarter turn
OUTLINED = 64  # charts at most that are packed by their outlines
FIRST = 0.78  # share of the square that charts cover in the first try
CLOSE = 1.01  # scales nearer than this are not told apart
SLIVER = 1e-6  # of the square: smaller, and the charts are said not to fit


def pack(
    flat: Float[np.ndarray, "F 3 2"], chart: Int[np.ndarray, " F"], resolution: int, padding: int
) -> Float[np.ndarray, "F 3 2"]:
    """uv in 0..1 of flat corners, charts at least `padding` pixels apart.

    Raises ValueError where even tiny charts leave no room between them.
    """
    turned, size = _smallest_boxes(flat, chart)
    area, gap = np.abs(signed_areas(turned)), padding / resolution
    order = np.argsort(chart, kind="stable")
    rows = np.split(order, np.searchsorted(chart[order], np.arange(1, len(size))))
    sizes = (np.bincount(chart, weights=area), size.prod(1))
    orders = [np.argsort(-by, kind="stable") for by in sizes]

    def by_outline(scale: float) -> np.ndarray | None:
        uv = np.zeros_like(turned)
        placed = place_outlines([turned[own] * scale for own in rows], size * scale, gap, orders)
        for own, corners in zip(rows, placed or (), strict=bool(placed)):
            uv[own] = corners
        return None if placed is None else uv

    def by_boxes(scale: float) -> np.ndarray | None:
        spots = place_boxes(size * scale + gap, 1.0)
        return None if spots is None else turned * scale + spots[chart][:, None] + gap / 2

    first = np.sqrt(FIRST / max(float(area.sum()), 1e-30))
    uv = _largest(by_outline if len(size) <= OUTLINED else by_boxes, first, SLIVER / float(size.max()))
    if uv is None:
        raise ValueError(f"{len(size)} charts do not fit {resolution} pixels with {padding} between them")
    return uv


def _largest(fits: Callable[[float], np.ndarray | None], first: float, least: float) -> np.ndarray | None:
    """What `fits` gives at about the largest scale at which it gives anything; None if that is below
    `least`."""
    low, high, scale, best = 0.0, np.inf, first, None
    while high > low * CLOSE and scale > least:
        found = fits(scale)
        if found is not None:
            low, best = scale, found
        else:
            high = scale
        if low and high < np.inf:
            scale = (low + high) / 2
        else:
            scale *= 1.06 if low else 0.94 if scale > first / 2 else 0.7
    return best


def _smallest_boxes(flat: np.ndarray, chart: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners [F,3,2] of charts turned so that their boxes are smallest and begin at 0; the boxes [C,2]."""
    n = int(chart.max()) + 1
    order = np.argsort(chart, kind="stable")
    start = np.searchsorted(chart[order], np.arange(n))
    best_area = np.full(n, np.inf)
    angle = np.zeros(n)

    def boxes(turned: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low = np.minimum.reduceat(turned.min(1)[order], start)
        return low, np.maximum.reduceat(turned.max(1)[order], start) - low

    for theta in np.arange(ANGLES) * (np.pi / 2 / ANGLES):
        area = boxes(_turned(flat, np.full(len(flat), theta)))[1].prod(1)
        better = area < best_area - 1e-12
        best_area[better], angle[better] = area[better], theta
    size = boxes(_turned(flat, angle[chart]))[1]
    angle += (size[:, 1] > size[:, 0]) * (np.pi / 2)  # on its long side
    turned = _turned(flat, angle[chart])
    low, size = boxes(turned)
    return turned - low[chart][:, None], size


def _turned(flat: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Corners [F,3,2] after turning each triangle by its angle [F]."""
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return np.stack([flat[..., 0] * c - flat[..., 1] * s, flat[..., 0] * s + flat[..., 1] * c], -1)
