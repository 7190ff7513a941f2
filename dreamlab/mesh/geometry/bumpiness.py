"""How lumpy is a surface? Its faces against the planes that fit their surroundings."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo

TURN = 30.0  # degrees between averaged normals of one surrounding from which on a crease runs through it


def bumpiness(mesh: Mesh) -> float:
    """Mean angle in degrees, by area, between a face's normal and that of the plane fitted to its two-ring
    (the faces that share a vertex with one that shares a vertex with it). 0 for planes; small for round
    things, the smaller the more faces they have.

    Faces near creases do not count: those in whose two-ring the normals, averaged over two-rings
    themselves, differ by more than TURN. NaN where no face is left, or the mesh has no area.
    """
    vertices, faces = topo.weld(mesh.vertices.double().numpy(), mesh.faces.numpy())
    if len(faces) == 0:
        return float("nan")
    normal, area = topo.face_normals(vertices, faces)
    ring = _two_rings(faces, len(vertices))
    weight = ring @ sparse.diags(area)
    total = np.maximum(np.asarray(weight.sum(1)), 1e-30)
    averaged = weight @ normal
    averaged /= np.maximum(np.linalg.norm(averaged, axis=1, keepdims=True), 1e-30)
    centre = vertices[faces].mean(1)
    outer = np.einsum("fi,fj->fij", centre, centre).reshape(-1, 9)
    middle = weight @ centre / total
    spread = (weight @ outer / total).reshape(-1, 3, 3) - np.einsum("fi,fj->fij", middle, middle)
    plane = np.linalg.eigh(spread)[1][..., 0]  # the direction in which the surroundings are thinnest
    pairs = ring.tocoo()
    turned = np.einsum("pi,pi->p", averaged[pairs.row], averaged[pairs.col]) < np.cos(np.radians(TURN))
    smooth = np.bincount(pairs.row, weights=turned, minlength=len(faces)) == 0
    if not area[smooth].sum() > 0:
        return float("nan")
    angle = np.degrees(np.arccos(np.abs(np.einsum("fi,fi->f", normal, plane)).clip(0, 1)))
    return float(np.average(angle[smooth], weights=area[smooth]))


def _two_rings(faces: np.ndarray, n: int) -> sparse.csr_matrix:
    """1 [F,F] where two faces lie in each other's two-ring, themselves included."""
    one = (topo.touching(faces, n) > 0).astype(float)
    return (one @ one > 0).astype(float).tocsr()
