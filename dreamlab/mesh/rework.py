"""Any mesh with fewer faces or another texture, and the look it had: every part stays, colours are carried
over from the surface as it was."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import torch

from dreamlab.core.errors import InputError
from dreamlab.core.types import Material, Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.color import texture_of, to_bytes, vertex_colors
from dreamlab.mesh.geometry.shape import creased, normals_of
from dreamlab.mesh.surface.clean import SimplifyConfig, check_faces
from dreamlab.mesh.surface.colors import SurfaceColors
from dreamlab.mesh.surface.decimate import decimate
from dreamlab.mesh.surface.quads import remesh_quads
from dreamlab.mesh.texture.bake import fill, tangent_normals, texels
from dreamlab.mesh.texture.unwrap import unwrap

log = logging.getLogger(__name__)

WHOLE = 0.9  # of the area: below it a remeshed surface has lost parts
TEXTURE_SIDES = (256, 2048)  # of a new texture, where only the old one says how large


def rework(mesh: Mesh, config: SimplifyConfig, texture: int | None = None) -> Mesh:
    """The mesh brought within `config.faces` (or laid anew in quads), all its parts and holes kept.

    Colours follow: a textured mesh gets new uv and a texture baked from the old one, with a normal map of the
    old surface, a mesh with vertex colours new ones. `texture` is the new texture's side in pixels; 0 turns
    a texture into vertex colours, None keeps the kind and about the size.

    Raises:
        InputError: nothing with an area, or a texture is asked for where there is no colour.
        UnavailableError: quads without their package.
    """
    check_faces(mesh.vertices.numpy(), mesh.faces.numpy())
    albedo, colors = texture_of(mesh, "albedo"), vertex_colors(mesh)
    if texture and colors is None:
        raise InputError(
            "the mesh has no colours to bake", expected="a texture or vertex colours", got="neither"
        )
    side = texture if texture is not None else 0 if albedo is None else _side(albedo, mesh)
    in_corners = colors is not None and not side
    if mesh.material.alpha != "opaque":
        log.warning("the mesh is solid now: new colours have no transparency")
    bare = replace(_reduced(mesh, config, colors if in_corners else None), material=_kept(mesh.material))
    surface = SurfaceColors(mesh)
    if in_corners:
        at = surface.colors(bare.vertices.double().numpy(), normals_of(bare))
        return replace(bare, colors=torch.from_numpy(at).float())
    return _baked(unwrap(bare, resolution=side), surface, side) if side else bare


def _side(image: np.ndarray, mesh: Mesh) -> int:
    """That of the old texture, and larger by what of it is shown more than once."""
    a, b, c = mesh.uv[mesh.faces].double().unbind(1) if mesh.uv is not None else torch.zeros(3, 1, 2)
    (u, v), (s, t) = (b - a).T, (c - a).T
    shown = float((u * t - v * s).abs().sum()) / 2
    return int(np.clip(max(image.shape[:2]) * np.sqrt(max(shown, 1.0)), *TEXTURE_SIDES))


def _kept(material: Material) -> Material:
    """What a new texture leaves of a material."""
    return Material(
        double_sided=material.double_sided, metallic=material.metallic, roughness=material.roughness
    )


def _reduced(mesh: Mesh, config: SimplifyConfig, colors: np.ndarray | None) -> Mesh:
    """The shape alone, with normals that are smooth up to sharp edges."""
    points = mesh.vertices.double().numpy()
    vertices, faces = topo.weld(points, mesh.faces.numpy())
    if len(faces) == 0 or np.ptp(vertices, axis=0).max() <= 0:
        raise InputError("the mesh has no area", expected="triangles", got="points and lines only")
    if colors is not None:
        from scipy.spatial import KDTree

        colors = colors[KDTree(points).query(vertices)[1]]
    if config.remesh == "quads":
        area = topo.face_normals(vertices, faces)[1].sum()
        vertices, faces = remesh_quads(vertices, faces, config.faces)
        if (left := topo.face_normals(vertices, faces)[1].sum() / area) < WHOLE:
            log.warning("the quads cover %.0f%% of the surface: open or thin parts are lost", 100 * left)
    else:
        vertices, faces = decimate(vertices, faces, config.faces, colors, config.color_weight)
    return creased(Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(faces)))


def _baked(mesh: Mesh, surface: SurfaceColors, side: int) -> Mesh:
    texel, position, normal, _, corner, weight = texels(mesh, side)
    face, share = surface.nearest(position, normal)
    local = tangent_normals(mesh, surface.normals(face, share), normal, corner, weight)
    images = {
        "albedo": to_bytes(surface.color_of(face, share)),
        "normal": to_bytes(local / 2 + 0.5),
    }
    textures = ((name, torch.from_numpy(fill(texel, values, side))) for name, values in images.items())
    return replace(mesh, textures=tuple(textures))
