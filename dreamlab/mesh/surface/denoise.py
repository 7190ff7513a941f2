"""Lumps out of a surface, its creases kept: bilateral filtering of face normals (Zheng et al. 2011), gentler
where parts are thin, with the volume given back where it was lost."""

from __future__ import annotations

import logging

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting
from scipy import sparse

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.thickness import local_thickness
from dreamlab.mesh.surface.silhouettes import covered, silhouette_iou, survey_cameras

log = logging.getLogger(__name__)

THIN, BROAD = 3.0, 8.0  # mean edges: up to the first a part is thin, from the second on it is broad
THIN_ITERATIONS = 6  # passes over what is thin
THIN_WIDENING = 1.75  # of sigma there: thin round parts are steep from face to face
SPREAD = 32.0  # squared edges over which lost volume is given back: more than a lump is wide
FARTHEST = 1.0  # mean edges that a vertex may move
DEEPEST = 0.25  # of the local thickness that a vertex may move
SLIVER = 1e-3  # of a face's area: with less of it left it counts as folded
HALVINGS = 4  # of a move that folds faces or spoils silhouettes, before it is taken back whole
SAME_SHAPE = 0.94  # silhouette IoU of before and after: below it more than lumps has gone
VIEWS, VIEW_SIZE = 8, 128


class DenoiseConfig(BaseModel):
    """How lumps are filtered out of a surface; 0 iterations leave it as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    iterations: int = Setting(default=20, ge=0, le=200, description="passes over the face normals; 0: none")
    vertex_iterations: int = Setting(
        default=15, ge=1, le=200, description="passes that move the vertices to the filtered normals"
    )
    degrees: float = Setting(
        default=20.0,
        gt=0,
        le=90,
        description="sigma of the difference of normals, in degrees: sharper creases survive",
    )
    faces: int = Setting(
        default=8000,
        ge=100,
        description="the surface is brought to so many faces before: a pass reaches one ring of them, so "
        "more faces keep more detail and more lumps",
    )


def denoise(vertices: np.ndarray, faces: np.ndarray, config: DenoiseConfig | None = None) -> np.ndarray:
    """Vertices [V,3] of the same faces [F,3] with planes plane, round things smooth and creases sharp.

    Normals: each face takes the average of those around it, weighted by area, nearness and likeness (Zheng et
    al. 2011, "Bilateral normal filtering for mesh denoising", the local scheme). Vertices follow them (Sun et
    al. 2007, "Fast and effective feature-preserving mesh denoising"). Then volume that was lost over more
    than a lump's width is given back, and guards bound every move, take back what folds faces, and halve all
    moves while silhouettes change by more than lumps.
    """
    config = config or DenoiseConfig()
    size = float(np.ptp(vertices, axis=0).max()) if len(faces) else 0.0
    if not config.iterations or size <= 0:
        return vertices
    middle = vertices.mean(0)
    before = (vertices - middle) / size
    edge = float(np.linalg.norm(before[faces] - before[np.roll(faces, 1, axis=1)], axis=-1).mean())
    thickness = local_thickness(before, faces)
    normals = filtered_normals(before, faces, config, thickness / edge)
    after = follow(before, faces, normals, config.vertex_iterations)
    after = give_back_volume(before, after, faces)
    after = bounded(before, after, faces, edge, thickness)
    after = unfolded(before, after, faces, normals)
    return same_silhouettes(before, after, faces) * size + middle


def filtered_normals(
    vertices: np.ndarray, faces: np.ndarray, config: DenoiseConfig, thickness: np.ndarray
) -> np.ndarray:
    """Unit face normals [F,3] after the bilateral filter; `thickness` [F] in mean edges says how many passes
    each face has, and how wide they are."""
    ring = topo.touching(faces, len(vertices)).tocoo()
    row, col = ring.row, ring.col
    normal, area = topo.face_normals(vertices, faces)
    centre = vertices[faces].mean(1)
    square = ((centre[row] - centre[col]) ** 2).sum(1)
    reach = np.sqrt(square[row != col]).sum() / max(int((row != col).sum()), 1)
    near = area[col] * np.exp(-square / max(2 * reach**2, 1e-30))
    broad = np.clip((thickness - THIN) / (BROAD - THIN), 0, 1)
    few = min(THIN_ITERATIONS, config.iterations)
    passes = few + broad * (config.iterations - few)
    sigma = np.radians(config.degrees) * (THIN_WIDENING + broad * (1 - THIN_WIDENING))
    for done in range(config.iterations):
        unlike = ((normal[row] - normal[col]) ** 2).sum(1)
        weight = near * np.exp(-unlike / (2 * sigma[row] ** 2))
        mean = _unit(sparse.csr_matrix((weight, (row, col)), shape=ring.shape) @ normal)
        normal = _unit(normal + np.clip(passes - done, 0, 1)[:, None] * (mean - normal))
    return normal


def follow(vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray, passes: int) -> np.ndarray:
    """Vertices moved towards where the faces have these normals: v += mean over faces of n (n . (c - v))."""
    corner, face = faces.reshape(-1), np.repeat(np.arange(len(faces)), 3)
    count = np.maximum(np.bincount(corner, minlength=len(vertices)), 1)[:, None]
    for _ in range(passes):
        away = vertices[faces].mean(1)[:, None] - vertices[faces]
        off = np.einsum("fi,fki->fk", normals, away).reshape(-1)
        moves = sparse.csr_matrix((off, (corner, face)), shape=(len(vertices), len(faces))) @ normals
        vertices = vertices + moves / count
    return vertices


def give_back_volume(before: np.ndarray, after: np.ndarray, faces: np.ndarray, rounds: int = 2) -> np.ndarray:
    """`after` without its shrinking: what vertices moved along the normals, averaged over some edges by one
    implicit step of diffusion (Desbrun et al. 1999), is taken off them. Lumps average out, lost volume does
    not; the diffusion keeps the integral, so the whole volume comes back but for the second order."""
    from scipy.sparse.linalg import splu

    n = len(before)
    edges = topo.directed_edges(faces)
    joined = sparse.csr_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    joined = ((joined + joined.T) > 0).astype(float)
    mass = np.bincount(faces.reshape(-1), np.repeat(topo.face_normals(before, faces)[1] / 3, 3), minlength=n)
    unit = max(float(mass.mean()), 1e-30)
    laplacian = sparse.diags(np.asarray(joined.sum(1))[:, 0]) - joined
    solver = splu((sparse.diags(mass / unit + 1e-9) + SPREAD * laplacian).tocsc())
    for _ in range(rounds):
        normal, area = topo.face_normals((before + after) / 2, faces)
        share = np.repeat(normal * area[:, None] / 3, 3, axis=0)
        swept = np.stack([np.bincount(faces.reshape(-1), share[:, k], minlength=n) for k in range(3)], -1)
        volume = np.einsum("vi,vi->v", after - before, swept)
        after = after - solver.solve(volume / unit)[:, None] * _unit(swept)
    return after


def bounded(
    before: np.ndarray, after: np.ndarray, faces: np.ndarray, edge: float, thickness: np.ndarray
) -> np.ndarray:
    """`after` with every move cut to FARTHEST edges and to DEEPEST of the thinnest face at the vertex."""
    limit = np.full(len(before), FARTHEST * edge)
    np.minimum.at(limit, faces.reshape(-1), np.repeat(DEEPEST * thickness, 3))
    length = np.linalg.norm(after - before, axis=1)
    share = np.minimum(1, limit / np.maximum(length, 1e-30))
    return before + (after - before) * share[:, None]


def unfolded(before: np.ndarray, after: np.ndarray, faces: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """`after` with the moves halved, at last taken back, at faces that would turn against both their old and
    their wanted normal, or shrink to nothing."""
    old, area = topo.face_normals(before, faces)
    halved = np.zeros(len(before), dtype=np.int64)
    while True:
        share = np.where(halved > HALVINGS, 0.0, 0.5**halved)
        x = before + (after - before) * share[:, None]
        new, left = topo.face_normals(x, faces)
        turned = (np.einsum("fi,fi->f", new, old) < 0) & (np.einsum("fi,fi->f", new, normals) < 0)
        bad = (turned | (left < SLIVER * area)) & (halved[faces] <= HALVINGS).any(1)
        if not bad.any():
            return x
        halved[np.unique(faces[bad])] += 1


def same_silhouettes(before: np.ndarray, after: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """`after`, or so much of the way to it that silhouettes stay those of `before` (IoU SAME_SHAPE)."""
    scale = 1.0 / max(float(np.linalg.norm(before, axis=1).max()), 1e-30)
    cameras = survey_cameras(VIEWS, VIEW_SIZE)
    corners = torch.from_numpy(faces.astype(np.int64))

    def mesh(x: np.ndarray) -> Mesh:
        return Mesh(torch.from_numpy(x * scale).float(), corners)

    inside = covered(mesh(before), cameras)
    if not inside.any():
        return after
    for halved in range(HALVINGS + 1):
        x = before + (after - before) * 0.5**halved
        iou = silhouette_iou(mesh(x), inside, cameras)
        if iou >= SAME_SHAPE:
            return x
        log.info("smoothing would change the silhouettes (IoU %.3f): half of it is taken back", iou)
    return before


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-30)
