"""The field's albedo on the mesh, at its corners or in a texture, and the fine surface's normals in a normal
map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting

from dreamlab.core.errors import InputError
from dreamlab.core.types import Field, Mesh
from dreamlab.mesh.geometry.color import to_bytes
from dreamlab.mesh.geometry.shape import normals_of, tangents_of
from dreamlab.mesh.texture.lighting import daylight, under_light
from dreamlab.mesh.texture.palette import Palette, PaletteConfig
from dreamlab.mesh.texture.palette_bake import painted_corners, painted_image
from dreamlab.mesh.texture.raster import owners
from dreamlab.mesh.texture.seen import looking, put_onto, seen_color
from dreamlab.mesh.texture.solids import SolidName, in_solid

GROW = 1.0  # texels around every triangle that are baked like its inside: what bilinear filtering reads
DILATE = 16  # texels that charts are grown by: four levels of a mipmap see no seam


class BakeConfig(BaseModel):
    """How the texture is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolution: int = Setting(
        default=1024, ge=64, le=8192, description="pixels along each side of the textures"
    )
    samples: int = Setting(
        default=4, ge=1, le=64, description="field samples a texel, through the surface and across it"
    )
    depth: float = Setting(
        default=0.03,
        ge=0,
        le=0.5,
        description="world units looked through, half before the surface; 0: the surface alone",
    )
    normal_map: bool = Setting(
        default=False,
        description="also bake the fine surface's normals, where one is given: for face budgets far below "
        "what its shape needs; the file grows by about two thirds",
    )
    lighting: bool = Setting(
        default=False, description="darken the colours as a white sky would light the fine surface"
    )
    palette: PaletteConfig = Setting(
        default=PaletteConfig(), description="paint in a few flat colours, sharp at any resolution"
    )
    material: Literal["own"] | SolidName = Setting(
        default="own",
        description="what the object is made of: its own colours, or a material all through, a little darker "
        "where they are dark",
    )

    def dressed(self, mesh: Mesh, x: np.ndarray, own: np.ndarray) -> np.ndarray:
        """The colours [N,3] that the mesh has in this material at places [N,3] of these own colours."""
        if self.material == "own":
            return own
        return in_solid(self.material, mesh.vertices.double().numpy(), x, own)


class Baked(NamedTuple):
    """A coloured mesh; the same without its palette, the palette, and what paints it in other colours, where
    it is painted in one; and which of its colours each face has, where the mesh is cut along its borders."""

    mesh: Mesh
    plain: Mesh | None = None
    palette: Palette | None = None
    repaint: Callable[[Palette], Mesh] | None = None
    labels: np.ndarray | None = None


def bake_colors(
    mesh: Mesh, field: Field, config: BakeConfig | None = None, *, surface: Mesh | None = None
) -> Mesh:
    """The mesh with the colour that the field shows at every vertex, looked at along the normal; `surface` is
    the field's own, as for `bake`."""
    return bake_vertices(mesh, field, config, surface=surface).mesh


def bake_vertices(
    mesh: Mesh, field: Field, config: BakeConfig | None = None, *, surface: Mesh | None = None
) -> Baked:
    """As `bake_colors`, with what the palette did: painted in one, the mesh is cut along its borders."""
    config = config or BakeConfig()
    look = looking(field, config.depth, config.samples, surface)
    seen = look(mesh.vertices.double().numpy(), normals_of(mesh))
    found = painted_corners(mesh, look, config.palette)

    def colored(mesh: Mesh, values: np.ndarray) -> Mesh:
        values = config.dressed(mesh, mesh.vertices.double().numpy(), values)
        values = under_light(values, daylight(mesh)) if config.lighting else values
        return replace(mesh, colors=torch.from_numpy(values).float())

    plain = colored(mesh, seen)
    if found is None or found.cut is None:
        return Baked(plain)
    cut = found.cut

    def painted(palette: Palette) -> Mesh:
        return colored(cut.mesh, cut.paint(palette))

    return Baked(painted(found.palette), plain, found.palette, painted, cut.labels)


def bake(
    mesh: Mesh,
    field: Field,
    config: BakeConfig | None = None,
    *,
    surface: Mesh | None = None,
    fine: Mesh | None = None,
) -> Mesh:
    """The unwrapped mesh with an "albedo" texture from the field, looked at where the field's own `surface`
    lies, if that is given: denoising moves the mesh off it, at sharp rims to where the field is empty.

    `fine` is the mesh with more faces (`clean.denoised`: the extracted one would bring back its lumps), for
    baked light and, with `normal_map`, a tangent-space "normal" texture (+Y up, as glTF and Blender want it).

    Each texel's colour is composited along a short ray against the surface normal, its samples spread over
    the texel: what a camera in front of it sees. Seams are dilated, so filtering and mipmaps stay clean.

    Raises:
        InputError: the mesh has no uv.
    """
    return bake_textures(mesh, field, config, surface=surface, fine=fine).mesh


def bake_textures(
    mesh: Mesh,
    field: Field,
    config: BakeConfig | None = None,
    *,
    surface: Mesh | None = None,
    fine: Mesh | None = None,
) -> Baked:
    """As `bake`, with what the palette did."""
    config = config or BakeConfig()
    n = config.resolution
    texel, position, normal, step, corner, weight = texels(mesh, n)
    jitter = np.random.default_rng(0).random((2, len(texel), config.samples)) - 0.5
    place = position if surface is None else put_onto(surface, position)
    color = seen_color(
        field,
        torch.from_numpy(place).float(),
        torch.from_numpy(normal).float(),
        config.depth,
        config.samples,
        spread=torch.from_numpy(np.einsum("ktn,tki->tni", jitter, step)).float(),
    )
    seen = color.numpy()
    found = None
    if config.palette.mode != "off":
        found = painted_image(mesh, fill(texel, to_bytes(seen), n), config.palette)
    light = None
    if config.lighting:
        lit = mesh if fine is None else fine
        light = _blended(lit, daylight(lit)[:, None], position)[:, 0]

    def albedo(values: np.ndarray) -> np.ndarray:
        values = config.dressed(mesh, position, values)
        return fill(texel, to_bytes(values if light is None else under_light(values, light)), n)

    textures = []
    if config.normal_map and fine is not None:
        local = tangent_normals(mesh, _blended(fine, normals_of(fine), position), normal, corner, weight)
        textures.append(("normal", fill(texel, to_bytes(local / 2 + 0.5), n)))

    def textured(image: np.ndarray) -> Mesh:
        images = [("albedo", image), *textures]
        return replace(mesh, colors=None, textures=tuple((k, torch.from_numpy(v)) for k, v in images))

    if found is None:
        return Baked(textured(albedo(seen)))

    def painted(palette: Palette) -> Mesh:
        return textured(albedo(found.paint(palette).reshape(-1, 3)[texel]))

    plain = textured(albedo(seen))
    return Baked(painted(found.palette), plain, found.palette, painted)


def texels(mesh: Mesh, n: int) -> tuple[np.ndarray, ...]:
    """Texels to bake, each once: index, position, normal, world steps of one texel right and down [T,2,3],
    the triangle's corners [T,3] and their weights."""
    if mesh.uv is None:
        raise InputError(
            "the mesh has no texture coordinates", expected="uv to bake into", mend="Unwrap it first"
        )
    faces = mesh.faces.numpy()
    uv = mesh.uv.double().numpy()[faces]
    texel, face, weight = owners(uv, n, GROW)
    corner = faces[face]
    vertices = mesh.vertices.double().numpy()
    position = np.einsum("tk,tki->ti", weight, vertices[corner])
    normal = np.einsum("tk,tki->ti", weight.clip(0, 1), normals_of(mesh)[corner])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    return texel, position, normal, _texel_steps(vertices[faces], uv, n)[face], corner, weight


def _texel_steps(corners: np.ndarray, uv: np.ndarray, n: int) -> np.ndarray:
    """World vectors [F,2,3] that one texel spans to the right and upwards, face by face."""
    e1, e2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    d1, d2 = (uv[:, 1] - uv[:, 0]) * n, (uv[:, 2] - uv[:, 0]) * n
    det = (d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0])[:, None]
    safe = np.where(np.abs(det) < 1e-9, np.inf, det)
    return np.stack([(e1 * d2[:, 1:] - e2 * d1[:, 1:]) / safe, (e2 * d1[:, :1] - e1 * d2[:, :1]) / safe], 1)


def _blended(surface: Mesh, values: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Of values [V,C] at the surface's corners: those near each position [T,3], blended."""
    from scipy.spatial import KDTree

    distance, near = KDTree(surface.vertices.double().numpy()).query(position, k=3)
    blend = 1 / np.maximum(distance, 1e-9)
    return np.einsum("tk,tki->ti", blend / blend.sum(1, keepdims=True), values[near])


def tangent_normals(
    mesh: Mesh, wanted: np.ndarray, normal: np.ndarray, corner: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """World-space normals [T,3] of texels in the mesh's own tangent frames there, as unit vectors."""
    frame = tangents_of(mesh)
    tangent = np.einsum("tk,tki->ti", weight.clip(0, 1), frame[corner, :3])
    tangent -= normal * np.einsum("ij,ij->i", tangent, normal)[:, None]
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    bitangent = np.cross(normal, tangent) * frame[corner[:, 0], 3:]
    local = np.stack([np.einsum("ij,ij->i", wanted, axis) for axis in (tangent, bitangent, normal)], -1)
    local[:, 2] = np.maximum(local[:, 2], 0.05)  # a tangent-space normal never looks into the surface
    return local / np.linalg.norm(local, axis=1, keepdims=True)


def fill(texel: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """An image [n,n,3]: the values at their texels, around them the nearest value, and the mean in the
    open."""
    from scipy.ndimage import distance_transform_edt

    image = np.zeros((n * n, 3), dtype=np.uint8)
    image[texel] = values
    empty = np.ones(n * n, dtype=bool)
    empty[texel] = False
    distance, nearest = np.empty((n, n)), np.empty((2, n, n), dtype=np.int32)
    distance_transform_edt(empty.reshape(n, n), return_indices=True, distances=distance, indices=nearest)
    image = image[(nearest[0] * n + nearest[1]).reshape(-1)]
    image[distance.reshape(-1) > DILATE] = values.mean(0).round().astype(np.uint8)
    return image.reshape(n, n, 3)
