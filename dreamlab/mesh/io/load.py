"""Read a mesh from any of the usual formats: GLB, glTF, OBJ, PLY, STL, 3MF, OFF."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from dreamlab.core.errors import DamagedError, DreamlabError, InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.shape import CREASE, creased_normals, normals_of
from dreamlab.mesh.geometry.topology import unique_rows
from dreamlab.mesh.io.companions import listed
from dreamlab.mesh.io.gltf_read import read_gltf
from dreamlab.mesh.io.join import joined
from dreamlab.mesh.io.obj import read_obj
from dreamlab.mesh.io.off import read_off
from dreamlab.mesh.io.parts import FlatMesh, Part, flattened
from dreamlab.mesh.io.ply import read_ply
from dreamlab.mesh.io.stl import read_stl
from dreamlab.mesh.io.threemf import read_3mf
from dreamlab.mesh.surface.clean import check_faces

log = logging.getLogger(__name__)

READABLE = (".glb", ".gltf", ".obj", ".ply", ".stl", ".3mf", ".off")
GLTF = (".glb", ".gltf")
PRINT = (".stl", ".3mf")  # +Z up, millimetres: see export
FURTHEST, FURTHEST_UV = 1e18, 1e6  # squares of 32-bit coordinates are finite; texels are told apart
Axis = Literal["y", "z"]


def load(path: str | os.PathLike[str], up: Axis | None = None) -> Mesh:
    """The file's triangles as one Mesh in metres, +Y up, with its textures or vertex colours (sRGB) and
    normals.

    STL and 3MF are taken as slicers take them, +Z up in millimetres (of 3MF: in the file's unit); `up` is the
    axis that points up in the file where that is not so. Several parts become one mesh, their textures one
    atlas. What a file says and a mesh cannot hold, or what is not there, is logged, in one line.

    Raises:
        InputError: no such file, a format that cannot be read, points without faces, a file that unfolds
        beyond what memory holds. UnavailableError: a compressed GLB where DracoPy or meshopt is missing.
        DamagedError: the file is not what its name says, is cut off, or its faces name missing corners.
    """
    path = Path(path)
    with readable(path):
        parts, lost = _parts(path)
        if not parts:
            raise InputError(
                f"{path.name} holds no triangles", expected="a mesh", got="points, lines or nothing"
            )
        kind = path.suffix.lower()
        bare = Part.faceted if kind in GLTF else _creased  # glTF asks for flat faces
        parts = [part if part.normals is not None else bare(part) for part in parts]
        upright = [_upright(part, up or ("z" if kind in PRINT else "y"), kind in PRINT) for part in parts]
        mesh, unlike = joined(upright)
    if lost := [*lost, *unlike]:
        log.warning("%s: left out: %s", path.name, listed(lost))
    return replace(mesh, normals=torch.from_numpy(normals_of(mesh)).float())


def _upright(part: Part, up: Axis, millimetres: bool) -> Part:
    """In metres with +Y up."""
    points, normals = part.vertices / (1000 if millimetres else 1), part.normals
    if up == "z":
        points = points[:, [0, 2, 1]] * [1, 1, -1]
        normals = None if normals is None else normals[:, [0, 2, 1]] * [1, 1, -1]
    return replace(part, vertices=points, normals=normals)


def load_flat(path: str | os.PathLike[str]) -> FlatMesh:
    """The file's triangles as one mesh in float64, each of one colour: see dreamlab.mesh.io.parts.flattened.

    Axes and units are the file's, also those of STL and 3MF. Raises as `load`, but for a file without
    triangles.
    """
    path = Path(path)
    with readable(path):
        return flattened(_parts(path, pictures=True)[0])


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Check that a file can be read as a mesh at all; whatever its parser raises becomes DamagedError."""
    kind = path.suffix.lower()
    if not path.is_file():
        got = "a folder" if path.is_dir() else "a pipe or device" if path.exists() else "nothing there"
        raise InputError(f"{path} cannot be read", expected="a file", got=got)
    if kind not in READABLE:
        expected = "a name ending in " + ", ".join(READABLE)
        raise InputError(f"{path.name} cannot be read as a mesh", expected=expected, got=kind or "no suffix")
    if path.stat().st_size == 0:
        raise DamagedError(f"{path.name} is empty", mend="Export it again")
    try:
        with np.errstate(all="ignore"):  # what is not finite is told by _sound
            yield
    except DreamlabError:
        raise
    except Exception as error:  # parsers raise whatever the bytes lead them to
        raise DamagedError(
            f"{path.name} cannot be read as {kind[1:].upper()}",
            got=f"{type(error).__name__}: {error}",
            mend="Export it again",
        ) from error


def _parts(path: Path, pictures: bool = False) -> tuple[list[Part], list[str]]:
    """The parts that have faces, and what else the file says, by name. Raises DamagedError where faces name
    missing corners, and InputError for a missing picture or material, if the pictures matter."""
    parts, lost, missing = _read(path, pictures)
    if pictures and missing:
        raise InputError(f"{path.name}: {missing[0]}", mend="Put it there, or export the model again")
    lost = [*lost, *missing[:3], *[f"{len(missing) - 3} more pictures"] * (len(missing) > 3)]
    return [_sound(part, path.name) for part in parts if len(part.faces)], lost


def _read(path: Path, pictures: bool) -> tuple[list[Part], list[str], list[str]]:
    """The parts of a file, what else it says, by name, and what of its colours is not there."""
    kind = path.suffix.lower()
    if kind in GLTF:
        return read_gltf(path, colors_only=pictures)
    if kind in (".obj", ".ply"):
        return (read_obj if kind == ".obj" else read_ply)(path)
    return *{".stl": read_stl, ".3mf": read_3mf, ".off": read_off}[kind](path), []


def _sound(part: Part, name: str) -> Part:
    """A part that every further step can count on: corners are there, finite and within FURTHEST; texture
    coordinates are finite. Corners that no face uses may have been anything. Raises DamagedError."""
    vertices, used = part.vertices, part.faces.reshape(-1)
    if used.min() >= 0 and used.max() < len(vertices):
        unused = np.ones(len(vertices), bool)
        unused[used] = False
        if unused.any():
            vertices = np.where(unused[:, None], vertices[used[0]], vertices)
    try:
        check_faces(vertices, part.faces)
    except InputError as error:
        damage = f"{name} is damaged: {error.what}"
        raise DamagedError(damage, expected=error.expected, got=error.got) from error
    if (furthest := np.abs(vertices).max()) > FURTHEST:
        raise DamagedError(
            f"{name} is damaged: it has corners too far out",
            expected=f"{FURTHEST:.0e}",
            got=f"{furthest:.1e}",
        )
    uv = part.uv
    if uv is not None:
        uv = np.nan_to_num(uv, posinf=0.0, neginf=0.0).clip(-FURTHEST_UV, FURTHEST_UV)
    return replace(part, vertices=vertices, uv=uv)


def _creased(part: Part) -> Part:
    """With normals that are smooth up to sharp edges, for a file that has none: its balls are round and its
    boxes have edges. Corners on sharp edges are doubled."""
    _, index = unique_rows(part.vertices)
    corner = index[part.faces]
    first = np.unique(index, return_index=True)[1]
    _, fans, normals = creased_normals(part.vertices[first], corner, CREASE)
    out, fan = part.doubled(fans.reshape(-1, 1))
    return replace(out, normals=normals[fan[:, 0]])
