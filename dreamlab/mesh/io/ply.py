"""Read PLY: polygons and strips, colours of corners or faces in any type, and one texture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.mesh.geometry.color import srgb_to_linear
from dreamlab.mesh.io.mtl import Pictures
from dreamlab.mesh.io.parts import Part
from dreamlab.mesh.io.ply_file import Lists, PlyFile, parse_ply
from dreamlab.mesh.io.polygons import triangulated, unit_normals
from dreamlab.mesh.io.text import file_bytes

COLORS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
UVS = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"))
INDICES = ("vertex_indices", "vertex_index")
ALPHAS = ("alpha", "diffuse_alpha", "a")
READ = ("vertex", "face", "tristrips")
SAID = {"edge": "edges", "material": "materials", "camera": "a camera"}  # of other elements: their names

Columns = Mapping[str, "np.ndarray | Lists"]


def read_ply(path: Path) -> tuple[list[Part], list[str], list[str]]:
    """The triangles as one part, what else the file says, and textures that cannot be had.

    Raises DamagedError for a broken file, InputError for one that is too large or holds Gaussian splats.
    """
    file = parse_ply(file_bytes(path), path.name)
    vertex, face = file.elements.get("vertex", {}), file.elements.get("face", {})
    strips = file.elements.get("tristrips", {})
    points = _table(vertex, ("x", "y", "z"))
    if points is None:
        raise DamagedError(f"{path.name} is damaged: its vertices have no x, y and z")
    if "f_dc_0" in vertex and not face and not strips:
        raise InputError(f"{path.name} holds Gaussian splats", expected="triangles")
    lost, missing = list[str](), list[str]()
    index, owner, rows = _faces(face, strips, points, lost)
    if ((index < 0) | (index >= len(points))).any():
        raise DamagedError(
            f"{path.name} is damaged: it names corners that are not there", expected=f"0 to {len(points) - 1}"
        )
    lost += _left_out(file, rows is not None)
    uv = _coordinates(vertex, face, index, rows)
    image = None
    if file.textures and uv is None:
        lost.append("a texture where its coordinates are not there")
    elif file.textures:
        image = Pictures(path.parent, lost, missing)(file.textures[0])
        lost += ["all textures but the first"] * (len(set(file.textures)) > 1)
    color, face_color = _colors(vertex), _colors(face)
    own_color = face_color[owner] if face_color is not None and color is None and owner is not None else None
    lost += ["the colours of faces"] * (face_color is not None and own_color is None and len(face_color) > 0)
    normals = _table(vertex, ("nx", "ny", "nz"))
    normals = None if normals is None else unit_normals(normals, lost)
    part = Part(points, index, normals, color=color, opaque=False)
    return [_parted(part, own_color, uv if image is not None else None, image)], lost, missing


def _left_out(file: PlyFile, has_faces: bool) -> list[str]:
    """What of the file nothing here reads, by name."""
    out = [SAID.get(name, name) for name, rows in file.rows.items() if rows and name not in READ]
    known = {name for names in (*COLORS, *UVS, ("x", "y", "z"), ("nx", "ny", "nz"), ALPHAS) for name in names}
    out += [f"{name} of its vertices" for name in file.elements.get("vertex", {}) if name not in known]
    known |= {*INDICES, "texcoord", "texnumber"}
    out += [f"{name} of its faces" for name in file.elements.get("face", {}) if name not in known]
    out += ["triangle strips beside its faces"] * (has_faces and file.rows.get("tristrips", 0) > 0)
    solid = [_opaque(file.elements.get(element, {})) for element in ("vertex", "face")]
    return out + ["transparency"] * (not all(solid))


def _opaque(columns: Columns) -> bool:
    alphas = [columns[name] for name in ALPHAS if name in columns]
    return all(isinstance(a, np.ndarray) and (_shares(a) >= 1).all() for a in alphas)


def _coordinates(
    vertex: Columns,
    face: Columns,
    index: Int[np.ndarray, "F 3"],
    rows: tuple[Int[np.ndarray, "F 3"], Int[np.ndarray, " P"]] | None,
) -> Float[np.ndarray, "F 3 2"] | None:
    """Of the corners of triangles: the faces' own, else the vertices'."""
    wedge = face.get("texcoord")
    if isinstance(wedge, Lists) and rows is not None and np.array_equal(wedge.counts, 2 * rows[1]):
        return wedge.values.reshape(-1, 2)[rows[0]].astype(np.float64)
    uv = _first(vertex, UVS)
    return None if uv is None else uv[index]


def _parted(
    part: Part,
    face_color: Float[np.ndarray, "F 3"] | None,
    uv: Float[np.ndarray, "F 3 2"] | None,
    image: np.ndarray | None,
) -> Part:
    """With what its triangles, not its vertices, have: corners are doubled where triangles differ in it."""
    if face_color is None and uv is None:
        return part
    own = [] if face_color is None else [np.repeat(face_color, 3, axis=0)]
    own += [] if uv is None else [uv.reshape(-1, 2)]
    out, rows = part.doubled(np.concatenate(own, 1))
    return replace(
        out,
        uv=None if uv is None else rows[:, -2:],
        color=out.color if face_color is None else rows[:, :3],
        albedo=image,
    )


def _faces(
    face: Columns, strips: Columns, points: Float[np.ndarray, "V 3"], lost: list[str]
) -> tuple[
    Int[np.ndarray, "F 3"],
    Int[np.ndarray, " F"] | None,
    tuple[Int[np.ndarray, "F 3"], Int[np.ndarray, " P"]] | None,
]:
    """Triangles; the row of the face that each is of; and the positions of its corners among all that faces
    list, with how many each face has. None for strips, which are read where there are no faces."""
    lists = next((face[name] for name in INDICES if name in face), None)
    if isinstance(lists, Lists) and len(lists.values):
        index = _whole(lists.values)
        rows, owner = triangulated(points, lists.counts, index, lost)
        return index[rows], owner, (rows, lists.counts)
    lists = next((strips[name] for name in INDICES if name in strips), None)
    if isinstance(lists, Lists) and len(lists.values):
        return _strips(_whole(lists.values), np.cumsum(lists.counts)), None, None
    return np.zeros((0, 3), np.int64), None, None


def _whole(values: np.ndarray) -> Int[np.ndarray, " N"]:
    """Indices of any type; those that are no numbers are out of range."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=-2, posinf=-2, neginf=-2).clip(-(2.0**53), 2.0**53)
    return values.astype(np.int64)


def _strips(index: Int[np.ndarray, " N"], ends: Int[np.ndarray, " L"]) -> Int[np.ndarray, "F 3"]:
    """Triangles of strips that -1 or the end of a list ends; every second one turns the other way. Corners
    that a strip names twice in a row make no triangle."""
    index = np.append(np.insert(index, ends, -1), [-1, -1])
    at, stops = np.arange(len(index)), np.flatnonzero(index == -1)
    place = at - np.append(0, stops + 1)[np.searchsorted(stops, at)]  # in its strip
    faces = np.stack([index[:-2], index[1:-1], index[2:]], -1)
    odd = place[:-2] % 2 == 1
    faces[odd] = faces[odd][:, [1, 0, 2]]
    a, b, c = faces.T
    return faces[(faces != -1).all(1) & (a != b) & (b != c) & (a != c)]


def _table(columns: Columns, names: tuple[str, ...]) -> Float[np.ndarray, "N W"] | None:
    found = [columns.get(name) for name in names]
    if any(not isinstance(column, np.ndarray) for column in found):
        return None
    return np.stack([np.asarray(column, np.float64) for column in found], -1)


def _first(columns: Columns, kinds: tuple[tuple[str, ...], ...]) -> Float[np.ndarray, "N W"] | None:
    return next((table for names in kinds if (table := _table(columns, names)) is not None), None)


def _colors(columns: Columns) -> Float[np.ndarray, "N 3"] | None:
    """Colours in linear light."""
    for names in COLORS:
        table = [column for name in names if isinstance(column := columns.get(name), np.ndarray)]
        if len(table) == len(names):
            return srgb_to_linear(_shares(np.stack(table, -1)).clip(0, 1))
    return None


def _shares(values: np.ndarray) -> np.ndarray:
    """Whole numbers as shares of their type's largest, others of 1 or, if any is larger, of 255; black for
    what is no number."""
    values, kind = np.nan_to_num(values.astype(np.float64)), values.dtype
    if kind.kind in "iu" and kind.itemsize <= 2:
        return values / np.iinfo(kind).max
    return values / (255.0 if kind.kind in "iu" or values.max(initial=0) > 1 else 1.0)
