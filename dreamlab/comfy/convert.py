"""Meshes of ComfyUI and of dreamlab in each other's words.

ComfyUI's MESH is a batch: vertices [B,V,3], faces [B,F,3], uvs [B,V,2] with v down as in glTF, vertex_colors
[B,V,3 or 4] in linear light, texture [B,H,W,3] in sRGB 0..1; batches of unequal meshes are padded and have
vertex_counts and face_counts. Older versions know vertices and faces alone.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.core.types import Material, Mesh
from dreamlab.mesh.geometry.color import linear_to_srgb, srgb_to_linear
from dreamlab.mesh.geometry.shape import normals_of, tangents_of
from dreamlab.run.pictures import png_of

FLIP, UP = torch.tensor([1.0, -1.0]), torch.tensor([0.0, 1.0])  # of texture coordinates: v up or down


def comfy_mesh(mesh: Mesh) -> Any:
    """A batch of one. What this version of ComfyUI's MESH has no name for is left out: the GLB has it all."""
    kind = _mesh_type()
    maps = {name: _picture(image[..., :3]) for name, image in mesh.textures}
    colors = None if mesh.colors is None else torch.from_numpy(srgb_to_linear(mesh.colors.double().numpy()))
    given = {
        "uvs": None if mesh.uv is None or not maps else (mesh.uv * FLIP + UP)[None],
        "vertex_colors": None if colors is None else colors.float()[None],
        "texture": maps.get("albedo"),
        "normals": torch.from_numpy(normals_of(mesh)).float()[None],
        "normal_map": maps.get("normal"),
        "tangents": torch.from_numpy(tangents_of(mesh)).float()[None] if "normal" in maps else None,
        "metallic_roughness": maps.get("metallic_roughness"),
    }
    known = inspect.signature(kind).parameters
    more = {name: value for name, value in given.items() if name in known and value is not None}
    return kind(mesh.vertices[None], mesh.faces[None], **more)


def mesh_from_comfy(batch: Any, index: int = 0) -> Mesh:
    """One mesh of a batch.

    Raises InputError for an index that the batch does not have.
    """
    if not 0 <= index < len(batch.vertices):
        raise InputError(f"mesh {index} is not there", expected=f"0 to {len(batch.vertices) - 1}")

    def rows(name: str, count: str) -> Tensor | None:
        values, counts = getattr(batch, name, None), getattr(batch, count, None)
        if values is None:
            return None
        return values[index][: None if counts is None else int(counts[index])].detach().cpu()

    vertices, faces = rows("vertices", "vertex_counts"), rows("faces", "face_counts")
    uv, colors, normals = (rows(name, "vertex_counts") for name in ("uvs", "vertex_colors", "normals"))
    assert vertices is not None and faces is not None  # every MESH has them
    named = {"albedo": "texture", "normal": "normal_map", "metallic_roughness": "metallic_roughness"}
    found = {ours: getattr(batch, theirs, None) for ours, theirs in named.items()} if uv is not None else {}
    textures = tuple((name, _image(image[index])) for name, image in found.items() if image is not None)
    return Mesh(
        vertices.float(),
        faces.long(),
        None if normals is None else normals.float(),
        None if colors is None else _srgb(colors[:, :3]),
        None if uv is None or not textures else uv.float() * FLIP + UP,
        textures,
        Material(),
    )


def pictures_from_comfy(images: Float[Tensor, "B H W 3"], mask: Float[Tensor, "b h w"] | None) -> list[bytes]:
    """Each picture of a batch as a PNG. mask: as Load Image gives it, 1 where a picture is clear; one for all
    or one for each. Where it is 0 all over, as of a picture without alpha, the pictures are opaque.

    Raises InputError for a mask of another size or number.
    """
    pixels = _image(images[..., :3])
    if mask is not None and bool((mask > 0).any()):
        if mask.shape[1:] != images.shape[1:3] or len(mask) not in (1, len(images)):
            size, count = "x".join(map(str, images.shape[1:3])), len(images)
            raise InputError(
                "the mask is not of the picture's size",
                expected=f"{count} of {size}",
                got=f"{len(mask)} of {'x'.join(map(str, mask.shape[1:]))}",
            )
        alpha = _image(1 - mask.expand(len(images), -1, -1))
        pixels = torch.cat([pixels, alpha[..., None]], -1)
    return [png_of(each.numpy()) for each in pixels]


def _srgb(colors: Float[Tensor, "V 3"]) -> Float[Tensor, "V 3"]:
    return torch.from_numpy(linear_to_srgb(colors.double().clamp(0, 1).numpy())).float()


def _picture(image: UInt8[Tensor, "H W 3"]) -> Float[Tensor, "1 H W 3"]:
    return image[None].float() / 255


def _image(picture: Float[Tensor, "*size"]) -> UInt8[Tensor, "*size"]:
    return (picture.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8)


def _mesh_type() -> Any:
    """ComfyUI's class of meshes, by where its versions have it. UnavailableError outside of ComfyUI."""
    try:
        from comfy_api.latest import Types  # pyright: ignore[reportMissingImports]

        return Types.MESH
    except (ImportError, AttributeError):
        pass
    try:
        from comfy_extras.nodes_hunyuan3d import MESH  # pyright: ignore[reportMissingImports]

        return MESH
    except ImportError:
        raise UnavailableError("ComfyUI is not here", mend="These nodes run inside ComfyUI") from None
