"""Convex hulls for collisions: by CoACD (Wei et al. 2022) where its package is, else one for each part."""

from __future__ import annotations

import logging
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import ConvexHull, QhullError

from dreamlab.core.errors import InputError
from dreamlab.core.extras import extra, importable
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.surface.decimate import decimate

log = logging.getLogger(__name__)

Method = Literal["auto", "coacd", "parts"]
CORNERS = 32  # of a hull at most: what Unreal takes; PhysX and Jolt take more
FACES = 600  # of the surface that CoACD cuts: 2,500 take forty times as long and give the same hulls
THRESHOLD = 0.05  # CoACD's concavity, as a share of the size, down to which it cuts
EFFORT: dict[str, Any] = {"resolution": 1000, "mcts_nodes": 10, "mcts_iterations": 60, "mcts_max_depth": 2}
FLAT = 0.01  # a part that is flat is given this share of the size as thickness: a hull must have a volume
NEAR = 0.02  # of the size: what lies so near a hull counts as covered


class Hulls(NamedTuple):
    """Closed convex meshes, how they were made, and how they fit: the share of the surface that lies in one
    of them or nearer than 2 % of the size, and their volume together as a multiple of the object's (None
    where it is not closed)."""

    meshes: tuple[Mesh, ...]
    method: str
    covered: float
    volume: float | None


def convex_hulls(mesh: Mesh, most: int = 8, method: Method = "auto") -> Hulls:
    """At most `most` convex hulls of at most CORNERS corners that are the object for a physics engine.

    "coacd" cuts hollows open; "parts" has one hull for each connected part, so that hollows are filled, and
    where there are more parts than `most` one for all. "auto" takes CoACD where its package is installed, and
    says where it is not. The same mesh gives the same hulls.

    Raises:
        InputError: a mesh without an area.
        UnavailableError: "coacd" without its package.
    """
    vertices, faces = topo.weld(mesh.vertices.double().numpy(), mesh.faces.numpy())
    if len(faces) == 0 or np.ptp(vertices, axis=0).max() <= 0:
        raise InputError("the mesh has no area, and so no collision hull", expected="triangles")
    if method == "auto":
        method = "coacd" if importable("coacd") else "parts"
        if method == "parts":
            log.warning(
                "collision hulls fill hollows: CoACD, which cuts them, is not installed "
                "(pip install 'dreamlab[hulls]')"
            )
    clouds = _coacd(vertices, faces, most) if method == "coacd" else _parts(vertices, faces, most)
    hulls = [hull_of(points) for points in clouds]
    return Hulls(tuple(hulls), method, _covered(vertices, faces, hulls), _volume(vertices, faces, hulls))


def _coacd(vertices: np.ndarray, faces: np.ndarray, most: int) -> list[np.ndarray]:
    with extra("hulls", "cutting into convex parts needs coacd", "take one hull for each part"):
        import coacd
    coacd.set_log_level("error")
    light = decimate(vertices, faces, FACES)
    parts = coacd.run_coacd(
        coacd.Mesh(*light),
        threshold=THRESHOLD,
        max_convex_hull=most,
        decimate=True,
        max_ch_vertex=CORNERS,
        seed=0,
        **EFFORT,
    )
    return [np.asarray(points, dtype=np.float64) for points, _ in parts]


def _parts(vertices: np.ndarray, faces: np.ndarray, most: int) -> list[np.ndarray]:
    part = topo.components(faces)
    kinds = np.unique(part)
    if len(kinds) > most:
        return [vertices]
    return [vertices[np.unique(faces[part == kind])] for kind in kinds]


def hull_of(points: Float[np.ndarray, "N 3"]) -> Mesh:
    """The convex hull of points, of no more than CORNERS corners: those farthest in directions all around.

    Points that lie in a plane, or in a line, get a little thickness.
    """
    try:
        corners = points[ConvexHull(points).vertices]
    except (QhullError, ValueError):
        size = max(float(np.ptp(points, axis=0).max()), 1e-9)
        around = np.stack(np.meshgrid(*[(-1, 1)] * 3), -1).reshape(-1, 3) * size * FLAT / 2
        corners = (points[:, None] + around).reshape(-1, 3)
        corners = corners[ConvexHull(corners).vertices]
    if len(corners) > CORNERS:
        corners = corners[np.unique((_directions(CORNERS) @ corners.T).argmax(1))]
    hull = ConvexHull(corners)
    faces, normals = hull.simplices.astype(np.int64), hull.equations[:, :3]
    a, b, c = (corners[faces[:, k]] for k in range(3))
    inward = np.einsum("fi,fi->f", np.cross(b - a, c - a), normals) < 0
    faces[inward] = faces[inward][:, ::-1]
    used, index = np.unique(faces, return_inverse=True)
    return Mesh(torch.from_numpy(corners[used]).float(), torch.from_numpy(index.reshape(-1, 3)))


def _directions(number: int) -> Float[np.ndarray, "N 3"]:
    """Unit vectors all around, on a golden-angle spiral."""
    k = np.arange(number) + 0.5
    y, turn = 1 - 2 * k / number, k * np.pi * (3 - 5**0.5)
    return np.stack([np.sqrt(1 - y**2) * np.cos(turn), y, np.sqrt(1 - y**2) * np.sin(turn)], -1)


def _covered(vertices: np.ndarray, faces: np.ndarray, hulls: list[Mesh]) -> float:
    """Of the area: triangles count by their middles."""
    middles, (_, area) = vertices[faces].mean(1), topo.face_normals(vertices, faces)
    near = NEAR * np.ptp(vertices, axis=0).max()
    inside = np.zeros(len(middles), dtype=bool)
    for hull in hulls:
        planes = ConvexHull(hull.vertices.double().numpy()).equations
        inside |= (middles @ planes[:, :3].T + planes[:, 3] <= near).all(1)
    return float(area[inside].sum() / area.sum())


def _volume(vertices: np.ndarray, faces: np.ndarray, hulls: list[Mesh]) -> float | None:
    own = float(topo.signed_volumes(vertices, faces).sum())
    if not topo.is_closed(faces) or own <= 0:
        return None
    return sum(ConvexHull(hull.vertices.double().numpy()).volume for hull in hulls) / own
