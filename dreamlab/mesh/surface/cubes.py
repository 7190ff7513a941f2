"""A solid as cubes on a grid, as in games that are built of blocks."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo

SAMPLES = 3  # along each side of a cell, that tell how much of it is inside
FULL = 0.45  # share of a cell from which on it is a cube: a little less than half, for thin legs
SLACK = 1e-6  # of a cell, that a solid may be longer than a whole number of them


class Cubes(NamedTuple):
    """A closed mesh of squares, each two triangles that follow each other, and which cube each face belongs
    to: [F], from 0."""

    mesh: Mesh
    cube: Int[np.ndarray, " F"]


def cubes_of(mesh: Mesh, cells: int) -> Cubes:
    """The mesh as equal cubes, `cells` of them along its longest side, where it is solid by its winding
    number (Barill et al. 2018).

    The grid is centred, so that what is alike on the left and on the right stays so, and stands on the
    mesh's lowest point. Cubes that would meet in an edge or a corner alone get another one beside them:
    the surface is a manifold. What is thinner than about half a cell is lost.

    Raises InputError for a mesh without an area.
    """
    vertices, faces = mesh.vertices.double().numpy(), mesh.faces.numpy()
    low, high = vertices[faces].min((0, 1)), vertices[faces].max((0, 1))
    size = float((high - low).max()) / cells
    if size <= 0:
        raise InputError("the mesh has no area", expected="triangles", got="points and lines only")
    count = np.maximum(np.ceil((high - low) / size - SLACK), 1).astype(np.int64)
    origin = (low + high - count * size) / 2
    origin[1] = low[1]
    share = _shares(vertices, faces, origin, size, count)
    filled = unpinched(share >= min(FULL, share.max()), share)
    corners, quads, cell = skin(filled)
    triangles = quads[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)
    placed = torch.from_numpy(origin + corners * size).float()
    return Cubes(Mesh(placed, torch.from_numpy(triangles)), np.repeat(cell, 2))


def _shares(
    vertices: np.ndarray, faces: np.ndarray, origin: np.ndarray, size: float, count: np.ndarray
) -> Float[np.ndarray, "X Y Z"]:
    """How much of each cell is inside."""
    import igl

    axes = [(np.arange(n * SAMPLES) + 0.5) / SAMPLES for n in count.tolist()]
    points = origin + size * np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    inside = np.asarray(igl.fast_winding_number(vertices, faces, points)) > 0.5
    x, y, z = count
    return inside.reshape(x, SAMPLES, y, SAMPLES, z, SAMPLES).mean((1, 3, 5))


def unpinched(filled: Bool[np.ndarray, "X Y Z"], share: Float[np.ndarray, "X Y Z"]) -> np.ndarray:
    """The cells with others filled, of several the one with the greatest share, until no two meet in an edge
    or a corner alone, and no two empty ones do."""
    filled = filled.copy()
    edges = [[a, b] for a, b in ((0, 1), (1, 2), (2, 0))]
    while any([_filled_up(filled, share, axes) for axes in edges]) or _filled_up(filled, share, [0, 1, 2]):
        pass
    return filled


def _filled_up(filled: np.ndarray, share: np.ndarray, axes: list[int]) -> bool:
    """Fill one cell of every window of two cells along each of these axes in which only opposite ones are
    full, or only opposite ones empty. Whether there was any."""
    offsets = np.zeros((2 ** len(axes), 3), np.int64)
    offsets[:, axes] = list(product((0, 1), repeat=len(axes)))
    ends = [n - (axis in axes) for axis, n in enumerate(filled.shape)]
    windows = [tuple(slice(o, o + n) for o, n in zip(row, ends, strict=True)) for row in offsets]
    full = np.stack([filled[window] for window in windows])
    half = len(full) // 2
    count = full.sum(0)
    opposite = [(full[k] == full[-1 - k]) & (full[k] == (count == 2)) for k in range(half)]
    pinched = np.any(opposite, 0) & ((count == 2) | (count == len(full) - 2))
    room = np.where(full, -1.0, np.stack([share[window] for window in windows]))
    cells = np.argwhere(pinched) + offsets[room.argmax(0)[pinched]]
    filled[tuple(cells.T)] = True
    return len(cells) > 0


def skin(
    filled: Bool[np.ndarray, "X Y Z"],
) -> tuple[Int[np.ndarray, "V 3"], Int[np.ndarray, "Q 4"], Int[np.ndarray, " Q"]]:
    """Between full and empty cells: corners on the grid, squares counter-clockwise from outside, and the full
    cell's number, from 0."""
    padded = np.pad(filled, 1)
    squares, owners = [], []
    for axis, side in product(range(3), (0, 1)):
        beside = np.roll(padded, 1 - 2 * side, axis)[1:-1, 1:-1, 1:-1]
        cells = np.argwhere(filled & ~beside)
        first, second = np.eye(3, dtype=np.int64)[[(axis + 1) % 3, (axis + 2) % 3]][:: 2 * side - 1]
        ring = np.stack([0 * first, first, first + second, second])
        ring[:, axis] = side
        squares.append(cells[:, None] + ring)
        owners.append(cells)
    cell = np.concatenate(owners)
    corners = np.concatenate(squares).reshape(-1, 3)
    place, index = topo.unique_rows(corners)
    number = np.unique(np.ravel_multi_index(tuple(cell.T), filled.shape), return_inverse=True)[1]
    return corners[place], index.reshape(-1, 4), number.reshape(-1)
