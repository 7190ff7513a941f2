"""A compact, deterministic GLB writer: meshes with one material each, or named parts, and right colours.

glTF 2.0: COLOR_0 and all factors are linear, baseColorTexture is sRGB, v runs down, indices are
counter-clockwise, +Y up, the front faces +Z, metres. A mesh without a material would be shown as metal: it
is always written, matt unless the mesh's own says otherwise.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from dreamlab import __version__
from dreamlab.core.types import Material, Mesh, Wrap
from dreamlab.mesh.geometry.color import srgb_to_linear, texture_of
from dreamlab.mesh.geometry.named_parts import NamedPart, NamedParts, materials_of
from dreamlab.mesh.geometry.shape import normals_of, tangents_of
from dreamlab.mesh.io import basis, draco, meshopt
from dreamlab.mesh.io.encode import PackedFormat, encoded
from dreamlab.mesh.io.gltf_buffer import FLOAT, UINT, GltfBuffer, MeshoptBuffer
from dreamlab.mesh.io.names import pieces_of

Compression = Literal["none", "draco", "meshopt"]

SLOTS = {
    "albedo": "baseColorTexture",
    "normal": "normalTexture",
    "metallic_roughness": "metallicRoughnessTexture",
}
# Numbers of samplers, which glTF has from OpenGL.
WRAPS: dict[Wrap, int] = {"repeat": 10497, "mirror": 33648, "clamp": 33071}
NEAREST, LINEAR = 9728, 9729
UNLIT, TRANSMISSION = "KHR_materials_unlit", "KHR_materials_transmission"
EXTENSIONS = {"image/webp": "EXT_texture_webp", basis.MIME: basis.EXTENSION}  # without a plain picture


class GlbObject(NamedTuple):
    """A mesh in a file, by its name; `bare`: its shape alone, for collisions. at: where its node puts its own
    origin."""

    name: str
    mesh: Mesh
    parts: NamedParts | None = None
    bare: bool = False
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)


def glb_bytes(
    mesh: Mesh,
    name: str = "object",
    compression: Compression = "none",
    parts: NamedParts | None = None,
    textures: PackedFormat = "png",
    made_by: Mapping[str, Any] | None = None,
) -> bytes:
    """The mesh as a binary glTF 2.0 file: its textures where it has them, else its vertex colours.

    Node, mesh, material and images are called `name`, which is taken as it is: see `names.legal_name`.
    With `parts` each has a material by its name, with its colour where that is one; as "meshes" each has its
    own node. "draco" packs the geometry with KHR_draco_mesh_compression and needs DracoPy, "meshopt" with
    EXT_meshopt_compression and needs meshopt; readers must know them, as they must the extensions of WebP and
    KTX2.
    `made_by`, plain values, stands in asset.extras.
    """
    return glb_scene([GlbObject(name, mesh, parts)], compression, textures, made_by=made_by)


def glb_scene(
    objects: Sequence[GlbObject],
    compression: Compression = "none",
    textures: PackedFormat = "png",
    root: str | None = None,
    made_by: Mapping[str, Any] | None = None,
) -> bytes:
    """Several objects in one file, each as `glb_bytes` has it; below one node where `root` names it."""
    document = _Document(compression, textures)
    for item in objects:
        document.add(item)
    return document.finish(root, made_by)


class _Document:
    """The lists of a glTF document under construction."""

    def __init__(self, compression: Compression, textures: PackedFormat) -> None:
        self.compression: Compression = compression
        self.format: PackedFormat = textures
        self.buffer = MeshoptBuffer() if compression == "meshopt" else GltfBuffer()
        self.used: set[str] = set()  # by readers that know them; others show a material without
        self.required = {*self.buffer.extensions, *([draco.EXTENSION] if compression == "draco" else [])}
        self.nodes: list[dict[str, Any]] = []
        self.lists: dict[str, list[dict[str, Any]]] = {}

    def append(self, kind: str, *rows: dict[str, Any]) -> int:
        """Rows at the end of a list; the number of the first."""
        own = self.lists.setdefault(kind, [])
        own += rows
        return len(own) - len(rows)

    def add(self, item: GlbObject) -> None:
        """Nodes, meshes, materials and images of an object."""
        mesh, parts = item.mesh, item.parts
        pieces = pieces_of(mesh, item.name, parts)
        materials = materials_of(pieces)
        first = 0 if item.bare else self._materials(item, materials)
        primitives = [self._primitive(item, piece, materials[piece.material]) for piece in pieces]
        if not item.bare:
            for primitive, piece in zip(primitives, pieces, strict=True):
                primitive["material"] = first + list(materials).index(piece.material)
        apart = parts is not None and parts.kind == "meshes"
        groups = [[primitive] for primitive in primitives] if apart else [primitives]
        for group, name in zip(groups, [p.name for p in pieces] if apart else [item.name], strict=True):
            node = {"mesh": self.append("meshes", {"primitives": group, "name": name}), "name": name}
            self.nodes.append(node | ({"translation": list(item.at)} if any(item.at) else {}))

    def _primitive(self, item: GlbObject, piece: NamedPart, color: np.ndarray | None) -> dict[str, Any]:
        rows, faces = _rows(piece.mesh, item.bare), piece.mesh.faces.numpy()
        if color is not None:
            rows.pop("COLOR_0", None)
        if self.compression == "draco":
            return _packed(self.buffer, rows, faces)
        if self.compression == "meshopt":
            faces, order = meshopt.reordered(faces)
            rows = {name: values[order] for name, values in rows.items()}
        attributes = {name: self.buffer.attribute(name, _wide_colors(name, rows[name])) for name in rows}
        return {"attributes": attributes, "indices": self.buffer.indices(faces, len(rows["POSITION"]))}

    def _materials(self, item: GlbObject, colors: dict[str, np.ndarray | None]) -> int:
        """The materials with their textures; the number of the first."""
        how = item.mesh.material
        rows = [_material(title, color, how) for title, color in colors.items()]
        self.used |= {name for row in rows for name in row.get("extensions", ())}
        for kind, image in _maps(item.mesh).items():
            texture = {"index": self._texture(f"{item.name}_{kind}", kind, image, how)}
            for row in rows:
                (row if kind == "normal" else row["pbrMetallicRoughness"])[SLOTS[kind]] = texture
        return self.append("materials", *rows)

    def _texture(self, name: str, kind: str, image: np.ndarray, how: Material) -> int:
        data, mime = encoded(image, self.format, exact=kind != "albedo")
        view = self.buffer.view(data)
        source = {"source": self.append("images", {"bufferView": view, "mimeType": mime, "name": name})}
        sampler = _sampler(how)
        known = self.lists.get("samplers", [])
        at = known.index(sampler) if sampler in known else self.append("samplers", sampler)
        if mime in EXTENSIONS:
            self.required.add(EXTENSIONS[mime])
            source = {"extensions": {EXTENSIONS[mime]: source}}
        return self.append("textures", source | {"sampler": at})

    def finish(self, root: str | None, made_by: Mapping[str, Any] | None = None) -> bytes:
        """The whole file."""
        tops = list(range(len(self.nodes)))
        if root is not None:
            self.nodes.append({"name": root, "children": tops})
            tops = [len(tops)]
        asset: dict[str, Any] = {"version": "2.0", "generator": f"dreamlab {__version__}"}
        asset |= {"extras": dict(made_by)} if made_by else {}
        document: dict[str, Any] = {"asset": asset, "scene": 0}
        document |= {"scenes": [{"nodes": tops}], "nodes": self.nodes, **self.lists}
        if self.required | self.used:
            document["extensionsUsed"] = sorted(self.required | self.used)
        if self.required:
            document["extensionsRequired"] = sorted(self.required)
        return container(document | self.buffer.tables(), bytes(self.buffer.data))


def _maps(mesh: Mesh) -> dict[str, np.ndarray]:
    """The mesh's textures by kind: alpha only where the material has it."""
    found = {kind: texture_of(mesh, kind) for kind in SLOTS}
    if found["albedo"] is not None and mesh.material.alpha != "opaque":
        found["albedo"] = dict(mesh.textures)["albedo"].numpy()
    return {kind: image for kind, image in found.items() if image is not None}


def _sampler(how: Material) -> dict[str, int]:
    """With mipmaps: linear between the texels, or squares near and far."""
    magnified, shrunk = (NEAREST, 9986) if how.nearest else (LINEAR, 9987)
    wrap_s, wrap_t = (WRAPS[wrap] for wrap in how.wrap)
    return {"magFilter": magnified, "minFilter": shrunk, "wrapS": wrap_s, "wrapT": wrap_t}


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
    extensions: dict[str, Any] = {UNLIT: {}} if material.unlit else {}
    if material.transmission:
        extensions[TRANSMISSION] = {"transmissionFactor": material.transmission}
    out |= {"extensions": extensions} if extensions else {}
    return out | ({"doubleSided": True} if material.double_sided else {})


def _rows(mesh: Mesh, bare: bool = False) -> dict[str, np.ndarray]:
    """Float32 rows by glTF's attribute names."""
    rows = {"POSITION": mesh.vertices.numpy(), "NORMAL": normals_of(mesh)}
    maps = {} if bare else _maps(mesh)
    if mesh.uv is not None and ("albedo" in maps or "normal" in maps):
        rows["TEXCOORD_0"] = mesh.uv.double().numpy() * [1, -1] + [0, 1]
    if "normal" in maps:
        rows["TANGENT"] = tangents_of(mesh)
    if mesh.colors is not None and not bare:
        linear = srgb_to_linear(mesh.colors.double().numpy().clip(0, 1))
        rows["COLOR_0"] = np.concatenate([linear, np.ones((len(linear), 1))], 1)
    return {name: values.astype(np.float32) for name, values in rows.items()}


def _wide_colors(name: str, values: np.ndarray) -> np.ndarray:
    """Colours as 16-bit shares of one: half the size of floats, and 8 bits would band in the darks."""
    return (values * 65535 + 0.5).astype(np.uint16) if name == "COLOR_0" else values


def _packed(buffer: GltfBuffer, rows: dict[str, np.ndarray], faces: np.ndarray) -> dict[str, Any]:
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


def container(document: Mapping[str, Any], binary: bytes) -> bytes:
    """A GLB of this JSON and these bytes."""
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
