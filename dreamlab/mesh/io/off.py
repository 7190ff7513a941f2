"""Read OFF and its kin with colours, normals or texture coordinates at the vertices (COFF, NOFF, STOFF)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from dreamlab.core.errors import DamagedError
from dreamlab.mesh.geometry.color import srgb_to_linear
from dreamlab.mesh.io.mtl import decoded
from dreamlab.mesh.io.parts import Part
from dreamlab.mesh.io.polygons import triangulated

HEAD = re.compile(r"(ST)?(C)?(N)?OFF(?=\s|$)")


def read_off(path: Path) -> tuple[list[Part], list[str]]:
    """The faces as one part, with the colours of vertices or faces. Raises DamagedError for a broken file."""
    text = re.sub(r"#[^\n]*", "", decoded(path.read_bytes()))
    head = HEAD.match(text.lstrip())
    if head is None:
        raise DamagedError(f"{path.name} is not an OFF file", expected="OFF", got=repr(text[:8]))
    lines = [words for line in text.lstrip()[head.end() :].split("\n") if (words := line.split())]
    vertices, faces = (int(word) for word in lines[0][:2])
    if min(vertices, faces) < 0 or len(lines) < 1 + vertices + faces:
        raise DamagedError(f"{path.name} is cut off", expected=f"{vertices} vertices and {faces} faces")
    points = np.array([line[:3] for line in lines[1 : 1 + vertices]], np.float64).reshape(-1, 3)
    skip = 6 if head[3] else 3  # past the coordinates and the normals
    rows = [line[skip:] for line in lines[1 : 1 + vertices]]
    color = _colors(rows) if head[2] or not head[1] else None
    rows = lines[1 + vertices : 1 + vertices + faces]
    counts = np.array([int(row[0]) for row in rows], np.int64)
    corners = [row[1 : 1 + n] for row, n in zip(rows, counts.tolist(), strict=True)]
    if any(len(row) != n for row, n in zip(corners, counts.tolist(), strict=True)):
        raise DamagedError(f"{path.name} is damaged: a face has fewer corners than it says")
    index = np.array([word for row in corners for word in row], np.int64)
    if ((index < 0) | (index >= len(points))).any():
        raise DamagedError(f"{path.name} is damaged: it names corners that are not there")
    found, owner = triangulated(points, counts, index)
    part = Part(points, index[found], color=color, opaque=False)
    painted = _colors([row[1 + n :] for row, n in zip(rows, counts.tolist(), strict=True)])
    if color is None and painted is not None:
        own = part.picked(part.faces.reshape(-1))
        part = Part(
            own.vertices, np.arange(3 * len(found)).reshape(-1, 3),
            color=np.repeat(painted[owner], 3, axis=0), opaque=False,
        )  # fmt: skip
    return [part], []


def _colors(rows: list[list[str]]) -> Float[np.ndarray, "N 3"] | None:
    """Colours in linear light: of 255 where they are whole numbers, else of 1; white where a row has none."""
    if not any(len(row) in (3, 4) for row in rows):
        return None
    whole = all(word.lstrip("-").isdecimal() for row in rows for word in row)
    shares = [[float(word) for word in row[:3]] if len(row) in (3, 4) else [] for row in rows]
    white = [255.0] * 3 if whole else [1.0] * 3
    table = np.array([row or white for row in shares], np.float64) / (255 if whole else 1)
    return srgb_to_linear(table.clip(0, 1))
