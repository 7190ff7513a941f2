"""The parts of a file as one mesh with one material."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch

from dreamlab.core.types import Material, Mesh
from dreamlab.mesh.geometry.shape import normals_of
from dreamlab.mesh.io.atlas import atlas
from dreamlab.mesh.io.parts import Part

SURFACE = ("metallic", "roughness", "double_sided")
COARSEST = 1e-4  # step of 32-bit coordinates, as a share of the mesh's size, that blurs nothing


def joined(parts: Sequence[Part]) -> tuple[Mesh, list[str]]:
    """One mesh of at least one part, and what it cannot hold of them, by name.

    One texture, shared by all, stays as it is; several are packed into an atlas, whatever their wrap. Without
    textures colours are at the corners, white where a part has none.
    """
    parts, far = recentred(parts)
    if len(parts) == 1:
        mesh, lost = parts[0].mesh(), []
    elif not any(part.textured for part in parts):
        mesh, lost = replace(_concatenated(parts), material=_common(parts)), []
    elif _share_one(parts):
        mesh, lost = _with_one_texture(parts), []
    else:
        mesh, lost = _with_atlas(parts)
    if any(part.material.alpha not in ("opaque", mesh.material.alpha) for part in parts):
        lost.append("transparency")
    elif mesh.material.alpha != "opaque":
        lost.append("transparency (but in GLB)")
    if len({_metal(part) for part in parts}) > 1:
        lost.append("metal and roughness, which differ from part to part")
    return mesh, lost + far


def recentred(parts: Sequence[Part]) -> tuple[Sequence[Part], list[str]]:
    """The parts near the origin, and where they stood, if that is so far off that 32 bits would blur them."""
    corners = np.concatenate([part.vertices[part.faces.reshape(-1)] for part in parts])
    low, high = corners.min(0), corners.max(0)
    if np.spacing(np.float32(np.abs([low, high]).max())) <= COARSEST * (high - low).max():
        return parts, []
    middle = ((low + high) / 2).round()
    moved = [replace(part, vertices=part.vertices - middle) for part in parts]
    place = ", ".join(f"{x:.0f}" for x in middle)
    return moved, [f"its place around ({place}), too far from the origin for exact corners"]


def _metal(part: Part) -> tuple[float, float]:
    return part.material.metallic, part.material.roughness


def _common(parts: Sequence[Part]) -> Material:
    """What one material says for all; matt, if they differ in that."""
    plain = Material(double_sided=any(part.material.double_sided for part in parts))
    kinds = {_metal(part) for part in parts}
    return plain if len(kinds) > 1 else replace(plain, metallic=kinds.pop()[0], roughness=_metal(parts[0])[1])


def _concatenated(parts: Sequence[Part]) -> Mesh:
    """Shapes, and colours at the corners; uv where all have some."""
    meshes = [part.mesh() for part in parts]
    start = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    colors = None
    if any(mesh.colors is not None for mesh in meshes):
        colors = torch.cat([torch.ones_like(m.vertices) if m.colors is None else m.colors for m in meshes])
    uv = [torch.from_numpy(part.uv).float() for part in parts if part.uv is not None]
    return Mesh(
        torch.cat([mesh.vertices for mesh in meshes]),
        torch.cat([mesh.faces + int(s) for mesh, s in zip(meshes, start, strict=False)]),
        torch.cat([torch.from_numpy(normals_of(mesh)).float() for mesh in meshes]),
        colors,
        torch.cat(uv) if len(uv) == len(parts) else None,
    )


def _share_one(parts: Sequence[Part]) -> bool:
    """Whether one texture, read in one way, colours them all."""
    first = parts[0]
    return all(
        part.textured
        and part.albedo is first.albedo
        and part.normal_map is first.normal_map
        and part.material.wrap == first.material.wrap
        and part.material.nearest == first.material.nearest
        and part.material.alpha == first.material.alpha
        and part.material.cutoff == first.material.cutoff
        and part.tint()[1][3] == first.tint()[1][3]
        for part in parts
    )


def _with_one_texture(parts: Sequence[Part]) -> Mesh:
    """The factors are in the texture if they are all the same, else in colours at the corners."""
    tints = [part.tint()[1] for part in parts]
    same = all((tint == tints[0]).all() for tint in tints)
    first, image = parts[0], None
    if first.albedo is not None:
        image = first.painted(tints[0] if same else np.append(np.ones(3), tints[0][3]))
    material = replace(first.material, **{name: getattr(_common(parts), name) for name in SURFACE})
    if image is None:
        material = replace(material, alpha="opaque")
    bare = [_tinted(part, same) for part in parts]
    maps = {"albedo": image, "normal": first.normal_map}
    textures = tuple((name, torch.from_numpy(m)) for name, m in maps.items() if m is not None)
    return replace(_concatenated(bare), textures=textures, material=material)


def _tinted(part: Part, in_texture: bool) -> Part:
    """A part without textures, whose corners have what its texture lacks of its colour."""
    color, factor = part.tint()
    left = None if part.albedo is not None and in_texture else factor
    return replace(part, albedo=None, normal_map=None, color=color, factor=left)


def _with_atlas(parts: Sequence[Part]) -> tuple[Mesh, list[str]]:
    alpha = _alpha_of_all(parts)
    packed = atlas([part if part.material.alpha == alpha else _solid(part) for part in parts])
    image = packed.albedo if alpha != "opaque" else np.ascontiguousarray(packed.albedo[..., :3])
    maps = {"albedo": image, "normal": packed.normal_map}
    textures = tuple((name, torch.from_numpy(m)) for name, m in maps.items() if m is not None)
    squares = {part.material.nearest for part in parts if part.textured}
    material = replace(_common(parts), nearest=squares == {True}, alpha=alpha)
    lost = ["texels as squares"] * (len(squares) > 1)
    if packed.shrunk > 1:
        lost.append(f"the full size of its textures (up to {packed.shrunk} times smaller each way)")
    bare = [replace(p, albedo=None, normal_map=None, color=p.tint()[0], factor=None) for p in packed.parts]
    return replace(_concatenated(bare), textures=textures, material=material), lost


def _alpha_of_all(parts: Sequence[Part]) -> Literal["opaque", "mask", "blend"]:
    """What one material does with alpha: cuts out if any part does; blends if all do, since solid parts that
    blend are drawn in a wrong order."""
    modes = {part.material.alpha for part in parts}
    return "mask" if "mask" in modes else "blend" if modes == {"blend"} else "opaque"


def _solid(part: Part) -> Part:
    return replace(part, material=replace(part.material, alpha="opaque"))
