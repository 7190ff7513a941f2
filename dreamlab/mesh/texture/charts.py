"""Which faces of a surface are laid flat together.

Faces go to one of six directions by their smoothed normal (a graph-cut-free form of the normal-based charts
of Sander et al. 2001), connected faces of one direction form a chart, small charts join a neighbour. Charts
that fold over themselves when laid flat are cut, and what the cuts left over is joined where it fits.
"""

from __future__ import annotations

import logging

import numpy as np
from jaxtyping import Float, Int

from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.texture.flatten import flatten, mean_normals, signed_areas
from dreamlab.mesh.texture.raster import depth_inside, rasterise_uv

log = logging.getLogger(__name__)

MIN_COSINE = 0.3  # between a face and its chart's mean normal: 72 degrees
STRAIGHT = 1.5  # what a neighbour across an edge of mean length weighs against a face's own direction
SMALL = 12  # charts with fewer faces, and
LITTLE = 0.01  # less than this share of the surface, join a neighbour: not the sides of a box
CUTS = 6  # rounds of cutting folded charts; in the second half each folded face is cut out alone
NARROWEST = 0.1  # of a face's true width that joining a neighbour may leave it
JOINED = 200_000  # faces at most that are laid flat anew to find crumbs a neighbour
OVERLAP_GRID = 1024  # pixels a side of the test for charts that fold over themselves


def flat_charts(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> tuple[Int[np.ndarray, " F"], Float[np.ndarray, "F 3 2"]]:
    """Which chart every face belongs to, numbered from 0, and its corners in the chart's plane (lengths as on
    the surface). No two faces of a chart overlap, none is turned over."""
    chart = charts(vertices, faces)
    flat = flatten(vertices, faces, chart)
    for attempt in range(CUTS):
        folded = overlapping_faces(flat, chart)
        if len(folded) == 0:
            break
        log.debug("charts: %d folded faces in round %d", len(folded), attempt)
        chart = _cut(vertices, faces, chart, folded, alone=attempt >= CUTS // 2)
        flat = flatten(vertices, faces, chart)
    return _joined(vertices, faces, chart, flat)


def charts(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> Int[np.ndarray, " F"]:
    """Charts by direction alone, numbered from 0; they may fold over themselves."""
    normal, area = topo.face_normals(vertices, faces)
    pairs, length = _borders(vertices, faces)
    smooth = _smoothed(normal * area[:, None], pairs, 4)
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    score = smooth @ axes.T
    side = score.argmax(1)
    pull = STRAIGHT * length / max(float(length.sum()) / max(len(length), 1), 1e-30)
    for _ in range(8):  # faces follow their neighbours, by the length of their edges, where their tilt allows
        votes = np.zeros((len(faces), 6))
        np.add.at(votes, (pairs[:, 0], side[pairs[:, 1]]), pull)
        np.add.at(votes, (pairs[:, 1], side[pairs[:, 0]]), pull)
        side = (votes + 0.5 * np.eye(6)[side] + 1.2 * score - 9 * (normal @ axes.T < MIN_COSINE)).argmax(1)
    chart = topo.labels_of(pairs[side[pairs[:, 0]] == side[pairs[:, 1]]], len(faces))
    chart = _absorbed_by_tilt(normal, area, pairs, chart)
    return _absorbed(area, pairs, length, chart)


def overlapping_faces(
    flat: Float[np.ndarray, "F 3 2"], chart: Int[np.ndarray, " F"]
) -> Int[np.ndarray, " N"]:
    """Faces that lie over another one of their chart, or are turned over: indices, empty for good charts."""
    turned = np.nonzero(signed_areas(flat) < 0)[0]
    texel, face, weights = rasterise_uv(_beside_each_other(flat, chart), OVERLAP_GRID)
    inner = depth_inside(weights) > 1e-3
    texel, face = texel[inner], face[inner]
    return np.union1d(turned, face[np.bincount(texel, minlength=1)[texel] > 1])


def _beside_each_other(flat: np.ndarray, chart: np.ndarray) -> np.ndarray:
    """Corners [F,3,2] in 0..1 with every chart's box in a place of its own, on shelves."""
    order = np.argsort(chart, kind="stable")
    start = np.searchsorted(chart[order], np.arange(int(chart.max()) + 1))
    low = np.minimum.reduceat(flat.min(1)[order], start)
    size = np.maximum.reduceat(flat.max(1)[order], start) - low
    size = size * 1.01 + 1e-3 * size.max()
    width = max(float(np.sqrt(size.prod(1).sum())), float(size[:, 0].max()))
    place = np.zeros_like(low)
    x = y = shelf = 0.0
    for label in np.argsort(-size[:, 1], kind="stable"):
        if x + size[label, 0] > width:
            x, y, shelf = 0.0, y + shelf, 0.0
        place[label] = x, y
        x, shelf = x + size[label, 0], max(shelf, size[label, 1])
    return (flat + (place - low)[chart][:, None]) / max(width, y + shelf)


def _smoothed(vectors: np.ndarray, pairs: np.ndarray, passes: int) -> np.ndarray:
    """Unit averages of per-face vectors over neighbouring faces."""
    for _ in range(passes):
        total = vectors.copy()
        for axis in range(3):
            for here, there in ((0, 1), (1, 0)):
                total[:, axis] += np.bincount(
                    pairs[:, here], weights=vectors[pairs[:, there], axis], minlength=len(total)
                )
        vectors = total
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)


def _absorbed_by_tilt(
    normal: np.ndarray, area: np.ndarray, pairs: np.ndarray, chart: np.ndarray
) -> np.ndarray:
    """Faces of small charts go, one by one, to a larger neighbour whose direction is near theirs."""
    for _ in range(8):
        size = np.bincount(chart)
        axis = mean_normals(normal * area[:, None], chart)
        a, b = np.concatenate([pairs, pairs[:, ::-1]]).T
        tilt = np.einsum("ij,ij->i", normal[a], axis[chart[b]])
        move = (
            (chart[a] != chart[b])
            & (size[chart[a]] < SMALL)
            & (size[chart[b]] >= SMALL)
            & (tilt > MIN_COSINE)
        )
        if not move.any():
            break
        order = np.argsort(tilt[move], kind="stable")
        chart = chart.copy()
        chart[a[move][order]] = chart[b[move][order]]
    same = chart[pairs[:, 0]] == chart[pairs[:, 1]]
    return topo.labels_of(pairs[same], len(chart))


def _absorbed(area: np.ndarray, pairs: np.ndarray, length: np.ndarray, chart: np.ndarray) -> np.ndarray:
    """Small charts that are left go as wholes to the neighbour that most of their rim runs along: a steep
    face between others can be laid flat with them, beside them it would be a crumb."""
    for _ in range(SMALL):  # two small ones may make a small one
        size = np.bincount(chart)
        small, other = _shared_rims(pairs, length, chart, _crumbs(chart, area))
        larger = (size[other] > size[small]) | ((size[other] == size[small]) & (other < small))
        first = np.unique(small[larger], return_index=True)
        if len(first[0]) == 0:
            break
        goes = np.arange(len(size))
        goes[first[0]] = other[larger][first[1]]
        chart = np.unique(goes[chart], return_inverse=True)[1]
    return chart


def _crumbs(chart: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Which charts [C] are small in faces and in area."""
    return (np.bincount(chart) < SMALL) & (np.bincount(chart, weights=area) < LITTLE * area.sum())


def _borders(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of faces [P,2] that share an edge, and the lengths of these edges [P]."""
    pairs, edges = topo.borders(faces)
    a, b = edges.T
    return pairs, np.linalg.norm(vertices[a] - vertices[b], axis=1)


def _shared_rims(
    pairs: np.ndarray, length: np.ndarray, chart: np.ndarray, which: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of the charts that `which` [C] says: chart and neighbour, one row for each pair, charts in order and
    their longest common rims first."""
    here, there = np.concatenate([chart[pairs], chart[pairs][:, ::-1]]).T
    rows = (here != there) & which[here]
    key, row = np.unique(here[rows] * len(which) + there[rows], return_inverse=True)
    rim = np.bincount(row, weights=np.tile(length, 2)[rows], minlength=len(key))
    small, other = key // len(which), key % len(which)
    order = np.lexsort((other, -rim, small))
    return small[order], other[order]


def _cut(
    vertices: np.ndarray, faces: np.ndarray, chart: np.ndarray, folded: np.ndarray, alone: bool
) -> np.ndarray:
    """Charts without their folded faces, which become charts of their own: each layer of a fold, or each
    face. Layers are told apart by their height along the chart's mean normal."""
    normal, area = topo.face_normals(vertices, faces)
    pairs = topo.neighbours(faces)
    bad = np.zeros(len(faces), dtype=bool)
    bad[folded] = True
    if alone:
        group = np.where(bad, 1 + np.arange(len(faces)), 0)
    else:
        axis = mean_normals(normal * area[:, None], chart)
        height = np.einsum("ij,ij->i", vertices[faces].mean(1), axis[chart])
        middle = np.bincount(chart, weights=height * bad) / np.maximum(np.bincount(chart, weights=bad), 1)
        group = np.where(bad, 1 + (height > middle[chart]), 0)
    same = (chart[pairs[:, 0]] == chart[pairs[:, 1]]) & (group[pairs[:, 0]] == group[pairs[:, 1]])
    return topo.labels_of(pairs[same], len(faces))


def _joined(
    vertices: np.ndarray, faces: np.ndarray, chart: np.ndarray, flat: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Small charts laid flat with a neighbour wherever nothing folds and no face becomes a splinter."""
    pairs, length = _borders(vertices, faces)
    area = topo.face_normals(vertices, faces)[1]
    chart, flat, work = chart.copy(), flat.copy(), 0
    for label in np.argsort(np.bincount(chart), kind="stable"):
        crumbs = _crumbs(chart, area)
        for other in _shared_rims(pairs, length, chart, crumbs & (np.arange(len(crumbs)) == label))[1]:
            rows = np.nonzero((chart == label) | (chart == other))[0]
            work += len(rows)
            if work > JOINED:
                return np.unique(chart, return_inverse=True)[1], flat
            one = np.zeros(len(rows), dtype=np.int64)
            both = flatten(vertices, faces[rows], one)
            narrow = narrowing(vertices, faces[rows], both) < NARROWEST
            if not narrow.any() and len(overlapping_faces(both, one)) == 0:
                chart[rows], flat[rows] = other, both
                break
    return np.unique(chart, return_inverse=True)[1], flat


def narrowing(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], flat: Float[np.ndarray, "F 3 2"]
) -> Float[np.ndarray, " F"]:
    """The smaller singular value of the map from each face of the surface to its flat triangle, 1 for a face
    without an area."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    base, side = b - a, c - a
    along = np.linalg.norm(base, axis=1)
    x = np.einsum("ij,ij->i", base, side) / np.maximum(along, 1e-30)
    y = np.linalg.norm(np.cross(base, side), axis=1) / np.maximum(along, 1e-30)
    whole = (along > 0) & (y > 0)
    e1, e2 = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    du = e1 / np.where(whole, along, 1)[:, None]
    dv = (e2 - du * x[:, None]) / np.where(whole, y, 1)[:, None]
    values = np.linalg.svd(np.stack([du, dv], -1), compute_uv=False)[:, 1]
    return np.where(whole, values, 1.0)
