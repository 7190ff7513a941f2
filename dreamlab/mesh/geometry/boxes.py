"""Which of many boxes overlap: the first look of everything that compares parts of a mesh in pairs."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

_ROWS = 1024


def overlapping(low: Float[np.ndarray, "N 3"], high: Float[np.ndarray, "N 3"]) -> Int[np.ndarray, "P 2"]:
    """Pairs of boxes that share a point, each once, by a sweep along the axis on which they lie widest."""
    if len(low) == 0:
        return np.zeros((0, 2), np.int64)
    axis = int(np.ptp(low, axis=0).argmax())
    order = np.argsort(low[:, axis], kind="stable")
    low, high = low[order], high[order]
    last = np.searchsorted(low[:, axis], high[:, axis], side="right")
    others = [k for k in range(3) if k != axis]
    found = []
    for start in range(0, len(low), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(low)))
        counts = np.maximum(last[rows] - rows - 1, 0)
        a = np.repeat(rows, counts)
        b = a + 1 + np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
        for k in others:  # one after the other: most pairs are gone after the first
            near = np.nonzero((low[a, k] <= high[b, k]) & (low[b, k] <= high[a, k]))[0]
            a, b = a[near], b[near]
        found.append(np.stack([order[a], order[b]], 1))
    return np.concatenate(found)
