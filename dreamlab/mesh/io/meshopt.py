"""Buffer views in meshoptimizer's bitstream (EXT_meshopt_compression), through meshopt, an extra."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Literal, NamedTuple

import numpy as np

from dreamlab.core.errors import DamagedError
from dreamlab.core.extras import extra

EXTENSIONS = ("EXT_meshopt_compression", "KHR_meshopt_compression")  # one layout, two names
EXACT_TO = {"POSITION": 15, "TEXCOORD_0": 15}  # bits of a mantissa, with the sign
MOST_BYTES = 1 << 30  # of one view: a few bytes can claim any size


def packed_view(view: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a buffer view says about its compressed bytes, if it has any."""
    extensions = view.get("extensions", {})
    return next((extensions[name] for name in EXTENSIONS if name in extensions), None)


def unpack(data: bytes, spec: Mapping[str, Any]) -> bytes:
    """The plain bytes of a view: `count` rows of `byteStride`.

    Raises UnavailableError without meshopt, DamagedError for bytes that are none of its kind.
    """
    library = _library()
    try:
        count, stride = int(spec["count"]), int(spec["byteStride"])
        if not 0 <= count * stride <= MOST_BYTES:
            raise ValueError(f"{count} rows of {stride} bytes")
        rows = library.decode_gltf_buffer(data, count, stride, spec["mode"], spec.get("filter", "NONE"))
        return rows.tobytes()
    except Exception as error:  # the decoder raises what the bytes lead it to
        raise DamagedError(
            "the meshopt geometry cannot be read",
            got=f"{type(error).__name__}: {error}",
            mend="Export it again",
        ) from error


class PackedRows(NamedTuple):
    """Rows as EXT_meshopt_compression stores them: of `stride` bytes each, once a decoder has them."""

    data: bytes
    rows: int
    stride: int
    mode: Literal["ATTRIBUTES", "TRIANGLES"]
    filter: Literal["NONE", "OCTAHEDRAL", "EXPONENTIAL"] = "NONE"


def check_there() -> None:
    """UnavailableError without the package."""
    _library()


def pack_attribute(name: str, values: np.ndarray) -> tuple[PackedRows, np.ndarray]:
    """float32 rows, or uint16 ones, by glTF's attribute name; and the rows [N,K] that a decoder will make.

    Coordinates and texture coordinates become mantissas with one exponent for a column, which makes a grid;
    normals and tangents int8, which stand for -1..1.
    """
    library, count = _library(), len(values)
    if name in ("NORMAL", "TANGENT"):
        four = np.concatenate([values, np.zeros((count, 4 - values.shape[1]))], 1)
        rows = library.encode_filter_oct(four.astype(np.float32), 4, 8)
        data = library.encode_gltf_buffer(rows, "ATTRIBUTES")
        packed, kind = PackedRows(data, count, 4, "ATTRIBUTES", "OCTAHEDRAL"), np.int8
    elif name in EXACT_TO:
        rows = library.encode_filter_exp(values.astype(np.float32), EXACT_TO[name], "SharedComponent")
        stride = 4 * values.shape[1]
        data = library.encode_gltf_buffer(rows, "ATTRIBUTES")
        packed, kind = PackedRows(data, count, stride, "ATTRIBUTES", "EXPONENTIAL"), np.float32
    else:
        stride = values.shape[1] * values.itemsize
        packed = PackedRows(library.encode_gltf_buffer(values, "ATTRIBUTES"), count, stride, "ATTRIBUTES")
        kind = values.dtype.type
    back = library.decode_gltf_buffer(packed.data, count, packed.stride, packed.mode, packed.filter)
    rows = np.ascontiguousarray(back).view(kind).reshape(count, -1)
    return packed, rows[:, : values.shape[1]]


def pack_indices(faces: np.ndarray, stride: Literal[2, 4]) -> PackedRows:
    """Triangles [F,3] of indices that are stride bytes wide; a decoder may begin each at another corner."""
    data = _library().encode_gltf_buffer(faces.astype(np.uint32), "TRIANGLES")
    return PackedRows(data, faces.size, stride, "TRIANGLES")


def reordered(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The faces [F,3] in an order that packs well and that a GPU's cache likes, and which old vertex each new
    one is [V]. Vertices that no face has are left out."""
    indices, place, used = _library().reorder_mesh(faces.astype(np.uint32).reshape(-1), True, True)
    kept = np.nonzero(place < used)[0]
    order = np.empty(used, dtype=np.int64)
    order[place[kept]] = kept
    return indices.reshape(-1, 3).astype(np.int64), order


def _library() -> ModuleType:
    with extra("meshopt", "meshopt compression needs the package meshopt", "save the file uncompressed"):
        import meshopt
    return meshopt
