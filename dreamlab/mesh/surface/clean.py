"""Raw marching-cubes output, or any triangle soup, becomes one closed, manifold, light mesh."""

from __future__ import annotations

import logging
from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.surface.decimate import decimate
from dreamlab.mesh.surface.denoise import DenoiseConfig, denoise
from dreamlab.mesh.surface.quads import remesh_quads
from dreamlab.mesh.surface.repair import make_closed

log = logging.getLogger(__name__)


class RepairConfig(BaseModel):
    """What is kept of a raw mesh, and how its lumps are filtered out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep: Literal["largest"] | float = Setting(
        default="largest",
        description="'largest' part only, or every part with at least this fraction of its volume",
    )
    hole_edges: int = Setting(default=64, ge=0, description="holes with up to this many edges are closed")
    denoise: DenoiseConfig = DenoiseConfig()


class SimplifyConfig(BaseModel):
    """How many faces a mesh may have, and of which kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    faces: int = Setting(
        default=5000, ge=4, description="face budget; what denoise.faces left is not made more again"
    )
    color_weight: float = Setting(
        default=0.0,
        ge=0,
        le=0.2,
        description="what a difference of vertex colours weighs in decimation, as a share of the size (.01 "
        "is much); 0: shape alone, as for textured meshes",
    )
    remesh: Literal["triangles", "quads"] = Setting(
        default="triangles",
        description="'quads' lays a field-aligned grid of quads over the surface (needs dreamlab[quads])",
    )


class CleanConfig(RepairConfig, SimplifyConfig):
    """Everything that turns a raw mesh into a light one."""

    color_weight: float = Setting(default=0.01, ge=0, le=0.2)


class Solidity(NamedTuple):
    """What manifold3d says of a mesh; genus, volume and area are 0 where it is no solid."""

    watertight: bool
    status: str
    genus: int
    volume: float
    area: float


def clean(mesh: Mesh, config: CleanConfig | None = None) -> Mesh:
    """One outward-wound closed manifold within the face budget: `repair_surface`, `denoised`, `simplify`.
    Colours and uv are dropped (bake them afterwards).

    Raises:
        InputError: no faces, corners that are not finite, or nothing with an area.
        UnavailableError: quads without their package.
    """
    config = config or CleanConfig()
    return simplify(denoised(repair_surface(mesh, config), config.denoise), config)


def repair_surface(mesh: Mesh, config: RepairConfig | None = None) -> Mesh:
    """The mesh at full resolution as one outward-wound closed manifold; its vertex colours stay, uv go.

    Steps: weld; close small holes; drop floaters and whatever is shut in by an outer shell. What has holes
    larger than `hole_edges` comes back open.

    Raises InputError for no faces, corners that are not finite, or nothing with an area.
    """
    config = config or RepairConfig()
    vertices, faces = mesh.vertices.double().numpy(), mesh.faces.numpy()
    check_faces(vertices, faces)
    vertices, faces = topo.weld(vertices, faces)
    if len(faces) == 0 or np.ptp(vertices, axis=0).max() <= 0:
        raise InputError("the mesh has no area", expected="triangles", got="points and lines only")
    vertices, faces = make_closed(vertices, faces, config.hole_edges)
    vertices, faces = keep_shells(vertices, faces, config.keep)
    return _with_colors(vertices, faces, _colors_at(mesh, vertices))


def denoised(mesh: Mesh, config: DenoiseConfig) -> Mesh:
    """A mended surface without its lumps, of at most `config.faces` faces (`denoise` says how); vertex
    colours stay. 0 iterations leave it as it is, faces and all.

    This is the surface that the light one stands for: quadrics find true planes in it, and baked light is
    taken from it.
    """
    if not config.iterations:
        return mesh
    vertices, faces = decimate(mesh.vertices.double().numpy(), mesh.faces.numpy(), config.faces)
    colors = _colors_at(mesh, vertices)  # before anything moves: the nearest corner is the right one
    return _with_colors(denoise(vertices, faces, config), faces, colors)


def simplify(mesh: Mesh, config: SimplifyConfig) -> Mesh:
    """A mended surface within the face budget, shape alone: decimated by quadric error (Garland and Heckbert
    1997), where its vertex colours, if it has any, decide with the shape where faces stay; or laid anew in
    quads. An open result is logged.

    Raises UnavailableError for quads without their package.
    """
    vertices, faces = mesh.vertices.double().numpy(), mesh.faces.numpy()
    if config.remesh == "quads":
        vertices, faces = remesh_quads(vertices, faces, config.faces)
    else:
        colors = None if mesh.colors is None else mesh.colors.double().numpy()
        vertices, faces = decimate(vertices, faces, config.faces, colors, config.color_weight)
    if not topo.is_closed(faces):
        log.warning("the mesh is open: it has larger holes than were to be closed")
    return Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(faces.astype(np.int64)))


def _with_colors(vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray | None) -> Mesh:
    return Mesh(
        torch.from_numpy(vertices).float(),
        torch.from_numpy(faces.astype(np.int64)),
        colors=None if colors is None else torch.from_numpy(colors).float(),
    )


def _colors_at(mesh: Mesh, vertices: np.ndarray) -> np.ndarray | None:
    """The mesh's vertex colours at the corners that cleaning has kept or added, each from the nearest."""
    if mesh.colors is None:
        return None
    from scipy.spatial import KDTree

    near = KDTree(mesh.vertices.double().numpy()).query(vertices)[1]
    return mesh.colors.double().numpy()[near]


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
