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
from dreamlab.mesh.geometry.shape import creased, face_normals_of, normals_of
from dreamlab.mesh.surface.clean import SimplifyConfig, check_faces
from dreamlab.mesh.surface.colors import SurfaceColors
from dreamlab.mesh.surface.cubes import cubes_of
from dreamlab.mesh.surface.decimate import decimate
from dreamlab.mesh.surface.quads import remesh_quads
from dreamlab.mesh.texture.bake import fill, tangent_normals, texels
from dreamlab.mesh.texture.facets import facets
from dreamlab.mesh.texture.unwrap import unwrap

log = logging.getLogger(__name__)

WHOLE = 0.9  # of the area: below it a remeshed surface has lost parts
WITHIN = np.array([[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4], [2, 2, 1], [2, 1, 2], [1, 2, 2]], np.float64)
"""Weights of corners: the points of a face whose colours are looked at."""
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
    bare = replace(_reduced(mesh, config, colors if in_corners else None), material=_kept(mesh))
    surface = SurfaceColors(mesh)
    if in_corners:
        at = surface.colors(bare.vertices.double().numpy(), normals_of(bare))
        return replace(bare, colors=torch.from_numpy(at).float())
    return _baked(unwrap(bare, resolution=side), surface, side) if side else bare


def in_facets(mesh: Mesh, config: SimplifyConfig, cubes: int | None = None) -> Mesh:
    """The mesh in plane faces of one colour each, the mean of the old ones there: brought within
    `config.faces`, or as so many cubes along its longest side, each of one colour. A mesh without colours
    stays without. Raises InputError for nothing with an area.
    """
    check_faces(mesh.vertices.numpy(), mesh.faces.numpy())
    patch = None
    if cubes is None:
        bare = _reduced(mesh, config, vertex_colors(mesh))
    else:
        bare, patch = cubes_of(mesh, cubes)
    colored = vertex_colors(mesh) is not None
    out = facets(bare, _means(bare, SurfaceColors(mesh), patch) if colored else None, patch)
    return replace(out, material=_kept(mesh))


def _means(mesh: Mesh, surface: SurfaceColors, patch: np.ndarray | None) -> np.ndarray:
    """The mean sRGB colour [F,3] at points of each face, or of all faces of its patch."""
    corners = mesh.vertices.double().numpy()[mesh.faces.numpy()]
    points = np.einsum("sk,fki->sfi", WITHIN / WITHIN.sum(1, keepdims=True), corners)
    normals = np.broadcast_to(face_normals_of(mesh), points.shape)
    found = surface.colors(points.reshape(-1, 3), normals.reshape(-1, 3))
    means = found.reshape(len(WITHIN), -1, 3).mean(0)
    if patch is None:
        return means
    total = np.stack([np.bincount(patch, column) for column in means.T], -1)
    return (total / np.bincount(patch)[:, None])[patch]


def _side(image: np.ndarray, mesh: Mesh) -> int:
    """That of the old texture, and larger by what of it is shown more than once."""
    a, b, c = mesh.uv[mesh.faces].double().unbind(1) if mesh.uv is not None else torch.zeros(3, 1, 2)
    (u, v), (s, t) = (b - a).T, (c - a).T
    shown = float((u * t - v * s).abs().sum()) / 2
    return int(np.clip(max(image.shape[:2]) * np.sqrt(max(shown, 1.0)), *TEXTURE_SIDES))


def _kept(mesh: Mesh) -> Material:
    """What a new texture leaves of a material: of metal and roughness the mean."""
    roughness, metallic = mesh.material.roughness, mesh.material.metallic
    shares = texture_of(mesh, "metallic_roughness")
    if shares is not None:
        log.warning("of the metallic-roughness texture only the mean is kept")
        roughness, metallic = (shares[..., 1:].mean((0, 1)) / 255 * [roughness, metallic]).tolist()
    sides = mesh.material.double_sided
    return Material(double_sided=sides, metallic=metallic, roughness=roughness)


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
