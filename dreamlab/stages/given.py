"""A mesh that the user brings, as a scene to go on with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dreamlab.core.errors import InputError
from dreamlab.core.types import Field, Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.color import texture_of, vertex_colors
from dreamlab.mesh.geometry.shape import centred
from dreamlab.mesh.io.load import load
from dreamlab.mesh.surface.colors import SurfaceColors
from dreamlab.stages.protocol import SurfaceMesh

FACES = 4000  # a mesh of fewer is divided until it has these: corners are what a refinement can move
MOST = 200_000  # beyond it every step would take seconds
GREY = 0.8  # of a mesh without colours
POINTS, STEPS, RATE = 4096, 150, 0.005  # of the fit of the field's colours


def given_surface(path: Path, field: Field, generator: torch.Generator) -> SurfaceMesh:
    """The mesh of a file inside the unit sphere, with enough corners to move, and its colours in the field.

    The field is trained: its colours on the surface become the mesh's own (or grey), its density stays as it
    is and means nothing.

    Raises InputError for a mesh with more than MOST faces, or without an area; else as `load`.
    """
    given = centred(load(path))
    vertices, faces = topo.weld(given.vertices.double().numpy(), given.faces.numpy())
    if len(faces) == 0 or topo.face_normals(vertices, faces)[1].sum() <= 0:
        raise InputError(f"{path.name} has no area", expected="triangles", got="points and lines only")
    if len(faces) > MOST:
        raise InputError(
            f"{path.name} is too fine",
            expected=f"at most {MOST} faces",
            got=str(len(faces)),
            mend=f"Make it lighter first: dreamlab export {path.name} --faces {MOST // 10}",
        )
    while len(faces) < FACES:
        vertices, faces = _divided(vertices, faces)
    mesh = Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(faces))
    _color(field, mesh, given, generator)
    return SurfaceMesh(mesh, field, painted=mesh, fine=mesh, volume=False)


def _divided(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every face in four."""
    import trimesh

    more, small, *_ = trimesh.remesh.subdivide(vertices, faces)
    return topo.weld(np.asarray(more), np.asarray(small, dtype=np.int64))


def _color(field: Field, mesh: Mesh, given: Mesh, generator: torch.Generator) -> None:
    """Give the field the colours of `given` on the surface of `mesh`, by Adam on points drawn evenly."""
    points, colors = _colored_points(mesh, given, generator)
    adam = torch.optim.Adam(list(field.parameters()), lr=RATE, eps=1e-15, fused=True)
    for step in range(STEPS):
        adam.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
        rows = torch.randint(len(points), (POINTS,), generator=generator)
        adam.zero_grad(set_to_none=True)
        (field(points[rows])[1] - colors[rows]).square().mean().backward()
        adam.step()


def _colored_points(mesh: Mesh, given: Mesh, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points spread evenly over the surface [N,3], and the colours there [N,3]."""
    corners = mesh.vertices[mesh.faces].double()
    normal, area = topo.face_normals(mesh.vertices.double().numpy(), mesh.faces.numpy())
    face = torch.multinomial(torch.from_numpy(area), 20 * POINTS, True, generator=generator)
    u, v = torch.rand(2, len(face), 1, generator=generator, dtype=torch.float64)
    u, v = torch.where(u + v > 1, 1 - u, u), torch.where(u + v > 1, 1 - v, v)
    a, b, c = corners[face].unbind(1)
    points = a + u * (b - a) + v * (c - a)
    if texture_of(given, "albedo") is None and vertex_colors(given) is None:
        return points.float(), torch.full((len(points), 3), GREY)
    colors = SurfaceColors(given).colors(points.numpy(), normal[face.numpy()])
    return points.float(), torch.from_numpy(colors).float()
