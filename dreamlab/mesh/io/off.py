"""Read OFF and its kin with colours, normals or texture coordinates at the vertices (COFF, NOFF, STOFF)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.mesh.geometry.color import srgb_to_linear
from dreamlab.mesh.io.parts import Part
from dreamlab.mesh.io.polygons import triangulated, unit_normals
from dreamlab.mesh.io.text import MOST_TEXT, decoded, file_bytes, numbers, whole_numbers

HEAD = re.compile(r"(ST)?(C)?(N)?OFF(?=\s|$)", re.IGNORECASE)
BARE = re.compile(r"\d+[ \t]+\d+([ \t]+\d+)?[ \t]*(?=\n)")  # the word OFF may be left out


def read_off(path: Path) -> tuple[list[Part], list[str]]:
    """The faces as one part, with the colours of vertices or faces and with normals.

    Raises DamagedError for a broken file, InputError for one that is binary or too large.
    """
    text = re.sub(r"#[^\n]*", "", decoded(file_bytes(path, MOST_TEXT))).lstrip()
    head = HEAD.match(text)
    if head is None and BARE.match(text) is None:
        raise DamagedError(f"{path.name} is not an OFF file", expected="OFF", got=repr(text[:8]))
    textured, colored, shaded = (False, False, False) if head is None else map(bool, head.groups())
    lines = [words for line in text[head.end() if head else 0 :].split("\n") if (words := line.split())]
    if lines and lines[0][0].upper() == "BINARY":
        raise InputError(f"{path.name} is a binary OFF", expected="text", mend="Save it as text, or as PLY")
    rows, polygons = _sections(lines, path.name)
    return _read(path.name, rows, polygons, textured, colored, shaded)


def _sections(lines: list[list[str]], name: str) -> tuple[list[list[str]], list[list[str]]]:
    """The lines of vertices, and those of faces."""
    counts = whole_numbers(lines[0][:2], name).tolist() if lines else []
    if len(counts) < 2 or min(counts) < 0 or len(lines) < 1 + sum(counts):
        expected = " and ".join(f"{n} {what}" for n, what in zip(counts, ("vertices", "faces"), strict=False))
        raise DamagedError(f"{name} is cut off", expected=expected or "numbers of vertices and faces")
    middle = 1 + counts[0]
    return lines[1:middle], lines[middle : middle + counts[1]]


def _read(
    name: str, rows: list[list[str]], polygons: list[list[str]], textured: bool, colored: bool, shaded: bool
) -> tuple[list[Part], list[str]]:
    skip, lost = 6 if shaded else 3, list[str]()  # past the coordinates and the normals
    if any(len(row) < skip for row in rows):
        raise DamagedError(f"{name} is damaged: a vertex has fewer than {skip} numbers")
    points = numbers([word for row in rows for word in row[:3]], name).reshape(-1, 3)
    normals = None
    if shaded:
        normals = numbers([word for row in rows for word in row[3:6]], name).reshape(-1, 3)
        normals = unit_normals(normals, lost)
    color = None
    if colored or not textured:
        color = _colors([row[skip : -2 if textured else None] for row in rows], name, lost)
    counts, index = _corners(polygons, name)
    if ((index < 0) | (index >= len(points))).any():
        raise DamagedError(f"{name} is damaged: it names corners that are not there")
    found, owner = triangulated(points, counts, index, lost)
    part = Part(points, index[found], normals, color=color, opaque=False)
    tails = [row[1 + n :] for row, n in zip(polygons, counts.tolist(), strict=True)]
    painted = _colors(tails, name, lost)
    lost += ["colours of faces by their number in a list"] * any(len(row) == 1 for row in tails)
    if painted is not None and color is not None:
        lost.append("the colours of faces")
    elif painted is not None:
        out, own = part.doubled(np.repeat(painted[owner], 3, axis=0))
        part = replace(out, color=own)
    return [part], lost


def _corners(polygons: list[list[str]], name: str) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " N"]]:
    """How many corners each face has, and all of them."""
    counts = whole_numbers([row[0] for row in polygons], name)
    corners = [row[1 : 1 + n] for row, n in zip(polygons, counts.tolist(), strict=True)]
    if any(len(row) != n for row, n in zip(corners, counts.tolist(), strict=True)):
        raise DamagedError(f"{name} is damaged: a face has fewer corners than it says")
    return counts, whole_numbers([word for row in corners for word in row], name)


def _colors(rows: list[list[str]], name: str, lost: list[str]) -> Float[np.ndarray, "N 3"] | None:
    """Colours in linear light: of 255 where any number is above 1, else of 1; white where a row has none."""
    some = [k for k, row in enumerate(rows) if len(row) in (3, 4)]
    if not some:
        return None
    padded = [word for k in some for word in [*rows[k], "nan"][:4]]
    given = np.nan_to_num(numbers(padded, name).reshape(-1, 4), nan=np.inf, posinf=np.inf)
    top = 255.0 if given[np.isfinite(given)].max(initial=0) > 1 else 1.0
    lost += ["transparency"] * bool((given[:, 3] < top).any())
    table = np.ones((len(rows), 3))
    table[some] = given[:, :3] / top
    return srgb_to_linear(table.clip(0, 1))
