"""Pack flat charts into the unit square: tightest rotation, then shelves on a skyline, the scale found by
bisection."""

from __future__ import annotations

import numpy as np

ANGLES = 24  # rotations tried for the smallest box, over a quarter turn


def pack(flat: np.ndarray, chart: np.ndarray, resolution: int, padding: int) -> np.ndarray:
    """uv [F,3,2] in 0..1 of projected corners `flat` [F,3,2], all charts at one scale and `padding` pixels
    apart."""
    turned, low, size = _smallest_boxes(flat, chart)
    gap = padding / resolution
    fill = float((size[:, 0] * size[:, 1]).sum())
    # the largest scale that fits: bracket it, then bisect
    high = 1.0 / np.sqrt(max(fill, 1e-30))
    best, spots = 0.0, np.zeros_like(low)
    for step in range(14):
        scale = high * (1 - step * 0.05) if best == 0.0 and step < 10 else (best + high) / 2
        found = _place(size * scale + gap, 1.0)
        if found is not None:
            best, spots = scale, found
        else:
            high = scale
    while best == 0.0:  # many slivers: the gaps themselves need the room
        high *= 0.7
        found = _place(size * high + gap, 1.0)
        if found is not None:
            best, spots = high, found
        elif high * float(size.max()) < 1e-6:
            raise ValueError(f"{len(size)} charts do not fit {resolution} pixels with {padding} between them")
    return (turned - low[chart][:, None]) * best + spots[chart][:, None] + gap / 2


def _smallest_boxes(flat: np.ndarray, chart: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each chart turned so that its bounding box is smallest and lies on its long side: corners, box origin,
    size."""
    n = int(chart.max()) + 1
    order = np.argsort(chart, kind="stable")
    start = np.searchsorted(chart[order], np.arange(n))
    best_area = np.full(n, np.inf)
    angle = np.zeros(n)

    def boxes(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = np.stack([x.min(1), y.min(1), -x.max(1), -y.max(1)], -1)[order]
        extreme = np.minimum.reduceat(rows, start)
        return extreme[:, :2], -extreme[:, 2:] - extreme[:, :2]

    for theta in np.arange(ANGLES) * (np.pi / 2 / ANGLES):
        _, size = boxes(*_turned(flat, np.full(len(flat), theta)))
        area = size[:, 0] * size[:, 1]
        better = area < best_area - 1e-12
        best_area[better], angle[better] = area[better], theta
    _, size = boxes(*_turned(flat, angle[chart]))
    angle += (size[:, 1] > size[:, 0]) * (np.pi / 2)
    x, y = _turned(flat, angle[chart])
    return np.stack([x, y], -1), *boxes(x, y)


def _turned(flat: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x and y [F,3] of corners [F,3,2] after turning each triangle by its angle [F]."""
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return flat[..., 0] * c - flat[..., 1] * s, flat[..., 0] * s + flat[..., 1] * c


def _place(size: np.ndarray, side: float) -> np.ndarray | None:
    """Lower left corners [C,2] of boxes in a square, tall ones first, each as low as the skyline allows; or
    None."""
    order = np.argsort(-size[:, 1] * 4 - size[:, 0], kind="stable")
    spots = np.zeros_like(size)
    skyline = [(0.0, side, 0.0)]  # segments (left, right, height) from left to right
    for box in order:
        width, height = size[box]
        spot = _lowest(skyline, width, side)
        if spot is None or spot[1] + height > side:
            return None
        spots[box] = spot
        skyline = _raise(skyline, spot[0], spot[0] + width, spot[1] + height)
    return spots


def _lowest(
    skyline: list[tuple[float, float, float]], width: float, side: float
) -> tuple[float, float] | None:
    """The lowest, then leftmost place for a box of this width, starting at a segment's left end."""
    best: tuple[float, float] | None = None
    for i, (left, _, height) in enumerate(skyline):
        if left + width > side + 1e-12:
            break
        if best is not None and height >= best[1]:
            continue
        top, j = height, i
        while j + 1 < len(skyline) and skyline[j][1] < left + width - 1e-12:
            j += 1
            top = max(top, skyline[j][2])
        if best is None or top < best[1]:
            best = (left, top)
    return best


def _raise(
    skyline: list[tuple[float, float, float]], left: float, right: float, height: float
) -> list[tuple[float, float, float]]:
    out: list[tuple[float, float, float]] = []
    for a, b, h in skyline:
        if a < left:
            out.append((a, min(b, left), h))
        if a <= left < b or (left <= a and not any(s[0] == left for s in out)):
            out.append((left, right, height))
        if b > right:
            out.append((max(a, right), b, h))
    return [s for i, s in enumerate(out) if s[1] - s[0] > 1e-12 and (i == 0 or s != out[i - 1])]
