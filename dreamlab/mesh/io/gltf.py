"""A compact, deterministic GLB writer: one mesh with one material, or named parts, and right colours.

glTF 2.0: COLOR_0 and all factors are linear, baseColorTexture is sRGB, v runs down, indices are
counter-clockwise, +Y up, the front faces +Z, metres. A mesh without a material would be shown as metal: it
is always written, matt unless the mesh's own says otherwise.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from dreamlab.core.types import Material, Mesh, Wrap
from dreamlab.mesh.geometry.color import png, srgb_to_linear, texture_of
from dreamlab.mesh.geometry.named_parts import NamedParts, materials_of
from dreamlab.mesh.geometry.shape import normals_of, tangents_of
from dreamlab.mesh.io import draco
from dreamlab.mesh.io.names import pieces_of

Compression = Literal["none", "draco"]

ARRAY, ELEMENTS = 34962, 34963
FLOAT, USHORT, UINT = 5126, 5123, 5125
SLOTS = {
    "albedo": "baseColorTexture",
    "normal": "normalTexture",
    "metallic_roughness": "metallicRoughnessTexture",
}
# Numbers of samplers, which glTF has from OpenGL.
WRAPS: dict[Wrap, int] = {"repeat": 10497, "mirror": 33648, "clamp": 33071}
NEAREST, LINEAR = 9728, 9729


class _Buffer:
    """The binary chunk under construction, its views and accessors."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, data: bytes, target: int | None = None) -> int:
        self.data += bytes(-len(self.data) % 4)
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)})
        if target is not None:
            self.views[-1]["target"] = target
        self.data += data
        return len(self.views) - 1

    def attribute(self, values: np.ndarray, bounds: bool = False) -> int:
        """An accessor over float32 rows, or over uint16 rows that stand for 0..1."""
        accessor: dict[str, Any] = {
            "bufferView": self.view(values.tobytes(), ARRAY),
            "componentType": FLOAT if values.dtype == np.float32 else USHORT,
            "count": len(values),
            "type": f"VEC{values.shape[1]}",
        }
        if values.dtype == np.uint16:
            accessor["normalized"] = True
        if bounds:
            accessor |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def indices(self, faces: np.ndarray, vertices: int) -> int:
        kind, component = (np.uint16, USHORT) if vertices < 65535 else (np.uint32, UINT)
        flat = faces.reshape(-1).astype(kind)
        self.accessors.append(
            {
                "bufferView": self.view(flat.tobytes(), ELEMENTS),
                "componentType": component,
                "count": len(flat),
                "type": "SCALAR",
            }
        )
        return len(self.accessors) - 1


def glb_bytes(
    mesh: Mesh, name: str = "object", compression: Compression = "none", parts: NamedParts | None = None
) -> bytes:
    """The mesh as a binary glTF 2.0 file: its textures where it has them, else its vertex colours.

    Node, mesh, material and images are called `name`, which is taken as it is: see `names.legal_name`.
    With `parts` each has a material by its name, with its colour where that is one; as "meshes" each has its
    own node. "draco" packs the geometry with KHR_draco_mesh_compression, which readers must know; it needs
    DracoPy.
    """
    buffer = _Buffer()
    albedo, normal_map = texture_of(mesh, "albedo"), texture_of(mesh, "normal")
    if albedo is not None and mesh.material.alpha != "opaque":
        albedo = dict(mesh.textures)["albedo"].numpy()
    pieces = pieces_of(mesh, name, parts)
    materials = materials_of(pieces)
    primitives = []
    for piece in pieces:
        rows = _rows(piece.mesh, albedo, normal_map)
        if materials[piece.material] is not None:
            rows.pop("COLOR_0", None)
        material = {"material": list(materials).index(piece.material)}
        primitives.append(material | _primitive(buffer, rows, piece.mesh.faces.numpy(), compression))
    apart = parts is not None and parts.kind == "meshes"
    groups = [[primitive] for primitive in primitives] if apart else [primitives]
    names = [piece.name for piece in pieces] if apart else [name]
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "dreamlab"},
        "scene": 0,
        "scenes": [{"nodes": list(range(len(groups)))}],
        "nodes": [{"mesh": i, "name": node} for i, node in enumerate(names)],
        "meshes": [{"primitives": group, "name": node} for group, node in zip(groups, names, strict=True)],
        "materials": [_material(title, color, mesh.material) for title, color in materials.items()],
    }
    if compression == "draco":
        document |= {"extensionsUsed": [draco.EXTENSION], "extensionsRequired": [draco.EXTENSION]}
    maps = {"albedo": albedo, "normal": normal_map}
    maps["metallic_roughness"] = texture_of(mesh, "metallic_roughness")
    _add_textures(document, buffer, name, mesh.material, maps)
    document |= {"accessors": buffer.accessors, "bufferViews": buffer.views}
    document["buffers"] = [{"byteLength": len(buffer.data)}]
    return _container(document, bytes(buffer.data))


def _primitive(
    buffer: _Buffer, rows: dict[str, np.ndarray], faces: np.ndarray, compression: Compression
) -> dict[str, Any]:
    if compression == "draco":
        return _packed(buffer, rows, faces)
    attributes = {
        attribute: buffer.attribute(_wide_colors(attribute, values), bounds=attribute == "POSITION")
        for attribute, values in rows.items()
    }
    return {"attributes": attributes, "indices": buffer.indices(faces, len(rows["POSITION"]))}


def _material(name: str, color: np.ndarray | None, material: Material) -> dict[str, Any]:
    """Of this sRGB colour or white, and what else the material says."""
    surface: dict[str, Any] = {"metallicFactor": material.metallic, "roughnessFactor": material.roughness}
    if color is not None:
        surface["baseColorFactor"] = [*srgb_to_linear(color).round(6).tolist(), 1.0]
    out: dict[str, Any] = {"name": name, "pbrMetallicRoughness": surface}
    if material.alpha != "opaque":
        out["alphaMode"] = material.alpha.upper()
    if material.alpha == "mask":
        out["alphaCutoff"] = material.cutoff
    return out | ({"doubleSided": True} if material.double_sided else {})


def _rows(mesh: Mesh, albedo: np.ndarray | None, normal_map: np.ndarray | None) -> dict[str, np.ndarray]:
    """Float32 rows by glTF's attribute names."""
    rows = {"POSITION": mesh.vertices.numpy(), "NORMAL": normals_of(mesh)}
    if mesh.uv is not None and (albedo is not None or normal_map is not None):
        rows["TEXCOORD_0"] = mesh.uv.double().numpy() * [1, -1] + [0, 1]
    if normal_map is not None:
        rows["TANGENT"] = tangents_of(mesh)
    if mesh.colors is not None:
        linear = srgb_to_linear(mesh.colors.double().numpy().clip(0, 1))
        rows["COLOR_0"] = np.concatenate([linear, np.ones((len(linear), 1))], 1)
    return {name: values.astype(np.float32) for name, values in rows.items()}


def _wide_colors(name: str, values: np.ndarray) -> np.ndarray:
    """Colours as 16-bit shares of one: half the size of floats, and 8 bits would band in the darks."""
    return (values * 65535 + 0.5).astype(np.uint16) if name == "COLOR_0" else values


def _packed(buffer: _Buffer, rows: dict[str, np.ndarray], faces: np.ndarray) -> dict[str, Any]:
    """A primitive whose accessors have no bytes of their own: they tell what the Draco data holds."""
    packed = draco.pack(rows, faces)
    low, high = packed.bounds
    attributes = {}
    for name, values in rows.items():
        attributes[name] = len(buffer.accessors)
        accessor = {"componentType": FLOAT, "count": packed.corners, "type": f"VEC{values.shape[1]}"}
        buffer.accessors.append(accessor)
        if name == "POSITION":
            accessor |= {"min": low.tolist(), "max": high.tolist()}
    indices = len(buffer.accessors)
    buffer.accessors.append({"componentType": UINT, "count": packed.indices, "type": "SCALAR"})
    extension = {"bufferView": buffer.view(packed.data), "attributes": packed.identifiers}
    return {"attributes": attributes, "indices": indices, "extensions": {draco.EXTENSION: extension}}


def _add_textures(
    document: dict[str, Any],
    buffer: _Buffer,
    name: str,
    how: Material,
    maps: Mapping[str, np.ndarray | None],
) -> None:
    images = {kind: image for kind, image in maps.items() if image is not None}
    if not images:
        return
    document["images"] = [
        {"bufferView": buffer.view(png(image)), "mimeType": "image/png", "name": f"{name}_{kind}"}
        for kind, image in images.items()
    ]
    document["textures"] = [{"source": i, "sampler": 0} for i in range(len(images))]
    # with mipmaps: linear between the texels, or squares near and far
    magnified, shrunk = (NEAREST, 9986) if how.nearest else (LINEAR, 9987)
    wrap_s, wrap_t = (WRAPS[wrap] for wrap in how.wrap)
    sampler = {"magFilter": magnified, "minFilter": shrunk, "wrapS": wrap_s, "wrapT": wrap_t}
    document["samplers"] = [sampler]
    for material in document["materials"]:
        for index, kind in enumerate(images):
            inner = material if kind == "normal" else material["pbrMetallicRoughness"]
            inner[SLOTS[kind]] = {"index": index}


def _container(document: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    total = 12 + 8 + len(text) + 8 + len(binary)
    head = struct.pack("<III", 0x46546C67, 2, total)
    return (
        head
        + struct.pack("<II", len(text), 0x4E4F534A)
        + text
        + struct.pack("<II", len(binary), 0x004E4942)
        + binary
    )
