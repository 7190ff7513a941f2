"""A glTF file with other colours and all else as it is, to the bit: positions, texture coordinates, nodes,
names, skins, morph targets, animations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dreamlab.core.errors import InputError
from dreamlab.mesh.io import draco, gltf
from dreamlab.mesh.io.encode import encoded
from dreamlab.mesh.io.gltf_edit import GltfEdit
from dreamlab.mesh.io.gltf_file import GltfFile
from dreamlab.mesh.io.gltf_read import Surface, surfaces
from dreamlab.mesh.repaint import Coat, Piece, image_for

LOST = ("transparency", "emission")


def retextured_gltf(
    file: GltfFile, coat_of: Callable[[Sequence[Piece]], Coat], side: int | None = None
) -> tuple[bytes, list[str]]:
    """The file as GLB in the coat of an object of its pieces; and what could not stay as it was.

    Each material keeps its name, sides, normal and occlusion maps, and gets one image. Where the coordinates
    of its faces cannot hold one, they are new, and corners on seams are doubled with all that they carry.

    Raises InputError for a file without triangles, or with packed geometry that needs new coordinates.
    """
    found = [one for one in surfaces(file) if len(one.rows)]
    if not found:
        raise InputError(f"{file.path.name} holds no triangles", expected="a mesh")
    edit, notes = GltfEdit(file), list[str]()
    coat = coat_of([_piece(one) for one in found])
    for material in dict.fromkeys(one.material for one in found):
        own = [one for one in found if one.material == material]
        spec = {} if material is None else edit.list("materials")[material]
        notes += [f"{what} of {_named(spec)}" for what in _losses(spec)]
        same = len({one.channel for one in own}) == 1
        pieces = [_piece(one) if same else _piece(one)._replace(uv=None) for one in own]
        image = image_for(pieces, coat, side)
        if image.uv is not None:
            notes.append(f"the texture coordinates of {_named(spec)}, which {image.fault}")
            for one, uv in zip(own, image.uv, strict=True):
                _lay_out(edit, one, uv)
        texture = {"index": _texture(edit, image.pixels, spec)}
        if image.uv is None and own[0].channel:
            texture["texCoord"] = own[0].channel
        row = _material(spec, texture, coat, keep_maps=image.uv is None)
        at = edit.add("materials", row) if material is None else material
        edit.list("materials")[at] = row
        for one in own:
            _dress(edit, one, at)
    if coat.transmission:
        edit.declare(gltf.TRANSMISSION)
    return edit.finish(), notes


def _piece(one: Surface) -> Piece:
    return Piece(one.part.vertices[one.rows], one.rows, one.part.mesh(), one.uv)


def _named(spec: dict[str, Any]) -> str:
    return f"the material {spec['name']!r}" if spec.get("name") else "a material without a name"


def _losses(spec: dict[str, Any]) -> list[str]:
    said = [spec.get("alphaMode", "OPAQUE") != "OPAQUE", any(spec.get("emissiveFactor", ()))]
    return [word for word, lost in zip(LOST, said, strict=True) if lost]


def _texture(edit: GltfEdit, image: np.ndarray, spec: dict[str, Any]) -> int:
    data, mime = encoded(image)
    picture = {
        "bufferView": edit.view(data),
        "mimeType": mime,
        "name": f"{spec.get('name', 'object')}_albedo",
    }
    sampler = {"magFilter": gltf.LINEAR, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}
    source = edit.add("images", picture)
    return edit.add("textures", {"source": source, "sampler": edit.add("samplers", sampler)})


def _material(spec: dict[str, Any], texture: dict[str, Any], coat: Coat, keep_maps: bool) -> dict[str, Any]:
    """A material like `spec` with this image and nothing else that colours it."""
    kept = ("name", "doubleSided", "extras", *(("normalTexture", "occlusionTexture") if keep_maps else ()))
    row = {key: spec[key] for key in kept if key in spec}
    if coat.finish is None:
        own = ("metallicFactor", "roughnessFactor", *(("metallicRoughnessTexture",) if keep_maps else ()))
        old = spec.get("pbrMetallicRoughness", {})
        finish = {key: old[key] for key in own if key in old}
    else:
        finish = {"metallicFactor": coat.finish.metallic, "roughnessFactor": coat.finish.roughness}
    row["pbrMetallicRoughness"] = {"baseColorTexture": texture, **finish}
    if coat.transmission:
        row["extensions"] = {gltf.TRANSMISSION: {"transmissionFactor": coat.transmission}}
    return row


def _dress(edit: GltfEdit, one: Surface, material: int) -> None:
    """Give a primitive its material, and take away what would tint or replace it."""
    primitive = edit.list("meshes")[one.mesh]["primitives"][one.primitive]
    primitive["material"] = material
    primitive["attributes"] = {k: v for k, v in primitive["attributes"].items() if k != "COLOR_0"}
    extensions = primitive.get("extensions", {})
    extensions.pop("KHR_materials_variants", None)
    if draco.EXTENSION in extensions:
        extensions[draco.EXTENSION]["attributes"].pop("COLOR_0", None)
    if not extensions:
        primitive.pop("extensions", None)


def _lay_out(edit: GltfEdit, one: Surface, uv: np.ndarray) -> None:
    """Give a primitive these coordinates, and a row for each corner that differs in them."""
    primitive = edit.list("meshes")[one.mesh]["primitives"][one.primitive]
    if draco.EXTENSION in primitive.get("extensions", {}):
        raise InputError(
            f"{edit.file.path.name} needs new texture coordinates, and Draco has packed its corners",
            mend="Save it uncompressed first",
        )
    flat = uv.reshape(-1, 2).astype(np.float32)
    keys = np.concatenate([one.rows.reshape(-1, 1), flat.view(np.uint32)], 1)
    _, first, index = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    rows = one.rows.reshape(-1)[first]
    attributes = {
        name: edit.picked(accessor, rows)
        for name, accessor in primitive["attributes"].items()
        if not name.startswith(("TEXCOORD_", "TANGENT"))
    }
    attributes["TEXCOORD_0"] = edit.rows((flat[first] * [1, -1] + [0, 1]).astype(np.float32))
    primitive["attributes"] = attributes
    primitive["indices"] = edit.rows(index.reshape(-1, 1).astype(np.uint32))
    primitive["mode"] = 4
    for target in primitive.get("targets", ()):
        target.update({name: edit.picked(accessor, rows) for name, accessor in target.items()})
