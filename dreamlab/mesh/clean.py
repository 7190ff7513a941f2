"""Raw marching-cubes output, or any triangle soup, becomes one closed, manifold, light mesh."""

from __future__ import annotations

import logging
from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting

from dreamlab.errors import InputError
from dreamlab.mesh import topology as topo
from dreamlab.types import Mesh

log = logging.getLogger(__name__)


class CleanConfig(BaseModel):
    """What is kept of a raw mesh, and how many faces it may have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    faces: int = Setting(default=10_000, ge=4, description="face budget; meshes below it keep their faces")
    keep: Literal["largest"] | float = Setting(
        default="largest",
        description="'largest' part only, or every part with at least this fraction of its volume",
    )
    hole_edges: int = Setting(default=64, ge=0, description="holes with up to this many edges are closed")
    smooth: int = Setting(default=0, ge=0, le=100, description="Taubin smoothing passes before decimation")


class Solidity(NamedTuple):
    """What manifold3d says of a mesh; genus, volume and area are 0 where it is no solid."""

    watertight: bool
    status: str
    genus: int
    volume: float
    area: float


def clean(mesh: Mesh, config: CleanConfig | None = None) -> Mesh:
    """One outward-wound closed manifold within the face budget; colours and uv are dropped (bake them
    afterwards).

    Steps: weld; drop floaters and whatever is shut in by an outer shell; close small holes; optionally smooth
    (Taubin 1995); decimate by quadric error (Garland and Heckbert 1997). A mesh with holes larger than
    `hole_edges` comes back open, with a warning in the log.

    Raises:
        InputError: no faces, corners that are not finite, or nothing with an area.
    """
    config = config or CleanConfig()
    vertices, faces = mesh.vertices.double().numpy(), mesh.faces.numpy()
    check_faces(vertices, faces)
    vertices, faces = topo.weld(vertices, faces)
    if len(faces) == 0 or np.ptp(vertices, axis=0).max() <= 0:
        raise InputError("the mesh has no area", expected="triangles", got="points and lines only")
    vertices, faces = make_closed(vertices, faces, config.hole_edges)
    vertices, faces = keep_shells(vertices, faces, config.keep)
    if config.smooth:
        vertices = taubin(vertices, faces, config.smooth)
    vertices, faces = decimate(vertices, faces, config.faces)
    if not topo.is_closed(faces):
        log.warning("the cleaned mesh is open: its holes have more than %d edges", config.hole_edges)
    return Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(faces.astype(np.int64)))


def check_faces(vertices: np.ndarray, faces: np.ndarray) -> None:
    """Raise InputError for meshes that hold no usable triangle."""
    if len(faces) == 0:
        raise InputError("the mesh has no faces", expected="triangles", got=f"{len(vertices)} points")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(
            "the mesh's faces name corners that are not there", expected=f"0 to {len(vertices) - 1}"
        )
    if not np.isfinite(vertices).all():
        raise InputError(
            "the mesh has corners that are not finite", expected="numbers", got="NaN or infinity"
        )


def solidity(mesh: Mesh) -> Solidity:
    """Is it a closed manifold, and what are its genus, volume (units^3) and area (units^2)? manifold3d's
    answer."""
    import manifold3d

    vertices, faces = topo.weld(mesh.vertices.double().numpy(), mesh.faces.numpy(), 1e-9)
    solid = manifold3d.Manifold(manifold3d.Mesh64(vertices, faces.astype(np.uint64)))
    status = solid.status()
    if status != manifold3d.Error.NoError or solid.is_empty():
        return Solidity(False, status.name, 0, 0.0, 0.0)
    return Solidity(True, status.name, solid.genus(), solid.volume(), solid.surface_area())


def make_closed(vertices: np.ndarray, faces: np.ndarray, hole_edges: int) -> tuple[np.ndarray, np.ndarray]:
    """Consistent winding, no edge with more than two faces, small holes shut. A closed mesh passes
    unchanged."""
    if topo.is_closed(faces):
        return vertices, faces
    index, uses, _ = topo.edge_uses(faces)
    crowded = (uses > 2)[index].reshape(-1, 3).any(1)
    if not crowded.all():
        faces = faces[~crowded]
    faces = consistent_winding(vertices, faces)
    return topo.drop_unused(*close_holes(vertices, faces, hole_edges))


def consistent_winding(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Faces turned so that neighbours run along their common edge in opposite directions."""
    _, uses, balance = topo.edge_uses(faces)
    if (balance[uses == 2] == 0).all():
        return faces
    import trimesh

    mesh = trimesh.Trimesh(vertices, faces, process=False)
    trimesh.repair.fix_winding(mesh)
    return np.asarray(mesh.faces, dtype=np.int64)


def close_holes(vertices: np.ndarray, faces: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Fill boundary loops of up to `limit` edges with a fan around their middle."""
    index, uses, _ = topo.edge_uses(faces)
    rim = topo.directed_edges(faces)[(uses == 1)[index]]
    rings = [
        ring for ring in _loops(rim[:, ::-1]) if 3 <= len(ring) <= limit
    ]  # patches run the other way round
    middles = [vertices[ring].mean(0) for ring in rings]
    fans = [
        np.stack([ring, np.roll(ring, -1), np.full(len(ring), len(vertices) + i)], -1)
        for i, ring in enumerate(rings)
    ]
    return np.concatenate([vertices, np.reshape(middles, (-1, 3))]), np.concatenate([faces, *fans])


def _loops(edges: np.ndarray) -> list[np.ndarray]:
    """The closed loops of directed edges [E,2]; where loops touch in a vertex, the simple ones."""
    follow: dict[int, list[int]] = {}
    for a, b in edges.tolist():
        follow.setdefault(a, []).append(b)
    loops = []
    for start in list(follow):
        path = [start]
        while follow.get(path[-1]):
            here = follow[path[-1]].pop()
            if here in path:
                cut = path.index(here)
                loops.append(np.asarray(path[cut:]))
                del path[cut + 1 :]
            else:
                path.append(here)
    return loops


def keep_shells(
    vertices: np.ndarray, faces: np.ndarray, keep: Literal["largest"] | float
) -> tuple[np.ndarray, np.ndarray]:
    """The largest outer shell, or all with at least `keep` of its volume; each wound outward, inner walls
    dropped."""
    part = topo.components(faces)
    volume = np.bincount(part, weights=topo.signed_volumes(vertices - vertices.mean(0), faces))
    order = np.argsort(-np.abs(volume), kind="stable")
    floor = abs(volume[order[0]]) * (1.0 if keep == "largest" else float(keep))
    outer: list[np.ndarray] = []
    for label in order[:1] if keep == "largest" else order:
        own = faces[part == label]
        if abs(volume[label]) < floor or any(topo.contains(vertices, o, vertices[own[0, 0]]) for o in outer):
            continue
        outer.append(own if volume[label] >= 0 else own[:, ::-1])
    return topo.drop_unused(vertices, np.concatenate(outer))


def taubin(vertices: np.ndarray, faces: np.ndarray, passes: int) -> np.ndarray:
    """Taubin's lambda|mu smoothing (1995): evens out the lattice's steps without shrinking the shape."""
    from scipy.sparse import coo_matrix

    edges = np.unique(np.sort(topo.directed_edges(faces), axis=1), axis=0)
    rows, cols = np.concatenate([edges, edges[:, ::-1]]).T
    average = coo_matrix((np.ones(len(rows)), (rows, cols)), shape=(len(vertices),) * 2).tocsr()
    degree = np.maximum(np.asarray(average.sum(1)), 1)
    for _ in range(passes):
        for weight in (0.5, -0.53):
            vertices = vertices + weight * (average @ vertices / degree - vertices)
    return vertices


def decimate(vertices: np.ndarray, faces: np.ndarray, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """At most about `budget` faces by quadric edge collapse; a closed mesh stays closed.

    The fast collapse may pinch a thin part into an edge of four faces. Then gentler settings are tried, and
    last manifold3d's own simplification, which never leaves the manifolds.
    """
    if len(faces) <= budget:
        return vertices, faces
    import fast_simplification

    closed = topo.is_closed(faces)
    centre, scale = vertices.mean(0), float(np.ptp(vertices, axis=0).max())
    points = ((vertices - centre) / scale).astype(np.float32)
    for aggression in (5, 3, 1):
        v, f, *_ = fast_simplification.simplify(
            points, faces.astype(np.int32), target_count=budget, agg=aggression
        )
        v, f = topo.weld(np.asarray(v, dtype=np.float64), np.asarray(f, dtype=np.int64))
        if len(f) and (not closed or topo.is_closed(f)):
            return v * scale + centre, f
    log.warning("quadric decimation left the manifolds; simplified with manifold3d instead")
    v, f = _simplify_solid(points.astype(np.float64), faces, budget)
    return v * scale + centre, f


def _simplify_solid(vertices: np.ndarray, faces: np.ndarray, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """manifold3d's simplification at the smallest doubling of the tolerance that meets the budget."""
    import manifold3d

    solid = manifold3d.Manifold(manifold3d.Mesh64(vertices, faces.astype(np.uint64)))
    tolerance = 1e-4
    while solid.num_tri() > budget and tolerance < 0.1:
        solid = solid.simplify(tolerance)
        tolerance *= 2
    out = solid.to_mesh64()
    return np.asarray(out.vert_properties)[:, :3], np.asarray(out.tri_verts).astype(np.int64)
