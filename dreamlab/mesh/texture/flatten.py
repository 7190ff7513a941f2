"""Lay charts of a surface flat with as little stretch as can be: project, mend what turns over, relax.

The start is each chart's projection along its mean normal. Where faces are steep or turned over in it, the
inside of the chart is laid between its projected rim by equal springs, or, if that turns faces over as well,
the whole chart on a disk, which never does (Tutte 1963). Then the corners move until every face is as near to
its true shape as its neighbours let it be: the symmetric Dirichlet energy by scalable locally injective maps
(Rabinovich et al. 2017; libigl), which turns no face over.
"""

from __future__ import annotations

import logging

import numpy as np
from jaxtyping import Float, Int

from dreamlab.mesh.geometry import topology as topo

log = logging.getLogger(__name__)

STEEP = 0.02  # a face with less of its area in the projection is laid flat by springs first
ROUNDS = 12  # of relaxing; large meshes get fewer
WORK = 300_000  # faces times rounds at most, but for FEWEST rounds
FEWEST = 4
DEGENERATE = 1e-9  # of the mean area: a face without a shape of its own


def flatten(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], chart: Int[np.ndarray, " F"]
) -> Float[np.ndarray, "F 3 2"]:
    """Corners of every face in its chart's plane, lengths as on the surface. What no way of laying flat was
    found for stays projected, with faces that are turned over (`signed_areas` below 0)."""
    flat = project(vertices, faces, chart)
    area = topo.face_normals(vertices, faces)[1]
    shaped = area > DEGENERATE * area.mean()
    corner, index = topo.unique_rows(np.stack([faces.reshape(-1), np.repeat(chart, 3)], -1))
    own = index.reshape(-1, 3)  # corners of different charts are different ones
    points, uv = vertices[faces.reshape(-1)[corner]], flat.reshape(-1, 2)[corner].copy()
    good = np.ones(int(chart.max()) + 1, dtype=bool)
    for label in np.unique(chart[shaped & (signed_areas(flat) < STEEP * area)]):
        rows = chart == label
        used, local = np.unique(own[rows], return_inverse=True)
        found = _sprung(points[used], local.reshape(-1, 3), uv[used], area[rows], shaped[rows])
        good[label] = found is not None
        if found is not None:
            uv[used] = found
    rows = good[chart] & shaped
    if rows.any():
        used, local = np.unique(own[rows], return_inverse=True)
        uv[used] = _relaxed(points[used], local.reshape(-1, 3), uv[used])
    return uv[own]


def project(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], chart: Int[np.ndarray, " F"]
) -> Float[np.ndarray, "F 3 2"]:
    """Corners of every face, seen along the mean normal of its chart."""
    normal, area = topo.face_normals(vertices, faces)
    axis = mean_normals(normal * area[:, None], chart)
    helper = np.where(np.abs(axis[:, 1:2]) < 0.9, [[0.0, 1.0, 0.0]], [[0.0, 0.0, -1.0]])
    right = np.cross(helper, axis)
    right /= np.maximum(np.linalg.norm(right, axis=1, keepdims=True), 1e-30)
    up = np.cross(axis, right)
    corners = vertices[faces]
    along = [np.einsum("fki,fi->fk", corners, way[chart]) for way in (right, up)]
    return np.stack(along, -1)


def mean_normals(
    weighted: Float[np.ndarray, "F 3"], chart: Int[np.ndarray, " F"]
) -> Float[np.ndarray, "C 3"]:
    """Unit mean direction of every chart, from area-weighted face normals."""
    total = np.stack([np.bincount(chart, weights=weighted[:, k]) for k in range(3)], -1)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30)


def signed_areas(flat: Float[np.ndarray, "F 3 2"]) -> Float[np.ndarray, " F"]:
    """Areas of flat triangles, below 0 for those that are turned over."""
    e1, e2 = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    return (e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]) / 2


def _sprung(
    points: np.ndarray, faces: np.ndarray, projected: np.ndarray, area: np.ndarray, shaped: np.ndarray
) -> np.ndarray | None:
    """The corners [N,2] of one chart laid flat by springs with no face turned over; None if there is no way,
    as for what is no disk."""
    disk = _closed_disk(points, faces)
    if disk is None:
        return None
    rim, patched = disk
    length = np.linalg.norm(points[rim] - points[np.roll(rim, -1)], axis=1)
    angle = 2 * np.pi * (np.cumsum(length) - length) / length.sum()
    circle = np.stack([np.cos(angle), np.sin(angle)], -1) * np.sqrt(area.sum() / np.pi)
    for at in (projected[rim], circle):
        uv = _springs(patched, rim, at)[: len(points)]
        if (signed_areas(uv[faces])[shaped] > DEGENERATE * area.mean()).all():
            return uv
    return None


def _closed_disk(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The longest rim of a chart, and its faces with every other hole closed by a fan around a corner of its
    own; None if that is no disk."""
    import igl

    rims = [np.asarray(rim) for rim in igl.boundary_loop_all(faces.astype(np.int64))]
    if not rims:
        return None
    longest = max(rims, key=lambda rim: np.linalg.norm(points[rim] - points[np.roll(rim, -1)], axis=1).sum())
    patched, n = [faces], len(points)
    for hole in (rim[::-1] for rim in rims if rim is not longest):
        patched.append(np.stack([hole, np.roll(hole, -1), np.full(len(hole), n)], -1))
        n += 1
    patched = np.concatenate(patched)
    euler = n - len(topo.edge_uses(patched)[1]) + len(patched)
    return (longest, patched) if euler == 1 and len(np.unique(longest)) == len(longest) else None


def _springs(faces: np.ndarray, rim: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Every corner in the middle of its neighbours, the rim's corners `at` their places."""
    from scipy.sparse import coo_matrix, csc_matrix, diags
    from scipy.sparse.linalg import spsolve

    n = int(faces.max()) + 1
    edges = np.unique(np.sort(topo.directed_edges(faces), axis=1), axis=0)
    a, b = np.concatenate([edges, edges[:, ::-1]]).T
    pull = coo_matrix((np.ones(len(a)), (a, b)), shape=(n, n)).tocsr()
    laplacian = csc_matrix(diags(np.asarray(pull.sum(1)).reshape(-1)) - pull)
    uv = np.zeros((n, 2))
    uv[rim] = at
    free = np.setdiff1d(np.arange(n), rim)
    if len(free):
        rows = laplacian[free]
        uv[free] = np.asarray(spsolve(rows[:, free], -(rows[:, rim] @ at))).reshape(-1, 2)
    return uv


def _relaxed(points: np.ndarray, faces: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Corners [N,2] of least symmetric Dirichlet energy, begun from flat ones with no face turned over."""
    import igl

    data = igl.slim_precompute(
        np.asfortranarray(points),
        np.asfortranarray(faces.astype(np.int32)),
        np.asfortranarray(start),
        igl.MappingEnergyType.SYMMETRIC_DIRICHLET,
        np.zeros(0, dtype=np.int32),
        np.zeros((0, 2), order="F"),
        0.0,
    )
    relaxed = np.asarray(igl.slim_solve(data, int(np.clip(WORK // len(faces), FEWEST, ROUNDS))))[:, :2]
    if not np.isfinite(relaxed).all():
        log.warning("charts could not be relaxed; they stay as they were first laid flat, with more stretch")
        return start
    return relaxed
