"""Cut a mesh into flat charts and pack them into the unit square: fast, and without overlaps.

Faces go to one of six directions by their smoothed normal (a graph-cut-free form of the normal-based charts
of Sander et al. 2001), connected faces of one direction form a chart, each chart is projected along its own
mean normal. Projection bounds the stretch (faces steeper than MAX_TILT get a chart elsewhere); charts that
still fold over themselves are split until none does.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import torch

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.shape import normals_of
from dreamlab.mesh.surface.clean import check_faces
from dreamlab.mesh.texture.pack import pack
from dreamlab.mesh.texture.raster import depth_inside, rasterise_uv

log = logging.getLogger(__name__)

MIN_COSINE = 0.3  # between a face and its chart's projection: 72 degrees, stretch below 3.4
SMALL = 12  # charts with fewer faces are given to a neighbour where its tilt allows
SPLITS = 6  # rounds of cutting folded charts; in the second half each folded face is cut out alone
OVERLAP_GRID = 1024  # pixels a side of the test for charts that fold over themselves


def unwrap(mesh: Mesh, *, resolution: int = 1024, padding: int = 4) -> Mesh:
    """The mesh with uv in 0..1 for a texture of `resolution` pixels, charts at least `padding` pixels apart.

    Vertices on seams are doubled; normals are those of the mesh before it was cut, its own or smooth ones, so
    both sides of a seam have the same. Charts reach over corners that are doubled for their normals. Existing
    textures go, vertex colours stay.
    """
    vertices, faces = mesh.vertices.double().numpy(), mesh.faces.numpy()
    check_faces(vertices, faces)
    normals = normals_of(mesh)
    place, welded = topo.unique_rows(vertices)
    chart, uv = atlas(vertices[place], welded[faces], resolution, padding)
    key = np.stack([faces.reshape(-1), np.repeat(chart, 3)], -1)
    first, index = topo.unique_rows(key)
    source = key[first, 0]
    pick = torch.from_numpy(source)
    return replace(
        mesh,
        vertices=mesh.vertices[pick],
        faces=torch.from_numpy(index.reshape(-1, 3)),
        normals=torch.from_numpy(normals[source]).float(),
        colors=None if mesh.colors is None else mesh.colors[pick],
        uv=torch.from_numpy(uv.reshape(-1, 2)[first]).float(),
        textures=(),
    )


def atlas(
    vertices: np.ndarray, faces: np.ndarray, resolution: int, padding: int
) -> tuple[np.ndarray, np.ndarray]:
    """The chart of every face [F] and the uv of its corners [F,3,2]; no two faces overlap."""
    chart = charts(vertices, faces)
    for attempt in range(SPLITS):
        uv, flat = _lay_out(vertices, faces, chart, resolution, padding)
        folded = overlapping_faces(uv, flat)
        if len(folded) == 0:
            return chart, uv
        log.debug("atlas: %d folded faces in round %d", len(folded), attempt)
        chart = _split(vertices, faces, chart, folded, alone=attempt >= SPLITS // 2)
    return chart, _lay_out(vertices, faces, chart, resolution, padding)[0]


def charts(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Which chart every face belongs to [F], numbered from 0."""
    normal, area = topo.face_normals(vertices, faces)
    pairs = topo.neighbours(faces)
    smooth = _smoothed(normal * area[:, None], pairs, 4)
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    score = smooth @ axes.T
    side = score.argmax(1)
    for _ in range(4):  # faces follow the majority of their neighbours where their tilt allows
        votes = np.zeros((len(faces), 6))
        np.add.at(votes, (pairs[:, 0], side[pairs[:, 1]]), 1.0)
        np.add.at(votes, (pairs[:, 1], side[pairs[:, 0]]), 1.0)
        side = (votes + 0.5 * np.eye(6)[side] + 1.2 * score - 9 * (normal @ axes.T < MIN_COSINE)).argmax(1)
    chart = topo.labels_of(pairs[side[pairs[:, 0]] == side[pairs[:, 1]]], len(faces))
    return _absorb_small(normal, area, pairs, chart)


def _smoothed(vectors: np.ndarray, pairs: np.ndarray, passes: int) -> np.ndarray:
    """Unit averages of per-face vectors over neighbouring faces."""
    for _ in range(passes):
        total = vectors.copy()
        for axis in range(3):
            total[:, axis] += np.bincount(
                pairs[:, 0], weights=vectors[pairs[:, 1], axis], minlength=len(total)
            )
            total[:, axis] += np.bincount(
                pairs[:, 1], weights=vectors[pairs[:, 0], axis], minlength=len(total)
            )
        vectors = total
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)


def _absorb_small(normal: np.ndarray, area: np.ndarray, pairs: np.ndarray, chart: np.ndarray) -> np.ndarray:
    """Give the faces of small charts to a larger neighbour chart, where they are not too steep for it."""
    for _ in range(8):
        size = np.bincount(chart)
        axis = _axes(normal * area[:, None], chart)
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


def _axes(weighted: np.ndarray, chart: np.ndarray) -> np.ndarray:
    """Mean direction [C,3] of every chart, from area-weighted face normals."""
    total = np.stack([np.bincount(chart, weights=weighted[:, k]) for k in range(3)], -1)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30)


def _lay_out(
    vertices: np.ndarray, faces: np.ndarray, chart: np.ndarray, resolution: int, padding: int
) -> tuple[np.ndarray, np.ndarray]:
    """uv of every corner [F,3,2] after projection and packing, and the projected corners themselves."""
    normal, area = topo.face_normals(vertices, faces)
    axis = _axes(normal * area[:, None], chart)
    helper = np.where(np.abs(axis[:, 1:2]) < 0.9, [[0.0, 1.0, 0.0]], [[0.0, 0.0, -1.0]])
    right = np.cross(helper, axis)
    right /= np.maximum(np.linalg.norm(right, axis=1, keepdims=True), 1e-30)
    up = np.cross(axis, right)
    corners = vertices[faces]
    flat = np.stack(
        [np.einsum("fki,fi->fk", corners, right[chart]), np.einsum("fki,fi->fk", corners, up[chart])], -1
    )
    return pack(flat, chart, resolution, padding), flat


def overlapping_faces(uv: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Faces that lie over another one in the atlas, or are turned over in it: indices, empty for a good
    atlas."""
    e1, e2 = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    turned = np.nonzero(e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0] < 0)[0]
    texel, face, weights = rasterise_uv(uv, OVERLAP_GRID)
    inner = depth_inside(weights) > 1e-3
    texel, face = texel[inner], face[inner]
    return np.union1d(turned, face[np.bincount(texel, minlength=1)[texel] > 1])


def _split(
    vertices: np.ndarray, faces: np.ndarray, chart: np.ndarray, folded: np.ndarray, alone: bool
) -> np.ndarray:
    """Charts without their folded faces, which become charts of their own: each layer of a fold, or each
    face.

    Layers are told apart by their height along the chart's own direction.
    """
    normal, area = topo.face_normals(vertices, faces)
    pairs = topo.neighbours(faces)
    bad = np.zeros(len(faces), dtype=bool)
    bad[folded] = True
    if alone:
        group = np.where(bad, 1 + np.arange(len(faces)), 0)
    else:
        axis = _axes(normal * area[:, None], chart)
        height = np.einsum("ij,ij->i", vertices[faces].mean(1), axis[chart])
        middle = np.bincount(chart, weights=height * bad) / np.maximum(np.bincount(chart, weights=bad), 1)
        group = np.where(bad, 1 + (height > middle[chart]), 0)
    same = (chart[pairs[:, 0]] == chart[pairs[:, 1]]) & (group[pairs[:, 0]] == group[pairs[:, 1]])
    return topo.labels_of(pairs[same], len(faces))
