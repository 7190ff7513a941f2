"""Read GLB and glTF 2.0: triangles of every node where the scene has them, colours in the right space."""

from __future__ import annotations

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from dreamlab.core.errors import DamagedError, InputError, UnavailableError
from dreamlab.mesh.io import draco
from dreamlab.mesh.io.parts import Part

KINDS = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
UNDERSTOOD = {"KHR_materials_unlit", "KHR_mesh_quantization", "KHR_texture_transform", draco.EXTENSION}


def read_gltf(path: Path) -> list[Part]:
    """One Part for every triangle primitive that the scene shows, in world space.

    Raises DamagedError for a broken file, UnavailableError for compression this reader lacks (meshopt, and
    Draco without DracoPy), InputError for textures or buffers that are not there.
    """
    document = _Document(path)
    needed = set(document.json.get("extensionsRequired", [])) - UNDERSTOOD
    if needed:
        raise UnavailableError(
            f"{path.name} needs glTF extensions that are not supported: {', '.join(sorted(needed))}",
            mend="Save it uncompressed",
        )
    return [part for node in document.roots() for part in document.parts(node, np.eye(4), 0)]


class _Document:
    def __init__(self, path: Path) -> None:
        self.path = path
        data = path.read_bytes()
        self.binary: bytes | None = None
        if data[:4] == b"glTF":
            data = self._chunks(data)
        elif path.suffix.lower() == ".glb":
            raise DamagedError(
                f"{path.name} is not a GLB file", expected="the header glTF", got=repr(data[:4])
            )
        self.json: dict[str, Any] = json.loads(data)

    def _chunks(self, data: bytes) -> bytes:
        """The JSON chunk; the binary one is kept."""
        _, version, total = struct.unpack_from("<III", data)
        if version != 2 or total != len(data):
            raise DamagedError(
                f"{self.path.name} is cut off or not glTF 2",
                expected=f"{total} bytes, version 2",
                got=f"{len(data)} bytes, version {version}",
            )
        at, text = 12, b""
        while at < total:
            length, kind = struct.unpack_from("<II", data, at)
            chunk = data[at + 8 : at + 8 + length]
            text = chunk if kind == 0x4E4F534A else text
            self.binary = chunk if kind == 0x004E4942 else self.binary
            at += 8 + length
        return text

    def roots(self) -> list[int]:
        scenes = self.json.get("scenes")
        if not scenes:
            return list(range(len(self.json.get("nodes", []))))
        return scenes[self.json.get("scene", 0)].get("nodes", [])

    def parts(self, index: int, parent: np.ndarray, depth: int) -> list[Part]:
        if depth > 64:
            raise DamagedError(f"{self.path.name} is damaged: its nodes form a ring")
        node = self.json["nodes"][index]
        world = parent @ _local(node)
        out = []
        if "mesh" in node:
            for primitive in self.json["meshes"][node["mesh"]]["primitives"]:
                if primitive.get("mode", 4) == 4:
                    out.append(self._part(primitive, world))
        for child in node.get("children", []):
            out += self.parts(child, world, depth + 1)
        return out

    def _part(self, primitive: dict[str, Any], world: np.ndarray) -> Part:
        attributes, faces = self._rows(primitive)
        vertices = attributes["POSITION"] @ world[:3, :3].T + world[:3, 3]
        if np.linalg.det(world[:3, :3]) < 0:
            faces = faces[:, ::-1].copy()
        normals = None
        if "NORMAL" in attributes:
            normals = attributes["NORMAL"] @ np.linalg.inv(world[:3, :3])
            normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
        material = self.json["materials"][primitive["material"]] if "material" in primitive else {}
        surface = material.get("pbrMetallicRoughness", {})
        uv, images = None, {}
        if "TEXCOORD_0" in attributes:
            for name, slot in (
                ("albedo", surface.get("baseColorTexture")),
                ("normal", material.get("normalTexture")),
            ):
                if slot is not None and slot.get("texCoord", 0) == 0:
                    images[name] = self.image(slot["index"], "RGBA" if name == "albedo" else "RGB")
            uv = attributes["TEXCOORD_0"] * [1, -1] + [0, 1]
        factor = surface.get("baseColorFactor")
        return Part(
            vertices,
            faces,
            normals,
            uv,
            color=attributes["COLOR_0"][:, :3] if "COLOR_0" in attributes else None,
            factor=None if factor is None else np.asarray(factor, np.float64),
            albedo=images.get("albedo"),
            normal_map=images.get("normal"),
            opaque=material.get("alphaMode", "OPAQUE") == "OPAQUE",
        )

    def _rows(self, primitive: dict[str, Any]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The attributes that a Mesh can hold, as float64 rows, and faces [F,3]; unpacked if they are in
        Draco."""
        wanted = ("POSITION", "NORMAL", "TEXCOORD_0", "COLOR_0")
        packed = primitive.get("extensions", {}).get(draco.EXTENSION)
        if packed is not None:
            identifiers = {name: i for name, i in packed["attributes"].items() if name in wanted}
            rows, faces = draco.unpack(self.view(packed["bufferView"]), identifiers)
            return {name: self._shares(name, values, primitive) for name, values in rows.items()}, faces
        rows = {
            name: self.accessor(index) for name, index in primitive["attributes"].items() if name in wanted
        }
        if "indices" in primitive:
            return rows, self.accessor(primitive["indices"]).astype(np.int64).reshape(-1, 3)
        return rows, np.arange(len(rows["POSITION"])).reshape(-1, 3)

    def _shares(self, name: str, values: np.ndarray, primitive: dict[str, Any]) -> np.ndarray:
        """Unpacked rows as float64, integers as shares of one where their accessor says so."""
        spec = self.json["accessors"][primitive["attributes"][name]]
        top = np.iinfo(KINDS[spec["componentType"]]).max if spec.get("normalized") else 1
        return values.astype(np.float64) / top

    def accessor(self, index: int) -> np.ndarray:
        """Rows [N,W] as float64, normalised integers as -1..1 or 0..1; scalars [N]."""
        spec = self.json["accessors"][index]
        kind, width, count = np.dtype(KINDS[spec["componentType"]]), WIDTHS[spec["type"]], spec["count"]
        if "bufferView" not in spec or "sparse" in spec:
            raise UnavailableError(
                f"{self.path.name} uses sparse accessors", mend="Save it without morph targets"
            )
        view = self.json["bufferViews"][spec["bufferView"]]
        data = self.buffer(view["buffer"])
        start = view.get("byteOffset", 0) + spec.get("byteOffset", 0)
        stride = view.get("byteStride", kind.itemsize * width)
        if count and start + stride * (count - 1) + kind.itemsize * width > len(data):
            raise DamagedError(
                f"{self.path.name} is cut off: accessor {index} runs past the end of its buffer"
            )
        rows = np.ndarray((count, width), kind, data, start, (stride, kind.itemsize)).astype(np.float64)
        if spec.get("normalized"):
            rows = np.maximum(rows / np.iinfo(kind).max, -1.0)
        return rows if width > 1 else rows[:, 0]

    def view(self, index: int) -> bytes:
        view = self.json["bufferViews"][index]
        start = view.get("byteOffset", 0)
        return self.buffer(view["buffer"])[start : start + view["byteLength"]]

    def buffer(self, index: int) -> bytes:
        uri = self.json["buffers"][index].get("uri")
        if uri is None and self.binary is not None:
            return self.binary
        return self._resource(uri or "")

    def image(self, texture: int, mode: str) -> np.ndarray:
        from PIL import Image

        image = self.json["images"][self.json["textures"][texture]["source"]]
        if "bufferView" in image:
            data = self.view(image["bufferView"])
        else:
            data = self._resource(image["uri"])
        return np.array(Image.open(io.BytesIO(data)).convert(mode))

    def _resource(self, uri: str) -> bytes:
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        folder = self.path.parent.resolve()
        found = (folder / unquote(uri)).resolve()
        if not found.is_relative_to(folder) or not found.is_file():
            raise InputError(f"{self.path.name} names a file that is not beside it", got=uri)
        return found.read_bytes()


def _local(node: dict[str, Any]) -> np.ndarray:
    """A node's own 4x4 transform (glTF 2.0, section 3.5.3)."""
    if "matrix" in node:
        return np.asarray(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = node.get("rotation", [0.0, 0.0, 0.0, 1.0])
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    out = np.eye(4)
    out[:3, :3] = turn * np.asarray(node.get("scale", [1.0, 1.0, 1.0]))
    out[:3, 3] = node.get("translation", [0.0, 0.0, 0.0])
    return out
