"""What every pixel of a view sees of a mesh, one ray a pixel: coverage, colour, depth, the face's normal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dreamlab.core.cameras import world_to_clip
from dreamlab.core.errors import InputError
from dreamlab.core.types import Cameras, Mesh
from dreamlab.mesh.geometry.color import multiplied
from dreamlab.mesh.geometry.shape import face_normals_of
from dreamlab.ops.raster.rasterise import Fragments, interpolate, rasterise, sample_texture

GREY = 0.8  # of meshes without colours
NEAR = 0.01


class SurfaceViews(NamedTuple):
    """B views. Where `seen` is False, all else is zero.

    seen [B,H,W]; albedo [B,H,W,3] unlit sRGB in 0..1; depth [B,H,W,1] along the view axis, world units;
    normal [B,H,W,3] the unit normal of the face in world space, turned to the side that is seen.
    """

    seen: Bool[Tensor, "B H W"]
    albedo: Float[Tensor, "B H W 3"]
    depth: Float[Tensor, "B H W 1"]
    normal: Float[Tensor, "B H W 3"]


def surface_views(mesh: Mesh, cameras: Cameras) -> SurfaceViews:
    """Rasterise a mesh from both sides, without antialiasing. Normals are the faces' own, whatever normals or
    normal maps the mesh carries: shape is measured, not shading.

    Raises InputError for a mesh without faces.
    """
    if len(mesh.faces) == 0:
        got = f"{len(mesh.vertices)} points"
        raise InputError("the mesh has no faces to look at", expected="triangles", got=got)
    points = torch.cat([mesh.vertices.float(), torch.ones(len(mesh.vertices), 1)], 1)
    far = float(cameras.c2w[:, :3, 3].norm(dim=-1).max() + mesh.vertices.norm(dim=-1).max()) + 1
    clip = torch.einsum("bij,vj->bvi", world_to_clip(cameras, NEAR, far), points)
    fragments = rasterise(clip, mesh.faces, cameras.size)
    seen = fragments.face_index >= 0
    # w of clip space is the depth along the view axis
    depth = interpolate(clip[..., 3:].contiguous(), mesh.faces, fragments)
    normal = torch.from_numpy(face_normals_of(mesh)).float()[fragments.face_index.clamp_min(0)]
    towards = cameras.c2w[:, None, None, :3, 3] - _positions(mesh, fragments)
    normal = torch.where((normal * towards).sum(-1, keepdim=True) < 0, -normal, normal) * seen[..., None]
    return SurfaceViews(seen, _albedo(mesh, fragments) * seen[..., None], depth, normal)


def flat_mesh(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    face_colors: Float[np.ndarray, "F 3"],
) -> Mesh:
    """A mesh of flat faces, each of one sRGB colour: no two faces share a corner."""
    corners = torch.from_numpy(np.asarray(vertices, np.float32)[np.asarray(faces).reshape(-1)])
    colors = torch.from_numpy(np.asarray(face_colors, np.float32)).repeat_interleave(3, 0)
    return Mesh(corners, torch.arange(len(corners)).view(-1, 3), colors=colors)


def _positions(mesh: Mesh, fragments: Fragments) -> Float[Tensor, "B H W 3"]:
    return interpolate(mesh.vertices.float(), mesh.faces, fragments)


def _albedo(mesh: Mesh, fragments: Fragments) -> Float[Tensor, "B H W 3"]:
    texture = dict(mesh.textures).get("albedo")
    own = None if mesh.colors is None else interpolate(mesh.colors.float(), mesh.faces, fragments)
    if texture is not None and mesh.uv is not None:
        image = texture[..., :3].float() / 255
        uv = interpolate(mesh.uv.float(), mesh.faces, fragments)
        seen = sample_texture(image, uv, mesh.material.wrap)
        return seen if own is None else torch.from_numpy(multiplied(seen.numpy(), own.numpy())).float()
    if own is not None:
        return own
    return interpolate(torch.full_like(mesh.vertices, GREY).float(), mesh.faces, fragments)
