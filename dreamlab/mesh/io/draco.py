"""Geometry in Draco's bitstream for glTF's KHR_draco_mesh_compression, through DracoPy, an extra.

Coordinates are kept to 1/16384 of the size, texture coordinates to 1/16384 of the image, normals to 12 bits;
colours and tangents exactly. Corners and faces come back in another order.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import NamedTuple

import numpy as np

from dreamlab.core.errors import DamagedError
from dreamlab.core.extras import extra

EXTENSION = "KHR_draco_mesh_compression"
POSITION_BITS, UV_BITS, NORMAL_BITS, LEVEL = 14, 14, 12, 7
OWN_KINDS = {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 3}  # Draco's attribute types; the others are generic
GENERIC = {"COLOR_0": 10, "TANGENT": 11}  # and their identifiers, which we choose


class Packed(NamedTuple):
    """Compressed geometry: the identifier of every attribute, and what a decoder will make of it (corners,
    indices, bounds [2,3] of the coordinates)."""

    data: bytes
    identifiers: dict[str, int]
    corners: int
    indices: int
    bounds: np.ndarray


def pack(attributes: Mapping[str, np.ndarray], faces: np.ndarray) -> Packed:
    """float32 rows by glTF's attribute names, with POSITION among them, and faces [F,3].

    Raises UnavailableError without DracoPy.
    """
    library = _library()
    data = library.encode(
        np.ascontiguousarray(attributes["POSITION"], dtype=np.float32),
        faces.astype(np.uint32),
        quantization_bits=POSITION_BITS,
        compression_level=LEVEL,
        normals=_doubles(attributes.get("NORMAL")),
        normal_quantization_bits=NORMAL_BITS,
        tex_coord=_doubles(attributes.get("TEXCOORD_0")),
        tex_coord_quantization_bits=UV_BITS,
        generic_attributes={
            GENERIC[name]: np.ascontiguousarray(rows, dtype=np.float32)
            for name, rows in attributes.items()
            if name in GENERIC
        },
    )
    back = library.decode(data)
    kinds = {a["attribute_type"]: a["unique_id"] for a in back.attributes}
    identifiers = {name: GENERIC[name] if name in GENERIC else kinds[OWN_KINDS[name]] for name in attributes}
    bounds = np.stack([back.points.min(0), back.points.max(0)])
    return Packed(data, identifiers, len(back.points), back.faces.size, bounds)


def unpack(data: bytes, identifiers: Mapping[str, int]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Rows by attribute name, and faces [F,3].

    Raises UnavailableError without DracoPy, DamagedError for bytes that are no Draco mesh or lack an
    attribute.
    """
    library = _library()
    try:
        mesh = library.decode(data)
        found = {attribute["unique_id"]: np.asarray(attribute["data"]) for attribute in mesh.attributes}
        rows = {name: found[identifier] for name, identifier in identifiers.items()}
        return rows, np.asarray(mesh.faces, dtype=np.int64)
    except Exception as error:  # DracoPy raises what the bytes lead it to
        raise DamagedError(
            "the Draco geometry cannot be read",
            got=f"{type(error).__name__}: {error}",
            mend="Export it again",
        ) from error


def _doubles(rows: np.ndarray | None) -> np.ndarray | None:
    return None if rows is None else np.ascontiguousarray(rows, dtype=np.float64)  # DracoPy takes no float32


def _library() -> ModuleType:
    with extra("draco", "Draco compression needs DracoPy", "leave the file uncompressed"):
        import DracoPy
    return DracoPy
