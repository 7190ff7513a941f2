"""The binary chunk of a GLB under construction: buffer views and accessors, plain or in meshopt's
bitstream."""

from __future__ import annotations

from typing import Any

import numpy as np

from dreamlab.mesh.io import meshopt

ARRAY, ELEMENTS = 34962, 34963
FLOAT, BYTE, USHORT, UINT = 5126, 5120, 5123, 5125


class GltfBuffer:
    """Attributes and indices as they are."""

    extensions: tuple[str, ...] = ()
    """What a reader must know."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def append(self, data: bytes) -> int:
        """Where the bytes begin: at a multiple of four."""
        self.data += bytes(-len(self.data) % 4)
        self.data += data
        return len(self.data) - len(data)

    def view(self, data: bytes, target: int | None = None) -> int:
        """A view of bytes as they are; its number."""
        self.views.append({"buffer": 0, "byteOffset": self.append(data), "byteLength": len(data)})
        if target is not None:
            self.views[-1]["target"] = target
        return len(self.views) - 1

    def accessor(self, **fields: Any) -> int:
        self.accessors.append(fields)
        return len(self.accessors) - 1

    def attribute(self, name: str, values: np.ndarray) -> int:
        """An accessor over float32 rows, or over uint16 rows that stand for 0..1; coordinates with bounds."""
        view = self.view(values.tobytes(), ARRAY)
        fields: dict[str, Any] = {"bufferView": view, "componentType": FLOAT, "count": len(values)}
        fields["type"] = f"VEC{values.shape[1]}"
        if values.dtype == np.uint16:
            fields |= {"componentType": USHORT, "normalized": True}
        if name == "POSITION":
            fields |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        return self.accessor(**fields)

    def indices(self, faces: np.ndarray, vertices: int) -> int:
        kind, component = (np.uint16, USHORT) if vertices < 65535 else (np.uint32, UINT)
        flat = faces.reshape(-1).astype(kind)
        view = self.view(flat.tobytes(), ELEMENTS)
        return self.accessor(bufferView=view, componentType=component, count=len(flat), type="SCALAR")

    def tables(self) -> dict[str, Any]:
        """What the document says of all this."""
        buffers = [{"byteLength": len(self.data)}]
        return {"accessors": self.accessors, "bufferViews": self.views, "buffers": buffers}


class MeshoptBuffer(GltfBuffer):
    """As EXT_meshopt_compression packs it: coordinates on a grid of 2^-14 of their size, normals and tangents
    in eight bits a component (KHR_mesh_quantization), the rest exactly.

    Raises UnavailableError without the package meshopt.
    """

    extensions = ("EXT_meshopt_compression", "KHR_mesh_quantization")

    def __init__(self) -> None:
        super().__init__()
        meshopt.check_there()
        self.unpacked = 0  # bytes of a second buffer, which is not there: what a decoder fills

    def _packed(self, packed: meshopt.PackedRows, target: int) -> int:
        length = packed.rows * packed.stride
        inner = {"buffer": 0, "byteOffset": self.append(packed.data), "byteLength": len(packed.data)}
        inner |= {"byteStride": packed.stride, "count": packed.rows, "mode": packed.mode}
        if packed.filter != "NONE":
            inner["filter"] = packed.filter
        view = {"buffer": 1, "byteOffset": self.unpacked, "byteLength": length, "target": target}
        if target == ARRAY:
            view["byteStride"] = packed.stride
        self.views.append(view | {"extensions": {self.extensions[0]: inner}})
        self.unpacked += length + -length % 4
        return len(self.views) - 1

    def attribute(self, name: str, values: np.ndarray) -> int:
        packed, rows = meshopt.pack_attribute(name, values)
        component = {np.dtype(np.float32): FLOAT, np.dtype(np.int8): BYTE}.get(rows.dtype, USHORT)
        fields: dict[str, Any] = {"bufferView": self._packed(packed, ARRAY), "componentType": component}
        fields |= {"count": len(rows), "type": f"VEC{values.shape[1]}"}
        if component != FLOAT:
            fields["normalized"] = True
        if name == "POSITION":
            fields |= {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
        return self.accessor(**fields)

    def indices(self, faces: np.ndarray, vertices: int) -> int:
        packed = meshopt.pack_indices(faces, 2 if vertices < 65535 else 4)
        view, component = self._packed(packed, ELEMENTS), USHORT if packed.stride == 2 else UINT
        return self.accessor(bufferView=view, componentType=component, count=packed.rows, type="SCALAR")

    def tables(self) -> dict[str, Any]:
        tables = super().tables()
        fallback = {"byteLength": self.unpacked, "extensions": {self.extensions[0]: {"fallback": True}}}
        return tables | {"buffers": [*tables["buffers"], fallback]}
