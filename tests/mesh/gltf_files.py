"""glTF files by hand, as small as they can be: what other programs write and ours does not."""

from __future__ import annotations

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dreamlab.core.types import Mesh
from dreamlab.mesh.io.export import write

KINDS = {np.dtype(np.float32): 5126, np.dtype(np.uint8): 5121, np.dtype(np.uint16): 5123}
KINDS |= {np.dtype(np.int8): 5120, np.dtype(np.int16): 5122, np.dtype(np.uint32): 5125}
TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
FLOAT, USHORT, UBYTE = np.float32, np.uint16, np.uint8


class GltfBuilder:
    """A document under construction; what is not said is left out of it."""

    def __init__(self, **top: Any) -> None:
        self.binary = bytearray()
        self.json: dict[str, Any] = {"asset": {"version": "2.0"}, "bufferViews": [], "accessors": [], **top}

    def view(self, data: bytes, **more: Any) -> int:
        self.binary += bytes(-len(self.binary) % 4)
        spec = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data), **more}
        self.json["bufferViews"].append(spec)
        self.binary += data
        return len(self.json["bufferViews"]) - 1

    def rows(self, values: Any, kind: Any = FLOAT, **more: Any) -> int:
        """An accessor over rows of numbers."""
        array = np.asarray(values, kind)
        spec = {"bufferView": self.view(array.tobytes()), "componentType": KINDS[array.dtype]}
        width = 1 if array.ndim == 1 else array.shape[1]
        self.json["accessors"].append({**spec, "count": len(array), "type": TYPES[width], **more})
        return len(self.json["accessors"]) - 1

    def sparse(self, count: int, index: list[int], values: Any, **more: Any) -> int:
        """An accessor of zeros (or of a view in `more`) with some rows given."""
        where = {"bufferView": self.view(np.asarray(index, USHORT).tobytes()), "componentType": 5123}
        what = {"bufferView": self.view(np.asarray(values, FLOAT).tobytes())}
        spec = {"count": len(index), "indices": where, "values": what}
        self.json["accessors"].append(
            {"componentType": 5126, "count": count, "type": "VEC3", "sparse": spec, **more}
        )
        return len(self.json["accessors"]) - 1

    def image(self, data: bytes) -> int:
        uri = "data:image/any;base64," + base64.b64encode(data).decode()
        self.json.setdefault("images", []).append({"uri": uri})
        return len(self.json["images"]) - 1

    def texture(self, pixels: Any, sampler: dict[str, Any] | None = None) -> int:
        """A texture that holds these pixels as PNG."""
        spec: dict[str, Any] = {"source": self.image(encoded(pixels))}
        if sampler is not None:
            self.json.setdefault("samplers", []).append(sampler)
            spec["sampler"] = len(self.json["samplers"]) - 1
        self.json.setdefault("textures", []).append(spec)
        return len(self.json["textures"]) - 1

    def mesh(self, *primitives: dict[str, Any], **more: Any) -> int:
        self.json.setdefault("meshes", []).append({"primitives": list(primitives), **more})
        return len(self.json["meshes"]) - 1

    def material(self, **spec: Any) -> int:
        self.json.setdefault("materials", []).append(spec)
        return len(self.json["materials"]) - 1

    def document(self) -> dict[str, Any]:
        out = dict(self.json)
        out.setdefault("nodes", [{"mesh": i} for i in range(len(out.get("meshes", [])))])
        if "scenes" not in out:
            below = {child for node in out["nodes"] for child in node.get("children", [])}
            out["scenes"] = [{"nodes": [i for i in range(len(out["nodes"])) if i not in below]}]
        return out

    def save(self, path: Path) -> Path:
        """As .gltf with its bytes inside, or as .glb."""
        document, buffer = self.document(), {"byteLength": len(self.binary)}
        if path.suffix == ".glb":
            path.write_bytes(container(json.dumps({**document, "buffers": [buffer]}).encode(), self.binary))
            return path
        uri = "data:application/octet-stream;base64," + base64.b64encode(bytes(self.binary)).decode()
        path.write_text(json.dumps({**document, "buffers": [{**buffer, "uri": uri}]}))
        return path


def container(text: bytes, binary: bytes | bytearray, pad: bytes = b" ", claim: int = 0) -> bytes:
    """A GLB whose header claims `claim` bytes more than there are."""
    text += pad * (-len(text) % 4)
    body = bytes(binary) + bytes(-len(binary) % 4)
    head = struct.pack("<III", 0x46546C67, 2, 28 + len(text) + len(body) + claim)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(body), 0x4E4942) + body
    return head + chunks


def encoded(pixels: Any, kind: str = "PNG", **how: Any) -> bytes:
    """uint8 pixels [H,W], [H,W,3] or [H,W,4] in a picture format."""
    out = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(out, kind, **how)
    return out.getvalue()


def triangle(builder: GltfBuilder, at: float = 0.0, **more: Any) -> dict[str, Any]:
    """One triangle of area 1/2 in the plane z = 0, its normals +Z."""
    corners = np.array([[at, 0, 0], [at + 1, 0, 0], [at, 1, 0]])
    attributes = {"POSITION": builder.rows(corners), "NORMAL": builder.rows([[0, 0, 1]] * 3)}
    return {"attributes": attributes, **more}


def square(builder: GltfBuilder, uv: Any = None, at: float = 0.0, **more: Any) -> dict[str, Any]:
    """A square of side 2 around (at, 0, 0) that faces +Z, its texture upright; uv [4,2] as glTF has it, from
    the lower left corner around."""
    corners = np.array([[at - 1, -1, 0], [at + 1, -1, 0], [at + 1, 1, 0], [at - 1, 1, 0]])
    uv = [[0, 1], [1, 1], [1, 0], [0, 0]] if uv is None else uv
    attributes = {
        "POSITION": builder.rows(corners),
        "NORMAL": builder.rows([[0, 0, 1]] * 4),
        "TEXCOORD_0": builder.rows(uv),
    }
    return {"attributes": attributes, "indices": builder.rows([0, 1, 2, 0, 2, 3], USHORT), **more}


def cube(builder: GltfBuilder, normals: bool = False) -> dict[str, Any]:
    """Corners at -1 and 1, each there once: only normals can make its edges sharp."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    sides = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    faces = [f for a, b, c, d in sides for f in ([a, b, c], [a, c, d])]
    attributes = {"POSITION": builder.rows(corners)}
    if normals:
        attributes["NORMAL"] = builder.rows(corners / np.sqrt(3))
    return {"attributes": attributes, "indices": builder.rows(np.reshape(faces, -1), USHORT)}


def saved(builder: GltfBuilder, folder: Path, name: str = "m.gltf") -> Path:
    return builder.save(folder / name)


def albedo(mesh: Mesh) -> np.ndarray:
    return dict(mesh.textures)["albedo"].numpy()


def written(mesh: Mesh, folder: Path) -> dict[str, Any]:
    """The JSON of the mesh as our GLB."""
    write(mesh, folder / "out.glb")
    data = (folder / "out.glb").read_bytes()
    return json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])


def said(caplog: Any) -> str:
    """The one line that a reading was worth."""
    assert len(caplog.records) == 1
    return caplog.records[0].getMessage()


QUARTERS = np.array([[[220, 30, 30], [250, 250, 250]], [[30, 160, 30], [30, 30, 220]]], np.uint8)
"""Red and white above green and blue: two texels each way."""
