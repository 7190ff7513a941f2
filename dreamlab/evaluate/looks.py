"""A mesh of any file as the judge sees it: in the unit sphere, every face of one colour, from all around."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.evaluate import best_region, objects, repetition, seed_diversity
from dreamlab.evaluate.prompts import render_mesh_views, ring
from dreamlab.mesh.geometry.color import srgb_to_linear
from dreamlab.mesh.io.parts import FlatMesh, Part, flattened
from dreamlab.views.render import framed

_RING = 24  # the least in which the rings of all measures are whole steps


@dataclass(frozen=True)
class Looks:
    """Model-space views [n,5,64,64]: rings from azimuth 0 on for the judge and for repetition, and views from
    the corners of an icosphere."""

    judged: Float[Tensor, "n 5 S S"]
    repeated: Float[Tensor, "m 5 S S"]
    regions: Float[Tensor, "c 5 S S"]


def looks_of(mesh: Mesh) -> Looks:
    """Raises InputError for a mesh without faces, without extent, or with coordinates that are no numbers."""
    flat = flat_mesh(mesh)
    around = render_mesh_views(*flat, ring(_RING, 0.0))
    judged, repeated = (around[:: _RING // n] for n in (objects.AROUND, repetition.AROUND))
    return Looks(judged, repeated, render_mesh_views(*flat, best_region.all_around()))


def compared_views(mesh: Mesh) -> Float[Tensor, "n 5 S S"]:
    """The ring for diversity alone. Raises as `looks_of`."""
    return render_mesh_views(*flat_mesh(mesh), ring(seed_diversity.VIEWS, 0.0))


def judged_views(mesh: Mesh) -> Float[Tensor, "n 5 S S"]:
    """The judge's ring alone. Raises as `looks_of`."""
    return render_mesh_views(*flat_mesh(mesh), objects.around())


def flat_mesh(mesh: Mesh) -> FlatMesh:
    """Framed in the unit sphere; its texture and corner colours averaged over each face."""
    if len(mesh.faces) == 0 or not bool(torch.isfinite(mesh.vertices).all()):
        got = f"{len(mesh.faces)} faces" if len(mesh.faces) == 0 else "coordinates that are no numbers"
        raise InputError("the mesh cannot be looked at", expected="triangles", got=got)
    mesh = framed(mesh)
    image = dict(mesh.textures).get("albedo")
    texture = None if image is None else image.numpy()
    if texture is not None and texture.shape[2] == 3:
        texture = np.concatenate([texture, np.full((*texture.shape[:2], 1), 255, np.uint8)], 2)
    part = Part(
        mesh.vertices.double().numpy(),
        mesh.faces.numpy(),
        uv=None if mesh.uv is None else mesh.uv.double().numpy(),
        color=None if mesh.colors is None else srgb_to_linear(mesh.colors.double().numpy()),
        albedo=texture,
        opaque=mesh.material.alpha == "opaque",
        material=mesh.material,
    )
    vertices, faces, colors = flattened([part])
    return FlatMesh(vertices.astype(np.float32), faces.astype(np.int32), colors.astype(np.float32))
