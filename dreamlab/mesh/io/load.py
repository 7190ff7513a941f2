"""Read a mesh from any of the usual formats: GLB, glTF, OBJ, PLY, STL, 3MF, OFF."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dreamlab.core.errors import DamagedError, DreamlabError, InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import srgb_to_linear
from dreamlab.mesh.geometry.shape import normals_of
from dreamlab.mesh.io.gltf_read import read_gltf
from dreamlab.mesh.io.join import joined
from dreamlab.mesh.io.parts import FlatMesh, Part, flattened
from dreamlab.mesh.surface.clean import check_faces

log = logging.getLogger(__name__)

READABLE = (".glb", ".gltf", ".obj", ".ply", ".stl", ".3mf", ".off")
GLTF = (".glb", ".gltf")
PRINT = (".stl", ".3mf")  # +Z up, millimetres: see export


def load(path: str | os.PathLike[str]) -> Mesh:
    """The file's triangles as one Mesh in metres, +Y up, with its textures or vertex colours (sRGB) and
    normals.

    STL and 3MF are taken as slicers take them, +Z up in millimetres. Several parts become one mesh, their
    textures one atlas. What a file says and a mesh cannot hold is logged, in one line. 3MF colours are not
    read.

    Raises:
        InputError: no such file, a format that cannot be read, points without faces, a texture that is not
        there. UnavailableError: a compressed GLB where DracoPy or meshopt is missing.
        DamagedError: the file is not what its name says, is cut off, or its faces name missing corners.
    """
    path = Path(path)
    with _readable(path):
        parts, lost = _parts(path)
        if not parts:
            raise InputError(
                f"{path.name} holds no triangles", expected="a mesh", got="points, lines or nothing"
            )
        if path.suffix.lower() in GLTF:  # which asks for it; other formats leave it to the reader
            parts = [part if part.normals is not None else part.faceted() for part in parts]
        mesh, unlike = joined(parts)
    if lost := [*lost, *unlike]:
        line = ", ".join(lost)  # with names from the file, which may hold anything
        log.warning("%s: left out: %s", path.name, "".join(c if c.isprintable() else "?" for c in line))
    if path.suffix.lower() in PRINT:
        x, y, z = mesh.vertices.T
        mesh = replace(mesh, vertices=torch.stack([x, z, -y], 1) / 1000, normals=None)
    return replace(mesh, normals=torch.from_numpy(normals_of(mesh)).float())


def load_flat(path: str | os.PathLike[str]) -> FlatMesh:
    """The file's triangles as one mesh in float64, each of one colour: see dreamlab.mesh.io.parts.flattened.

    Axes and units are the file's, also those of STL and 3MF. Raises as `load`, but for a file without
    triangles.
    """
    path = Path(path)
    with _readable(path):
        return flattened(_parts(path, pictures=True)[0])


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Check that a file can be read as a mesh at all; whatever its parser raises becomes DamagedError."""
    kind = path.suffix.lower()
    if not path.is_file():
        got = "a folder" if path.is_dir() else "nothing there"
        raise InputError(f"{path} cannot be read", expected="a file", got=got)
    if kind not in READABLE:
        expected = "a name ending in " + ", ".join(READABLE)
        raise InputError(f"{path.name} cannot be read as a mesh", expected=expected, got=kind or "no suffix")
    try:
        if kind == ".obj":
            _check_companions(path)
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
    missing corners, and InputError for a missing picture, if the pictures matter."""
    if path.suffix.lower() in GLTF:
        parts, lost, missing = read_gltf(path, colors_only=pictures)
        if pictures and missing:
            raise InputError(f"{path.name}: {missing[0]}", mend="Put it there, or export the model again")
        lost += missing[:3] + [f"{len(missing) - 3} more pictures"] * (len(missing) > 3)
    else:
        parts, lost = _parts_of_trimesh(path), []
    parts = [part for part in parts if len(part.faces)]
    for part in parts:
        try:
            check_faces(part.vertices, part.faces)
        except InputError as error:
            raise DamagedError(
                f"{path.name} is damaged: {error.what}", expected=error.expected, got=error.got
            ) from error
    return parts, lost


def _parts_of_trimesh(path: Path) -> list[Part]:
    """trimesh's triangle meshes of a file, moved to where its scene has them."""
    import trimesh

    scene = trimesh.load_scene(path, process=False)
    return [_part(mesh) for mesh in scene.dump() if isinstance(mesh, trimesh.Trimesh)]


def _part(mesh: Any) -> Part:
    part = Part(np.array(mesh.vertices, np.float64), np.array(mesh.faces, np.int64), opaque=False)
    visual, material = mesh.visual, getattr(mesh.visual, "material", None)
    uv, image = getattr(visual, "uv", None), getattr(material, "image", None)
    if material is not None and "kd" in getattr(material, "kwargs", ()):  # else diffuse is trimesh's own grey
        diffuse = np.asarray(material.diffuse, np.float64) / 255
        part = replace(part, factor=np.append(srgb_to_linear(diffuse[:3]), diffuse[3]))
    if uv is not None and image is not None and len(uv) == len(part.vertices):
        return replace(part, uv=np.array(uv, np.float64), albedo=np.array(image.convert("RGBA")))
    colors = mesh.vertex_attributes.get("color")
    if colors is None and visual.kind in ("vertex", "face"):
        colors = visual.vertex_colors
    if colors is None:
        return part
    colors = np.asarray(colors)[:, :3]
    shares = (colors.astype(np.float64) / (255 if colors.dtype == np.uint8 else 1)).clip(0, 1)
    return replace(part, color=srgb_to_linear(shares))


def _check_companions(path: Path) -> None:
    """InputError if the OBJ names a material file, or that an image, which is not beside it."""
    for material in _named(path, "mtllib"):
        if not material.is_file():
            raise InputError(f"{path.name} names a material file that is not there", got=material.name)
        for keyword in ("map_Kd", "map_Bump", "norm"):
            for image in _named(material, keyword):
                if not image.is_file():
                    raise InputError(f"{material.name} names a texture that is not there", got=image.name)


def _named(path: Path, keyword: str) -> list[Path]:
    """The files that lines of this keyword name, options such as "-bm 1" left out."""
    lines = path.read_text("utf-8", errors="replace").splitlines()
    names = [line.split(maxsplit=1)[1].strip() for line in lines if line.startswith(keyword + " ")]
    return [path.parent / (name.split()[-1] if name.startswith("-") else name) for name in names]
