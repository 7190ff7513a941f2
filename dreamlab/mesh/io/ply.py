"""Read PLY: polygons and strips, colours of corners or faces in any type, and one texture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from dreamlab.core.errors import DamagedError
from dreamlab.mesh.geometry.color import srgb_to_linear
from dreamlab.mesh.io.mtl import Pictures
from dreamlab.mesh.io.parts import Part
from dreamlab.mesh.io.ply_file import Lists, parse_ply
from dreamlab.mesh.io.polygons import triangulated

COLORS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
UVS = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"))
INDICES = ("vertex_indices", "vertex_index")

Columns = Mapping[str, "np.ndarray | Lists"]


def read_ply(path: Path) -> tuple[list[Part], list[str]]:
    """The triangles as one part, and what else the file says. Raises DamagedError for a broken file."""
    file, lost = parse_ply(path.read_bytes(), path.name), list[str]()
    vertex, face = file.elements.get("vertex", {}), file.elements.get("face", {})
    points = _table(vertex, ("x", "y", "z"))
    if points is None:
        raise DamagedError(f"{path.name} is damaged: its vertices have no x, y and z")
    index, owner, rows = _faces(face, file.elements.get("tristrips", {}), points)
    if ((index < 0) | (index >= len(points))).any():
        raise DamagedError(
            f"{path.name} is damaged: it names corners that are not there", expected=f"0 to {len(points) - 1}"
        )
    color, face_color = _colors(vertex), _colors(face)
    uv = _first(vertex, UVS)
    uv = None if uv is None else uv[index]
    wedge = face.get("texcoord")
    if isinstance(wedge, Lists) and rows is not None and len(wedge.values) == 2 * len(rows[1]):
        uv = wedge.values.reshape(-1, 2)[rows[0]].astype(np.float64)
    image = None
    if file.textures and uv is not None:
        image = Pictures(path.parent, lost)(file.textures[0])
        lost += ["all textures but the first"] * (len(set(file.textures)) > 1)
    normals = _table(vertex, ("nx", "ny", "nz"))
    if normals is not None:
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        normals = normals / length if (length > 1e-12).all() else None
    part = Part(points, index, normals, color=color, opaque=False)
    own_color = face_color[owner] if face_color is not None and color is None and owner is not None else None
    return [_parted(part, own_color, uv if image is not None else None, image)], lost


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
    face: Columns, strips: Columns, points: Float[np.ndarray, "V 3"]
) -> tuple[Int[np.ndarray, "F 3"], Int[np.ndarray, " F"] | None, tuple[np.ndarray, np.ndarray] | None]:
    """Triangles; the row of the face that each is of, and the positions of its corners among all that faces
    list, with that list; None for strips."""
    lists = next((face[name] for name in INDICES if name in face), None)
    if isinstance(lists, Lists):
        index = lists.values.astype(np.int64)
        rows, owner = triangulated(points, lists.counts, index)
        return index[rows], owner, (rows, index)
    lists = next((strips[name] for name in INDICES if name in strips), None)
    if isinstance(lists, Lists):
        return _strips(lists.values.astype(np.int64)), None, None
    return np.zeros((0, 3), np.int64), None, None


def _strips(index: Int[np.ndarray, " N"]) -> Int[np.ndarray, "F 3"]:
    """Triangles of strips that -1 ends; every second one turns the other way."""
    index = np.append(index, [-1, -1, -1])
    at, ends = np.arange(len(index)), np.flatnonzero(index < 0)
    place = at - np.append(0, ends + 1)[np.searchsorted(ends, at)]  # in its strip
    faces = np.stack([index[:-2], index[1:-1], index[2:]], -1)
    odd = place[:-2] % 2 == 1
    faces[odd] = faces[odd][:, [1, 0, 2]]
    a, b, c = faces.T
    return faces[(faces >= 0).all(1) & (a != b) & (b != c) & (a != c)]


def _table(columns: Columns, names: tuple[str, ...]) -> Float[np.ndarray, "N W"] | None:
    found = [columns.get(name) for name in names]
    if any(not isinstance(column, np.ndarray) for column in found):
        return None
    return np.stack([np.asarray(column, np.float64) for column in found], -1)


def _first(columns: Columns, kinds: tuple[tuple[str, ...], ...]) -> Float[np.ndarray, "N W"] | None:
    return next((table for names in kinds if (table := _table(columns, names)) is not None), None)


def _colors(columns: Columns) -> Float[np.ndarray, "N 3"] | None:
    """Colours in linear light: whole numbers as shares of their type's largest, others of 1 or, if any is
    larger, of 255."""
    names = next((names for names in COLORS if all(name in columns for name in names)), None)
    table = None if names is None else _table(columns, names)
    if names is None or table is None:
        return None
    kind = np.asarray(columns[names[0]]).dtype
    top = np.iinfo(kind).max if kind.kind in "iu" else 255.0 if table.max(initial=0) > 1 else 1.0
    if kind.kind in "iu" and kind.itemsize > 2:  # that nobody fills
        top = 255
    return srgb_to_linear((np.nan_to_num(table) / top).clip(0, 1))
