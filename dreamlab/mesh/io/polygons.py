"""Faces of any number of corners, as triangles."""

from __future__ import annotations

import manifold3d
import numpy as np
from jaxtyping import Bool, Float, Int

MOST_CORNERS = 10_000  # of one face whose dents are cut; the time grows faster than the corners
MOST_WORK = 2_000_000  # for all dents together, in steps of some 5 microseconds
FLAT = 1e-9  # of a face's size: a turn by less than this is straight on


def triangulated(
    vertices: Float[np.ndarray, "V 3"],
    counts: Int[np.ndarray, " P"],
    corners: Int[np.ndarray, " N"],
    lost: list[str],
) -> tuple[Int[np.ndarray, "F 3"], Int[np.ndarray, " F"]]:
    """Triangles of polygons, which follow each other in `corners`, `counts` to each: positions in `corners`
    [F,3], and the polygon that each is of [F].

    Convex polygons become fans around their first corner, dented ones are cut by manifold3d; that some are
    not, since it would take too long, is noted in `lost`. Those of fewer than three corners are left out.
    """
    starts = np.cumsum(counts) - counts
    faces, owners = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.int64)]
    order = np.argsort(counts, kind="stable")
    sizes, firsts = np.unique(counts[order], return_index=True)
    work = MOST_WORK
    for n, of in zip(sizes.tolist(), np.split(order, firsts[1:]), strict=False):  # of nothing, one piece
        if n < 3:
            continue
        rows = starts[of, None] + np.arange(n)
        dents = _dents(vertices, corners[rows]) if n > 3 else np.zeros((len(of), n), bool)
        if n == 4:  # around the dent
            first = np.where(dents.sum(1) == 1, dents.argmax(1), 0)
            rows = rows[np.arange(len(of))[:, None], (first[:, None] + np.arange(4)) % 4]
        fan = np.stack([np.zeros(n - 2, int), np.arange(1, n - 1), np.arange(2, n)], -1)
        faces.append(rows[:, fan].reshape(-1, 3))
        owners.append(np.repeat(of, n - 2))
        for k in np.flatnonzero(dents.any(1)) if n > 4 else ():
            work -= 20 + n + n * n // 5000
            if n > MOST_CORNERS or work < 0:
                lost.append("dents of faces with many corners")
                break
            cut = _cut(vertices[corners[rows[k]]])
            if cut is not None:
                faces[-1][k * (n - 2) : (k + 1) * (n - 2)] = rows[k][cut]
    order = np.argsort(np.concatenate(owners), kind="stable")
    return np.concatenate(faces)[order], np.concatenate(owners)[order]


def unit_normals(rows: Float[np.ndarray, "V 3"], lost: list[str]) -> Float[np.ndarray, "V 3"] | None:
    """Normals of length one; None, which is noted, where any has no direction."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    if (length > 1e-12).all() and np.isfinite(length).all():
        return rows / length
    lost.append("normals, some of which point nowhere")
    return None


def _normals(points: Float[np.ndarray, "P n 3"]) -> Float[np.ndarray, "P 3"]:
    """Twice the area of each polygon times its normal (Newell)."""
    from_first = points - points[:, :1]
    return np.cross(from_first, np.roll(from_first, -1, axis=1)).sum(1)


def _dents(vertices: Float[np.ndarray, "V 3"], rows: Int[np.ndarray, "P n"]) -> Bool[np.ndarray, "P n"]:
    """The corners at which polygons turn against their own winding."""
    valid = (rows.min(1) >= 0) & (rows.max(1) < len(vertices))  # others are told as damage later
    points = np.nan_to_num(vertices[np.where(valid[:, None], rows, 0)], posinf=0.0, neginf=0.0)
    edges = points - np.roll(points, 1, axis=1)  # that end at the corners
    turns = np.einsum("pni,pi->pn", np.cross(edges, np.roll(edges, -1, axis=1)), _normals(points))
    return valid[:, None] & (turns < -FLAT * np.abs(turns).max(1, keepdims=True))


def _cut(points: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, "F 3"] | None:
    """Triangles of one dented polygon, in the plane across its normal; None where it crosses itself."""
    normal = _normals(points[None])[0]
    area = np.linalg.norm(normal)
    if not area > 0:
        return None
    drop = int(np.abs(normal).argmax())
    plane = np.delete(points - points[0], drop, axis=1)
    if (normal[drop] < 0) != (drop == 1):  # dropping y turns the plane over
        plane = plane * [-1, 1]
    cut = np.asarray(manifold3d.triangulate([plane / max(np.abs(plane).max(), 1e-300)]), np.int64)
    if len(cut) != len(points) - 2:
        return None
    a, b, c = (points[cut[:, k]] for k in range(3))
    whole = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()
    return cut if whole <= 1.5 * area else None  # more, where it folds over itself
