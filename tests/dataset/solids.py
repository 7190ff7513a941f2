"""Meshes and subjects whose pictures are known in closed form."""

from __future__ import annotations

import numpy as np
import torch
import trimesh

from dreamlab.core.types import Mesh
from dreamlab.dataset.scene import Subject
from dreamlab.dataset.sources import Source, digest_of_mesh, parts_by_color


def mesh_of(solid: trimesh.Trimesh, color: tuple[float, float, float] | None = None) -> Mesh:
    """Flat: every face has corners and a normal of its own."""
    corners = torch.tensor(np.asarray(solid.triangles).reshape(-1, 3), dtype=torch.float32)
    normals = torch.tensor(np.repeat(solid.face_normals, 3, 0), dtype=torch.float32)
    colors = None if color is None else torch.tensor(color).expand(len(corners), 3).contiguous()
    return Mesh(corners, torch.arange(len(corners)).reshape(-1, 3), normals, colors)


def ball(radius: float = 1.0, subdivisions: int = 5) -> Mesh:
    """Smooth: its normals point away from the middle."""
    solid = trimesh.creation.icosphere(subdivisions, radius)
    vertices = torch.tensor(np.asarray(solid.vertices), dtype=torch.float32)
    faces = torch.tensor(np.asarray(solid.faces), dtype=torch.int64)
    return Mesh(vertices, faces, vertices / vertices.norm(dim=1, keepdim=True))


def box(
    size: tuple[float, float, float] = (1.0, 1.0, 1.0), color: tuple[float, float, float] | None = None
) -> Mesh:
    return mesh_of(trimesh.creation.box(size), color)


def two_colored() -> Mesh:
    """A red cube on a blue one, faces of one colour each."""
    low, high = box(color=(0.0, 0.0, 1.0)), box(color=(1.0, 0.0, 0.0))
    raised = high.vertices + torch.tensor([0.0, 1.0, 0.0])
    assert low.normals is not None and high.normals is not None
    assert low.colors is not None and high.colors is not None
    return Mesh(
        torch.cat([low.vertices, raised]),
        torch.cat([low.faces, high.faces + len(low.vertices)]),
        torch.cat([low.normals, high.normals]),
        torch.cat([low.colors, high.colors]),
    )


def source(name: str, mesh: Mesh, caption: str = "") -> Source:
    subject = Subject(name, mesh, caption or f"a {name}", parts_by_color(mesh))
    return Source(name, subject.caption, digest_of_mesh(mesh), lambda: subject)
