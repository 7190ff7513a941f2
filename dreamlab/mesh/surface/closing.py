"""Pits and hidden holes of a sampled solid are filled: what a ball of some radius cannot enter is matter."""

from __future__ import annotations

import numpy as np


def close_pits(level: np.ndarray, radius: float, deepest: float) -> np.ndarray:
    """The lattice of levels [n,n,n] (positive inside) with narrow pits, cracks and enclosed holes filled.

    Morphological closing by a ball of `radius` cells (Serra 1982, chapter 2) through two distance transforms,
    then whatever the outside no longer reaches. What was inside keeps its level, and so does the outside but
    for what is filled: its level is how deep it lies inside the closed solid, in cells, at most `deepest`.
    Concave edges get a fillet of the radius, and gaps narrower than its double are closed too.
    """
    from scipy.ndimage import binary_fill_holes, distance_transform_edt

    inside = level > 0
    if radius <= 0 or not inside.any():
        return level
    margin = int(np.ceil(radius)) + 2
    padded = np.pad(inside, margin)
    grown = np.asarray(distance_transform_edt(~padded)) <= radius
    depth = np.asarray(distance_transform_edt(grown))[(slice(margin, -margin),) * 3] - radius
    filled = np.asarray(binary_fill_holes(inside | (depth > 0))) & ~inside
    within = np.where(depth > 0, np.minimum(depth, deepest), deepest)  # a hidden hole lies as deep as can be
    return np.where(filled, within.astype(level.dtype), level)
