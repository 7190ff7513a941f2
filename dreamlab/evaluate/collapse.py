"""Ways in which a distillation fails as a whole: nothing, a sheet, a filled box, a cloud of pieces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.boxes import overlapping

FLAT = 0.04  # least over greatest extent along the axes of the surface
FULL = 0.9  # of its bounding box
GAP = 0.01  # of the greatest extent, between pieces that still belong together
PIECES = 0.6  # share of the area that the largest piece has at least


class Collapse(NamedTuple):
    """flatness: least over greatest extent along the principal axes of the surface, 0 a sheet, 1 a ball.
    box_share: volume enclosed, over that of the bounding box; 0 for what encloses nothing. piece_share: the
    share of the area of the largest group of pieces whose boxes touch. pieces: parts that hang together
    through corners. verdict: "empty",
    "flat", "full", "in pieces" or "".
    """

    flatness: float
    box_share: float
    piece_share: float
    pieces: int
    verdict: str


def collapse(mesh: Mesh, boxy: bool = False) -> Collapse:
    """boxy: the thing that was asked for fills its box by nature, and may."""
    if len(mesh.faces) == 0:
        return Collapse(0.0, 0.0, 0.0, 0, "empty")
    vertices, faces = topo.weld(mesh.vertices.double().numpy(), mesh.faces.numpy())
    area = topo.face_normals(vertices, faces)[1] if len(faces) else np.zeros(0)
    if len(faces) == 0 or area.sum() <= 0:
        return Collapse(0.0, 0.0, 0.0, 0, "empty")
    part = topo.components(faces)
    shares = np.bincount(_near(vertices, faces, part), weights=area) / area.sum()
    flatness, box = _flatness(vertices, faces, area), float(np.prod(np.ptp(vertices, axis=0)))
    volume = (
        float(topo.signed_volumes(vertices - vertices.mean(0), faces).sum()) if topo.is_closed(faces) else 0
    )
    box_share = max(volume, 0.0) / box if box > 0 else 0.0
    found = (
        "flat" if flatness < FLAT
        else "full" if box_share > FULL and not boxy
        else "in pieces" if shares.max() < PIECES
        else ""
    )  # fmt: skip
    pieces = len(np.unique(part))
    return Collapse(flatness, box_share, float(shares.max()), pieces, found)


def _near(vertices: np.ndarray, faces: np.ndarray, part: np.ndarray) -> np.ndarray:
    """The group of every face: pieces whose boxes, grown by GAP of the whole's size, touch are of one."""
    count, corner = int(part.max()) + 1, vertices[faces]
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    np.minimum.at(low, part, corner.min(1))
    np.maximum.at(high, part, corner.max(1))
    gap = GAP / 2 * np.ptp(vertices, axis=0).max()
    pairs = overlapping(low - gap, high + gap)
    return (topo.labels_of(pairs, count) if len(pairs) else np.arange(count))[part]


def _flatness(vertices: np.ndarray, faces: np.ndarray, area: np.ndarray) -> float:
    """Extents along the eigenvectors of the area-weighted covariance of the faces' centres."""
    centres = vertices[faces].mean(1)
    middle = np.average(centres, axis=0, weights=area)
    covariance = np.cov(centres - middle, rowvar=False, aweights=area)
    axes = np.linalg.eigh(np.atleast_2d(covariance))[1]
    extent = np.ptp((vertices - middle) @ axes, axis=0)
    return float(extent.min() / max(extent.max(), 1e-12))
