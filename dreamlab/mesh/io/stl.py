"""Read STL, text or binary, with the colours that Magics and VisCAM put into spare bytes."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from dreamlab.core.errors import DamagedError
from dreamlab.mesh.geometry.color import srgb_to_linear
from dreamlab.mesh.io.parts import Part

HEADER, ROW = 84, 50
VERTEX = re.compile(rb"\bvertex\s+(\S+)\s+(\S+)\s+(\S+)", re.IGNORECASE)
OWN = 0x8000  # the bit of a VisCAM colour that says that it is one; in Magics that it is the whole's


def read_stl(path: Path) -> tuple[list[Part], list[str]]:
    """Triangles with a flat normal each, and what of the file is missing. Raises DamagedError where a binary
    file breaks off."""
    data = path.read_bytes()
    if _is_text(data):
        corners, lost = _text(data)
        color = None
    else:
        corners, color = _binary(data, path.name)
        lost = []
    points, index = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    part = Part(points, index.reshape(-1, 3).astype(np.int64), opaque=False).faceted()
    if color is not None:
        part = Part(part.vertices, part.faces, part.normals, color=np.repeat(color, 3, axis=0), opaque=False)
    return [part], lost


def _is_text(data: bytes) -> bool:
    """Whether it is text, whatever it begins with: many binary files begin with "solid"."""
    if len(data) >= HEADER and len(data) == HEADER + ROW * struct.unpack_from("<I", data, 80)[0]:
        return False
    return data.lstrip()[:5].lower() == b"solid" and VERTEX.search(data) is not None


def _text(data: bytes) -> tuple[Float[np.ndarray, "F 3 3"], list[str]]:
    words = [word for found in VERTEX.findall(data) for word in found]
    try:
        numbers = np.array(words, np.float64)
    except ValueError:  # a comma for the point
        numbers = np.array([word.replace(b",", b".") for word in words], np.float64)
    whole = len(numbers) // 9 * 9
    lost = [] if b"endsolid" in data[-4096:].lower() else ["what came after its end: it has no endsolid"]
    return numbers[:whole].reshape(-1, 3, 3), lost


def _binary(
    data: bytes, name: str
) -> tuple[Float[np.ndarray, "F 3 3"], Float[np.ndarray, "F 3"] | None]:
    if len(data) < HEADER:
        raise DamagedError(f"{name} is not an STL file", expected="at least 84 bytes", got=str(len(data)))
    count = struct.unpack_from("<I", data, 80)[0]
    there = (len(data) - HEADER) // ROW
    if count > there or (count == 0 and len(data) != HEADER + ROW * there):
        raise DamagedError(f"{name} is cut off", expected=f"{count} triangles", got=str(there))
    kind = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("spare", "<u2")])
    rows = np.frombuffer(data, kind, count or there, HEADER)  # some leave the count open
    return rows["corners"].astype(np.float64), _colors(data[:80], rows["spare"].astype(np.int64))


def _colors(header: bytes, spare: Int[np.ndarray, " F"]) -> Float[np.ndarray, "F 3"] | None:
    """Colours of faces in linear light: five bits each, red lowest in Magics, which also has one for all that
    have none."""
    at = header.find(b"COLOR=")
    five = np.stack([spare >> shift & 31 for shift in (0, 5, 10)], -1) / 31
    if at >= 0 and at + 9 < len(header):
        whole = np.frombuffer(header, np.uint8, 3, at + 6) / 255
        own = (spare & OWN == 0) & (spare != 0)
        return srgb_to_linear(np.where(own[:, None], five, whole))
    own = spare & OWN != 0
    if not own.any() or (spare[~own] != 0).any():  # spare bytes of other programs: counters, or nothing
        return None
    return srgb_to_linear(np.where(own[:, None], five[:, ::-1], 1.0))
