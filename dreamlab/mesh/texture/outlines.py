"""Outlines of charts in a square, on a grid of cells: where a chart fits is a correlation of what is taken
with its cells, all places at once by FFT, for each of four quarter turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dreamlab.mesh.texture.raster import rasterise_uv

CELLS = 256  # a side of the grid


class _Spot(NamedTuple):
    """Where a chart lies: quarter turns, and the row and column of its lowest cell."""

    turns: int
    row: int
    column: int


def place_outlines(
    charts: Sequence[Float[np.ndarray, "_ 3 2"]],
    size: Float[np.ndarray, "C 2"],
    gap: float,
    orders: Sequence[Int[np.ndarray, " C"]],
) -> list[Float[np.ndarray, "_ 3 2"]] | None:
    """Corners of every chart, turned and moved into the unit square, `gap` apart and half of it from the rim;
    None if they do not fit in any of the orders. Each goes as near to the lower left corner as it can.

    Charts begin at 0, `size` is that of their boxes.
    """
    # 0.71: a cell that an outline touches has its middle within half a diagonal of it
    grow = gap / 2 * CELLS + 0.71
    cells = [_cells(corners, box, grow) for corners, box in zip(charts, size, strict=True)]
    for order in orders:
        spots = _placed(cells, order)
        if spots is not None:
            return [
                _moved(corners, mask.shape, spot, grow)
                for corners, mask, spot in zip(charts, cells, spots, strict=True)
            ]
    return None


def _cells(corners: np.ndarray, size: np.ndarray, grow: float) -> Bool[np.ndarray, "H W"]:
    """The cells within `grow` cells of one chart, lowest row first; corners and size in units of the
    square."""
    width, height = np.ceil(size * CELLS + 2 * grow).astype(np.int64)
    side = int(max(width, height))
    texel, _, _ = rasterise_uv((corners * CELLS + grow) / side, side, grow=grow)
    cells = np.zeros((side, side), dtype=bool)
    cells.reshape(-1)[texel] = True
    return cells[::-1][:height, :width]


def _placed(cells: Sequence[np.ndarray], order: np.ndarray) -> list[_Spot] | None:
    """A place for every chart, in this order; None if one finds none."""
    if sum(int(c.sum()) for c in cells) > CELLS**2:
        return None
    taken = np.zeros((CELLS, CELLS), dtype=np.float32)
    spots = [_Spot(0, 0, 0)] * len(cells)
    for label in order:
        spot = _best_spot(taken, cells[label])
        if spot is None:
            return None
        own = np.rot90(cells[label], spot.turns)
        taken[spot.row : spot.row + own.shape[0], spot.column : spot.column + own.shape[1]] += own
        spots[label] = spot
    return spots


def _best_spot(taken: np.ndarray, cells: np.ndarray) -> _Spot | None:
    """Of all free places and quarter turns the one whose middle is nearest to the lower left corner, by row
    and column together."""
    spectrum = np.fft.rfft2(taken)
    best, found = np.inf, None
    for turns in range(4):
        own = np.rot90(cells, turns)
        height, width = own.shape
        if max(height, width) > CELLS:
            continue
        shifted = np.conj(np.fft.rfft2(own.astype(np.float32), s=taken.shape))
        hit = np.fft.irfft2(spectrum * shifted, s=taken.shape)[: CELLS - height + 1, : CELLS - width + 1]
        row, column = np.nonzero(hit < 0.5)
        if len(row):
            scores = row + column + (height + width) / 2
            k = int(scores.argmin())
            if scores[k] < best:
                best, found = float(scores[k]), _Spot(turns, int(row[k]), int(column[k]))
    return found


def _moved(corners: np.ndarray, shape: tuple[int, ...], spot: _Spot, grow: float) -> np.ndarray:
    """A chart's corners turned as its cells were, in their place."""
    x, y = np.moveaxis(corners * CELLS + grow, -1, 0)
    height, width = shape
    for _ in range(spot.turns):  # np.rot90 on rows that run upwards takes (x, y) to (y, width - x)
        x, y, height, width = y, width - x, width, height
    return np.stack([x + spot.column, y + spot.row], -1) / CELLS
