"""Fewer triangles, the same shape: quadric edge collapse, mended where it pinches, steered by colour where
the corners carry it."""

from __future__ import annotations

import logging

import numpy as np

from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.crossings import crossing_faces
from dreamlab.mesh.geometry.fans import part_fans
from dreamlab.mesh.surface.repair import make_closed

log = logging.getLogger(__name__)

SPLINTER = 0.01  # parts with less of the largest part's volume than this are what pinching has cut off
TRIES = 4  # rounds of asking for fewer faces, since mending adds some
CHECKED = 20_000  # faces at most of which is looked for what passes through itself
SMOOTHED = 8  # times at most that corners of crossing faces are moved
RIM = 64  # edges of the holes that are shut after pinched faces were taken out


def decimate(
    vertices: np.ndarray,
    faces: np.ndarray,
    budget: int,
    colors: np.ndarray | None = None,
    color_weight: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """At most `budget` faces by quadric edge collapse (Garland and Heckbert 1997); closed stays closed.

    With `colors` [V,3] in 0..1 and a weight above 0 the collapse sees a relief: the surface raised along its
    normals by the main colour difference times the weight times the size. An edge between two colours is a
    step there and keeps its faces; afterwards the relief is taken back.

    The fast collapse may pinch thin parts into edges of four faces. Those are cut out and the holes shut, and
    corners in which parts only touch are parted; should that fail, manifold3d simplifies, which never leaves
    the manifolds. Corners of faces that pass through others are moved until none does; where that does not
    help, the soundest of several results is taken. A budget that cannot be met is logged as a warning.
    """
    if len(faces) <= budget:
        return vertices, faces
    closed = topo.is_closed(faces)
    centre, scale = vertices.mean(0), float(np.ptp(vertices, axis=0).max())
    points = (vertices - centre) / scale
    lift = np.zeros_like(points)
    if colors is not None and color_weight > 0:
        lift = relief(points, faces, colors) * color_weight
    v, f = _collapsed(points + lift, faces, budget, closed)
    if lift.any():
        v = _lowered(v, points, lift, topo.vertex_normals(points, faces))
    if len(f) > budget:
        log.warning("%d faces were asked for, but the mesh could not be brought below %d", budget, len(f))
    return v * scale + centre, f


def relief(points: np.ndarray, faces: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Vectors [V,3] along the normals, as long as the colours differ from their mean along the direction in
    which they differ most (their first principal component)."""
    centred = colors - colors.mean(0)
    main = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    return topo.vertex_normals(points, faces) * (centred @ main)[:, None]


def _lowered(v: np.ndarray, points: np.ndarray, lift: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Corners of the raised surface put back onto the plain one: the relief near them is taken off, and what
    is left of the distance to the nearest corner's tangent plane."""
    from scipy.spatial import KDTree

    distance, near = KDTree(points + lift).query(v, k=3)
    share = 1 / np.maximum(distance, 1e-6)
    v = v - np.einsum("vk,vki->vi", share / share.sum(1, keepdims=True), lift[near])
    at = KDTree(points).query(v)[1]
    return v - normals[at] * np.einsum("vi,vi->v", v - points[at], normals[at])[:, None]


def _collapsed(
    points: np.ndarray, faces: np.ndarray, budget: int, closed: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The first sound result of the fast collapse that is as closed as the input; if there is none, the one
    with fewest flaws within the budget; manifold3d's where none is within it."""
    found: list[tuple[np.ndarray, np.ndarray]] = []
    if not closed:  # an open sheet would be eaten from its rim, where a collapse costs nothing
        found.append(_fast(points, faces, budget, 5, keep_rim=True))
        if 0 < len(found[0][1]) <= budget:
            return found[0]
    for aggression in (5, 7):
        target = budget
        for _ in range(TRIES):
            v, f = _fast(points, faces, target, aggression)
            if closed and not topo.is_closed(f):
                v, f = mended(v, f)
            if len(f) == 0 or (closed and not topo.is_closed(f)):
                break  # harder pressing would not help this setting
            v, f = part_fans(v, f) if closed else (v, f)
            within = len(f) <= budget
            found.append((untangled(v, f) if closed and within else v, f))
            if within:
                if not closed or _flaws(*found[-1]) == 0:
                    return found[-1]
                break
            target = max(4, min(target - 4, int(target * budget / len(f))))
    if not any(len(f) <= budget for _, f in found) and (closed or not found):
        log.warning("quadric decimation left the manifolds or the budget; manifold3d simplifies instead")
        found.append(part_fans(*simplify_solid(points, faces, budget)))
    best = min(found, key=lambda one: (max(len(one[1]), budget), _flaws(*one) if closed else 0, len(one[1])))
    if closed and (flaws := _flaws(*best)):
        log.warning("%d of %d faces pass through others", flaws, len(best[1]))
    return best


def untangled(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The corners, those of faces that pass through others moved towards the middle of their neighbours until
    none does, or SMOOTHED times. Where nothing crosses, and where there are too many faces to look, they pass
    as they are."""
    if len(faces) > CHECKED:
        return vertices
    edges = topo.directed_edges(faces)
    for _ in range(SMOOTHED):
        crossing = crossing_faces(vertices, faces)
        if len(crossing) == 0:
            break
        own = np.unique(faces[crossing])
        rows = edges[np.isin(edges[:, 0], own)]
        count = np.bincount(rows[:, 0], minlength=len(vertices))[own, None]
        total = [np.bincount(rows[:, 0], vertices[rows[:, 1], k], len(vertices))[own] for k in range(3)]
        vertices = vertices.copy()
        vertices[own] += 0.5 * (np.stack(total, -1) / count - vertices[own])
    return vertices


def _flaws(vertices: np.ndarray, faces: np.ndarray) -> int:
    """Faces that pass through others; 0 where there are too many faces to look."""
    return 0 if len(faces) > CHECKED else len(crossing_faces(vertices, faces))


def _fast(
    points: np.ndarray, faces: np.ndarray, target: int, aggression: int, keep_rim: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    import fast_simplification

    v, f, *_ = fast_simplification.simplify(
        points.astype(np.float32),  # pyright: ignore[reportArgumentType]
        faces.astype(np.int32),
        target_count=target,
        agg=aggression,
        preserve_border=keep_rim,
    )
    return topo.weld(np.asarray(v, dtype=np.float64), np.asarray(f, dtype=np.int64))


def mended(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pinched edges cut out, the holes shut, and the splinters that this cuts off dropped.

    Two patches may meet in one point and pinch anew, so this is done until nothing is left to do; the result
    may still be open where `topo.is_closed` says so.
    """
    for _ in range(TRIES):
        vertices, faces = topo.weld(*make_closed(vertices, faces, RIM))
        if len(faces) == 0 or topo.is_closed(faces):
            break
    if len(faces) == 0 or not topo.is_closed(faces):
        return vertices, faces
    part = topo.labels_of(topo.neighbours(faces), len(faces))  # through edges: corners alone hold nothing
    volume = np.abs(np.bincount(part, weights=topo.signed_volumes(vertices - vertices.mean(0), faces)))
    return topo.drop_unused(vertices, faces[(volume >= SPLINTER * volume.max())[part]])


def simplify_solid(vertices: np.ndarray, faces: np.ndarray, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """manifold3d's simplification at about the smallest tolerance that meets the budget, by bisection."""
    import manifold3d

    solid = manifold3d.Manifold(manifold3d.Mesh64(vertices, faces.astype(np.uint64)))
    low, high, best = 1e-5, 1e-5, solid
    while best.num_tri() > budget and high < 0.2:
        low, high = high, high * 2
        best = solid.simplify(high)
    for _ in range(6):
        middle = (low * high) ** 0.5
        tried = solid.simplify(middle)
        if tried.num_tri() > budget:
            low = middle
        else:
            high, best = middle, tried
    out = best.to_mesh64()
    return np.asarray(out.vert_properties)[:, :3], np.asarray(out.tri_verts).astype(np.int64)
