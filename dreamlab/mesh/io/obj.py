"""Read Wavefront OBJ as its many writers write it: one Part for every material."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dreamlab.core.errors import DamagedError
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.color import srgb_to_linear
from dreamlab.mesh.io.companions import companion, listed, plain_name
from dreamlab.mesh.io.mtl import Pictures, Surface, read_mtl
from dreamlab.mesh.io.parts import Part
from dreamlab.mesh.io.polygons import triangulated
from dreamlab.mesh.io.text import MOST_TEXT, decoded, file_bytes, numbers, whole_numbers

OTHERS = {"l": "lines", "p": "points", "curv": "free curves", "surf": "free surfaces"}
# The names of an mtllib line: quoted, or up to .mtl, spaces and all, or a word.
NAMES = re.compile(r'"[^"]*"|\S.*?\.mtl(?=\s|$)|\S+', re.IGNORECASE)
LONGEST_NAME, LONGEST_LINE = 1024, 4096  # of material files: the pattern takes the square of a line's length
MOST_LIBRARIES = 64
WIDEST = 7  # numbers of a line: x, y, z, w and a colour


def read_obj(path: Path) -> tuple[list[Part], list[str], list[str]]:
    """The triangles by material; what else the file says, by name; and materials and textures of colours that
    cannot be had. Without normals, faces are smooth inside smoothing groups and flat elsewhere.

    Raises DamagedError for lines that cannot be read, InputError for a file that is too large.
    """
    return _Obj(path, _continued(decoded(file_bytes(path, MOST_TEXT)))).parts()


class ObjSurface(NamedTuple):
    """The faces of one material: its name, empty for faces without; the part that they are; and where they
    lie in its texture [F,3,2], v up, as the file has it, whether there is a texture or not."""

    name: str
    part: Part
    uv: Float[np.ndarray, "F 3 2"] | None


def obj_surfaces(path: Path) -> list[ObjSurface]:
    """Raises as `read_obj`."""
    return _Obj(path, _continued(decoded(file_bytes(path, MOST_TEXT)))).surfaces()


@dataclass
class _Lines:
    """The lines of a file by what they say; a face's material and smoothing group by number."""

    rows: dict[str, list[str]] = field(default_factory=lambda: {"v": [], "vt": [], "vn": []})
    faces: list[str] = field(default_factory=list)
    material: list[int] = field(default_factory=list)
    smooth: list[int] = field(default_factory=list)
    relative: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=lambda: {"": 0})
    libraries: list[str] = field(default_factory=list)
    others: set[str] = field(default_factory=set)


class _Obj:
    def __init__(self, path: Path, text: str) -> None:
        self.path, self.lines, self.lost, self.missing = path, _lines(text), list[str](), list[str]()
        self.lost += sorted(self.lines.others)
        numbers = self._table("v")
        self.vertices, self.colors = numbers[:, :3], _colors(numbers)
        self.uv, self.normals = self._table("vt"), _directions(self._table("vn")[:, :3])
        counts, corners = self._corners()
        valid = np.where(corners[:, 0] < 0, len(self.vertices), corners[:, 0])
        self.rows, owner = triangulated(self.vertices, counts, valid, self.lost)
        self.corners = corners
        self.material = np.array(self.lines.material, np.int64)[owner]
        smooth = np.array(self.lines.smooth, np.int64)
        flat = smooth.max(initial=0) + 1 + np.arange(len(smooth))  # faces that are a group of their own
        self.groups = np.where(smooth > 0, smooth, flat)[owner]

    def parts(self) -> tuple[list[Part], list[str], list[str]]:
        return [surface.part for surface in self.surfaces()], self.lost, self.missing

    def surfaces(self) -> list[ObjSurface]:
        names = list(self.lines.names)
        order = np.argsort(self.material, kind="stable")
        found, firsts = np.unique(self.material[order], return_index=True)
        surfaces = self._surfaces({names[k] for k in found.tolist()} - {""})
        out = []
        for k, of in zip(found.tolist(), np.split(order, firsts[1:]), strict=False):  # of nothing, one piece
            surface = surfaces.get(names[k], Surface())
            corners = self.corners[self.rows[of]]
            part = self._part(corners, self.groups[of], surface)
            index = corners[..., 1]
            there = len(index) > 0 and index.min() >= 0 and index.max() < len(self.uv)
            out.append(ObjSurface(names[k], part, self.uv[index][..., :2] if there else None))
        return out

    def _table(self, word: str) -> Float[np.ndarray, "N W"]:
        """The numbers of all v, vt or vn lines; short rows are filled with nan."""
        lines, name = self.lines.rows[word], self.path.name
        words = [line.split(maxsplit=WIDEST)[:WIDEST] for line in lines]
        counts = np.array([len(row) for row in words], np.int64)
        if word == "v" and counts.min(initial=3) < 3:
            raise DamagedError(f"{name} is damaged: a vertex has fewer than three coordinates")
        out = np.full((len(words), counts.max(initial=3)), 0.0 if word == "vt" else np.nan)
        out[np.arange(out.shape[1]) < counts[:, None]] = numbers([x for row in words for x in row], name)
        return out

    def _corners(self) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, "N 3"]]:
        """How many corners each face has, and the rows of v, vt and vn of every corner, -1 for none."""
        words = [line.split() for line in self.lines.faces]
        counts = np.array([len(w) for w in words], np.int64)
        out = _indices([word for w in words for word in w], self.path.name)
        if self.lines.relative:
            known = np.zeros((len(counts), 3), np.int64)  # rows that were there when a face was written
            known[list(self.lines.relative)] = list(self.lines.relative.values())
            out = np.where(out < 0, out + np.repeat(known, counts, axis=0) + 1, out)
        return counts, out - 1

    def _part(
        self, corners: Int[np.ndarray, "F 3 3"], groups: Int[np.ndarray, " F"], surface: Surface
    ) -> Part:
        """The faces of one material, corners doubled where their uv or normals differ."""
        textured = surface.albedo is not None or surface.normal_map is not None
        vertex, uv, normal = np.moveaxis(corners, -1, 0).reshape(3, -1)
        if ((vertex < 0) | (vertex >= len(self.vertices))).any():
            raise DamagedError(
                f"{self.path.name} is damaged: it names corners that are not there",
                expected=f"1 to {len(self.vertices)}",
                got=str(int(vertex[(vertex < 0) | (vertex >= len(self.vertices))][0]) + 1),
            )
        has_uv = len(uv) > 0 and (uv >= 0).all() and (uv < len(self.uv)).all()
        if textured and not has_uv:
            self.lost.append("a texture where its coordinates are not there")
        has_normals = len(normal) > 0 and (normal >= 0).all() and (normal < len(self.normals)).all()
        has_normals = has_normals and bool(np.isfinite(self.normals[normal]).all())
        if not has_normals and (normal >= 0).any():
            self.lost.append("normals, which are not there for all corners")
        third = normal if has_normals else np.repeat(groups, 3)
        keys = np.stack([vertex, uv if has_uv and textured else np.full_like(uv, -1), third], -1)
        rows, index = np.unique(keys, axis=0, return_inverse=True)
        faces = index.reshape(-1, 3).astype(np.int64)
        points = self.vertices[rows[:, 0]]
        if has_normals:
            normals = self.normals[rows[:, 2]]
        else:
            normals = _grouped_normals(points, faces, rows[:, [0, 2]])
        color, factor = None if self.colors is None else self.colors[rows[:, 0]], surface.factor
        if color is not None and factor is not None and np.ptp(factor[:3]) < 0.02:
            factor = np.append(np.ones(3), factor[3])  # a grey that nobody means, as under textures
        return Part(
            points, faces, normals,
            self.uv[rows[:, 1], :2] * surface.scale + surface.offset if has_uv and textured else None,
            color, factor,
            surface.albedo if has_uv else None, surface.normal_map if has_uv else None,
            opaque=False, material=surface.material,
        )  # fmt: skip

    def _surfaces(self, used: set[str]) -> dict[str, Surface]:
        """The materials that faces have. Those that are missing are told."""
        pictures, out = Pictures(self.path.parent, self.lost, self.missing), dict[str, Surface]()
        files = libraries(self.lines.libraries if used else (), self.path.parent)
        for file in dict.fromkeys(files.values()):
            if file is not None:
                out = read_mtl(file, pictures, used) | out
        gone = [name for name, file in files.items() if file is None]
        if gone and used - set(out):
            names = listed(plain_name(name) for name in gone)
            self.missing.append(f"the materials of {names}, which is not beside it")
        elif used - set(out):
            names = listed(plain_name(name) for name in sorted(used - set(out)))
            told = self.missing if files else self.lost  # without material files there never were colours
            told.append(f"materials that are described nowhere ({names})")
        return out


def library_files(text: str, folder: Path) -> list[Path]:
    """The material files that an OBJ names and that are there."""
    lines = (line.strip().replace("\t", " ") for line in _continued(text).split("\n"))
    names = [line[7:].strip() for line in lines if line.startswith("mtllib ")]
    return list(dict.fromkeys(file for file in libraries(names, folder).values() if file is not None))


def libraries(lines: Iterable[str], folder: Path) -> dict[str, Path | None]:
    """What mtllib lines name, each one file, spaces and all, or several; MOST_LIBRARIES at most.

    None for what is no MTL there.
    """
    out: dict[str, Path | None] = {}
    for line in dict.fromkeys(lines):
        whole = companion(line, folder) if len(line) < LONGEST_NAME else None
        found = [line] if whole else [match[0] for match in NAMES.finditer(line[:LONGEST_LINE])]
        for name in found:
            file = whole or companion(name, folder)
            out[name] = file if file and file.suffix.lower() == ".mtl" else None
            if len(out) == MOST_LIBRARIES:
                return out
    return out


def _continued(text: str) -> str:
    """With lines that a backslash ends put together with the next; comments may end so in other scripts."""
    if "\\\n" not in text and not text.endswith("\\"):
        return text
    whole, pieces = list[str](), list[str]()
    for line in text.split("\n"):
        goes_on = line.endswith("\\") and (bool(pieces) or not line.lstrip().startswith("#"))
        pieces.append(line[:-1] if goes_on else line)
        if not goes_on:
            whole.append(" ".join(pieces))
            pieces = []
    return "\n".join([*whole, " ".join(pieces)])


def _lines(text: str) -> _Lines:
    out = _Lines()
    rows, faces = out.rows, out.faces
    material, smooth = 0, 0
    for line in text.split("\n"):
        word, _, rest = line.strip().replace("\t", " ").partition(" ")
        if word in rows:
            rows[word].append(rest)
        elif word in ("f", "fo"):
            rest = rest.partition("#")[0]
            if "-" in rest:
                out.relative[len(faces)] = (len(rows["v"]), len(rows["vt"]), len(rows["vn"]))
            faces.append(rest)
            out.material.append(material)
            out.smooth.append(smooth)
        elif word == "usemtl":
            material = out.names.setdefault(rest.strip(), len(out.names))
        elif word == "s":
            smooth = _smoothing_group(rest.strip())
        elif word == "mtllib":
            out.libraries.append(rest.strip())
        elif word in OTHERS:
            out.others.add(OTHERS[word])
    return out


def _smoothing_group(word: str) -> int:
    return min(int(word[:18]), 1 << 30) if word.isdecimal() else int(word == "on")


def _indices(words: list[str], name: str) -> Int[np.ndarray, "N 3"]:
    """Rows of v, vt and vn as they are written, 0 where there is none."""
    text, n = " ".join(words), len(words)
    slashes, double = text.count("/"), text.count("//")
    out = np.zeros((n, 3), np.int64)
    columns = {(0, 0): [0], (n, 0): [0, 1], (2 * n, 0): [0, 1, 2], (2 * n, n): [0, 2]}.get((slashes, double))
    if columns is not None and all(word.count("/") == slashes // max(n, 1) for word in words):
        given = text.replace("/", " ").split()
        if len(given) == n * len(columns):
            out[:, columns] = whole_numbers(given, name).reshape(n, len(columns))
            return out
    rows = [[*word.split("/", 3), "", ""][:3] for word in words]
    return whole_numbers([number or "0" for row in rows for number in row], name).reshape(-1, 3)


def _colors(rows: Float[np.ndarray, "V W"]) -> Float[np.ndarray, "V 3"] | None:
    """Colours after the coordinates, in linear light; white where only other vertices have some."""
    if rows.shape[1] < 6:
        return None
    colors = np.nan_to_num(rows[:, 3:6], nan=-1.0)
    missing = (colors < 0).any(1)
    top = 255.0 if colors.max(initial=0) > 1 else 1.0
    colors[missing] = top
    return srgb_to_linear((colors / top).clip(0, 1))


def _directions(normals: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
    """Of length one; nan for those that have no direction."""
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return normals / np.where(length > 1e-12, length, np.nan)


def _grouped_normals(
    points: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], keys: Int[np.ndarray, "V 2"]
) -> Float[np.ndarray, "V 3"]:
    """Normals that are shared by the corners of one vertex and one group, across texture seams."""
    first, index = np.unique(keys, axis=0, return_index=True, return_inverse=True)[1:]
    index = index.reshape(-1)
    return topo.vertex_normals(points[first], index[faces])[index]
