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
from dreamlab.mesh.io.polygons import triangulated
from dreamlab.mesh.io.text import MOST_TEXT, file_bytes, numbers, too_large

HEADER, ROW = 84, 50
VERTEX = re.compile(rb"\bvertex\s+(\S+)\s+(\S+)\s+(\S+)", re.IGNORECASE)
LOOP = re.compile(rb"\bendloop\b", re.IGNORECASE)
OWN = 0x8000  # the bit of a VisCAM colour that says that it is one; in Magics that it is the whole's


def read_stl(path: Path) -> tuple[list[Part], list[str]]:
    """Triangles with a flat normal each, and what of the file is missing or not read.

    Raises DamagedError where a binary file breaks off, InputError for a file that is too large.
    """
    data = file_bytes(path)
    if _is_text(data):
        if len(data) > MOST_TEXT:
            raise too_large(path.name, f"at most {MOST_TEXT >> 30} GiB of text")
        corners, lost = _text(data, path.name)
        color = None
    else:
        corners, color, lost = _binary(data, path.name)
    points, index = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    part = Part(points, index.reshape(-1, 3).astype(np.int64), opaque=False).faceted()
    if color is not None:
        part = Part(part.vertices, part.faces, part.normals, color=np.repeat(color, 3, axis=0), opaque=False)
    return [part], lost


def _is_text(data: bytes) -> bool:
    """Whether it is text, whatever it begins with: many binary files begin with "solid", some texts with
    something else, and only binary files have zeros."""
    if len(data) >= HEADER and len(data) == HEADER + ROW * struct.unpack_from("<I", data, 80)[0]:
        return False
    if VERTEX.search(data) is not None:
        return _begins(data, b"solid") or b"\0" not in data[: 2 * HEADER]
    return _begins(data, b"solid") and b"endsolid" in data[-4096:].lower()


def _begins(data: bytes, word: bytes) -> bool:
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()[: len(word)].lower() == word


def _text(data: bytes, name: str) -> tuple[Float[np.ndarray, "F 3 3"], list[str]]:
    """The triangles of all its solids. Loops of more corners are polygons."""
    found = list(VERTEX.finditer(data))
    points = numbers([word for match in found for word in match.groups()], name).reshape(-1, 3)
    starts, stops = ([match.start() for match in matches] for matches in (found, LOOP.finditer(data)))
    ends = np.searchsorted(starts, stops)
    lost = [] if b"endsolid" in data[-4096:].lower() else ["what came after its end: it has no endsolid"]
    if len(ends) == 0:  # bare triangles
        return points[: len(points) // 3 * 3].reshape(-1, 3, 3), lost
    counts = np.diff(ends, prepend=0)
    rows, _ = triangulated(points, counts, np.arange(ends[-1]), lost)
    return points[rows], lost


def _binary(
    data: bytes, name: str
) -> tuple[Float[np.ndarray, "F 3 3"], Float[np.ndarray, "F 3"] | None, list[str]]:
    if len(data) < HEADER:
        raise DamagedError(f"{name} is not an STL file", expected="at least 84 bytes", got=str(len(data)))
    count = struct.unpack_from("<I", data, 80)[0]
    there = (len(data) - HEADER) // ROW
    if count > there or (count == 0 and len(data) != HEADER + ROW * there):
        raise DamagedError(f"{name} is cut off", expected=f"{count} triangles", got=str(there))
    count = count or there  # some leave it open
    rest = data[HEADER + ROW * count :]
    lost = [f"{len(rest)} bytes after its {count} triangles"] if rest.strip(b"\0\r\n ") else []
    kind = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("spare", "<u2")])
    rows = np.frombuffer(data, kind, count, HEADER)
    return rows["corners"].astype(np.float64), _colors(data[:80], rows["spare"].astype(np.int64)), lost


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
