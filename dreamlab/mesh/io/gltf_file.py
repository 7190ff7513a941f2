"""The container of a GLB or glTF 2.0 file: its JSON, its buffers, and the numbers that accessors name."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import numpy as np

from dreamlab.core.errors import DamagedError, InputError, UnavailableError
from dreamlab.mesh.io import meshopt
from dreamlab.mesh.io.companions import any_case

KINDS = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
MOST_ZEROS = 10_000_000  # rows of an accessor without bytes, which may claim any number
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942


class GltfFile:
    """A file's JSON, and what it points to: inside it or beside it, never elsewhere."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.binary: bytes | None = None
        self._buffers: dict[int, bytes] = {}
        self._unpacked: dict[int, bytes] = {}
        data = path.read_bytes()
        if data[:4] == b"glTF":
            data = self._chunks(data)
        elif path.suffix.lower() == ".glb":
            raise DamagedError(
                f"{path.name} is not a GLB file", expected="the header glTF", got=repr(data[:4])
            )
        # names in other encodings do no harm, and writers pad with blanks or with zeros
        text = data.decode("utf-8-sig", "replace").rstrip("\0 \r\n\t")
        self.json: dict[str, Any] = json.loads(text)
        version = str(self.json["asset"]["version"])
        if not version.startswith("2"):
            raise UnavailableError(
                f"{path.name} is glTF {version}", expected="glTF 2.0", mend="Export it again as glTF 2.0"
            )

    def _chunks(self, data: bytes) -> bytes:
        """The JSON chunk; the binary one is kept. What follows the chunks is nobody's, and some writers leave
        bytes there."""
        version, total = struct.unpack_from("<II", data, 4)
        if version != 2:
            raise DamagedError(
                f"{self.path.name} is not glTF 2", expected="version 2", got=f"version {version}"
            )
        at, text = 12, b""
        while at + 8 <= min(total, len(data)):
            length, kind = struct.unpack_from("<II", data, at)
            chunk = data[at + 8 : at + 8 + length]
            if kind in (JSON_CHUNK, BINARY_CHUNK) and len(chunk) < length:
                raise DamagedError(
                    f"{self.path.name} is cut off", expected=f"{total} bytes", got=f"{len(data)} bytes"
                )
            text = chunk if kind == JSON_CHUNK and not text else text
            self.binary = chunk if kind == BINARY_CHUNK and self.binary is None else self.binary
            at += 8 + length
        return text

    def list(self, name: str) -> list[Any]:
        """A list at the top of the JSON, empty where it has none."""
        return self.json.get(name, [])

    def accessor(self, index: int) -> np.ndarray:
        """Rows [N,W] as float64, normalised integers as -1..1 or 0..1; scalars [N]. Raises as `rows`."""
        spec, rows = self.json["accessors"][index], self.rows(index)
        values = rows.astype(np.float64)
        if spec.get("normalized") and rows.dtype.kind != "f":
            values = np.maximum(values / np.iinfo(rows.dtype).max, -1.0)
        return values if values.shape[1] > 1 else values[:, 0]

    def rows(self, index: int) -> np.ndarray:
        """The rows [N,W] of an accessor as they are written.

        Raises DamagedError where it claims more than there is, UnavailableError where it has no bytes.
        """
        spec = self.json["accessors"][index]
        kind, width, count = np.dtype(KINDS[spec["componentType"]]), WIDTHS[spec["type"]], spec["count"]
        if "bufferView" in spec:
            rows = self._rows(spec["bufferView"], spec.get("byteOffset", 0), kind, width, count)
        elif "sparse" not in spec:
            raise UnavailableError(
                f"{self.path.name} stores geometry in a way that is not supported",
                got=f"an accessor without bytes of its own, and {self._required()}",
                mend="Save it uncompressed",
            )
        elif 0 <= count <= MOST_ZEROS:
            rows = np.zeros((count, width), kind)
        else:
            raise DamagedError(f"{self.path.name} is damaged: accessor {index} claims {count} rows")
        if "sparse" in spec:
            rows = self._replaced(rows, spec["sparse"])
        return rows

    def _rows(self, view: int, offset: int, kind: np.dtype, width: int, count: int) -> np.ndarray:
        data, size = self._from(view), kind.itemsize * width
        stride = self.json["bufferViews"][view].get("byteStride") or size  # some writers have 0 for "none"
        if stride < size or offset < 0:
            raise DamagedError(
                f"{self.path.name} is damaged: view {view} has a stride of {stride} bytes", expected=f"{size}"
            )
        if count and offset + stride * (count - 1) + size > len(data):
            raise DamagedError(f"{self.path.name} is cut off: {count} rows run past the end of view {view}")
        return np.ndarray((count, width), kind, data, offset, (stride, kind.itemsize))

    def _replaced(self, rows: np.ndarray, sparse: dict[str, Any]) -> np.ndarray:
        """A copy of which some rows are others."""
        count, where, values = sparse["count"], sparse["indices"], sparse["values"]
        kind = np.dtype(KINDS[where["componentType"]])
        index = self._rows(where["bufferView"], where.get("byteOffset", 0), kind, 1, count)[:, 0]
        rows = rows.copy()
        rows[index.astype(np.int64)] = self._rows(
            values["bufferView"], values.get("byteOffset", 0), rows.dtype, rows.shape[1], count
        )
        return rows

    def view(self, index: int) -> bytes:
        """The bytes of a buffer view, unpacked if they are compressed."""
        return bytes(self._from(index)[: self.json["bufferViews"][index]["byteLength"]])

    def _from(self, index: int) -> memoryview:
        """From the beginning of a view on: some writers give its end too early."""
        view = self.json["bufferViews"][index]
        packed = meshopt.packed_view(view)
        if packed is None or not set(meshopt.EXTENSIONS) & set(self.list("extensionsRequired")):
            return self._bytes(view)  # where the extension is not required, the same lies there unpacked
        if index not in self._unpacked:
            data = bytes(self._bytes(packed)[: packed["byteLength"]])
            self._unpacked[index] = meshopt.unpack(data, packed)
        return memoryview(self._unpacked[index])

    def _bytes(self, view: dict[str, Any]) -> memoryview:
        start = view.get("byteOffset", 0)
        if start < 0:
            raise DamagedError(f"{self.path.name} is damaged: a view begins at {start}")
        return memoryview(self.buffer(view["buffer"]))[start:]

    def buffer(self, index: int) -> bytes:
        if index not in self._buffers:
            uri = self.json["buffers"][index].get("uri")
            inside = uri is None and self.binary is not None
            self._buffers[index] = (self.binary or b"") if inside else self.resource(uri or "")
        return self._buffers[index]

    def resource(self, uri: str) -> bytes:
        """What a URI names: itself, or a file in the folder of this one. InputError for any other."""
        if uri.startswith("data:"):
            head, _, body = uri.partition(",")
            return base64.b64decode(body) if head.endswith("base64") else unquote_to_bytes(body)
        folder = self.path.parent.resolve()
        found = _cased((folder / unquote(uri).replace("\\", "/")).resolve())
        if not uri or not found.is_relative_to(folder) or not found.is_file():
            raise InputError(f"{self.path.name} names a file that is not beside it", got=uri[:200])
        return found.read_bytes()

    def _required(self) -> str:
        return ", ".join(self.list("extensionsRequired")) or "no extension that says where they are"


def _cased(path: Path) -> Path:
    """The file itself, or the one whose name differs by capitals alone: it may come from Windows."""
    return path if path.exists() or not path.parent.is_dir() else any_case(path.parent, path.name)
