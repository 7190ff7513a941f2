"""Lay a mesh flat in the unit square, for a texture: charts, each without overlaps, packed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.shape import normals_of
from dreamlab.mesh.surface.clean import check_faces
from dreamlab.mesh.texture.charts import flat_charts
from dreamlab.mesh.texture.pack import pack


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
    chart, flat = flat_charts(vertices[place], welded[faces])
    uv = pack(flat, chart, resolution, padding)
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
