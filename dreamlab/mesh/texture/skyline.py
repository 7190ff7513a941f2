"""Boxes in a square on a skyline: quick for very many."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def place_boxes(size: Float[np.ndarray, "C 2"], side: float) -> Float[np.ndarray, "C 2"] | None:
    """Lower left corners of boxes in a square, tall ones first, each as low as the skyline allows; None if
    they do not fit."""
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
