"""Read a mesh from any of the usual formats: GLB, glTF, OBJ, PLY, STL, 3MF, OFF."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dreamlab.core.errors import DamagedError, DreamlabError, InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.colour import vertex_colors
from dreamlab.mesh.geometry.shape import normals_of
from dreamlab.mesh.io.gltf_read import read_gltf
from dreamlab.mesh.surface.clean import check_faces

log = logging.getLogger(__name__)

READABLE = (".glb", ".gltf", ".obj", ".ply", ".stl", ".3mf", ".off")
PRINT = (".stl", ".3mf")  # +Z up, millimetres: see export


def load(path: str | os.PathLike[str]) -> Mesh:
    """The file's triangles as one Mesh in metres, +Y up, with its textures or vertex colours (sRGB) and
    normals.

    STL and 3MF are taken as slicers take them, +Z up in millimetres. Several parts become one mesh; if they
    are textured, their colours go to the vertices, which is logged. 3MF colours are not read.

    Raises:
        InputError: no such file, a format that cannot be read, points without faces, a texture that is not
        there. UnavailableError: a GLB with meshopt compression, or with Draco's where DracoPy is missing.
        DamagedError: the file is not what its name says, is cut off, or its faces name missing corners.
    """
    path = Path(path)
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
        meshes = read_gltf(path) if kind in (".glb", ".gltf") else [_convert(part) for part in _parts(path)]
        mesh = _joined(path, [m for m in meshes if len(m.faces)])
    except DreamlabError:
        raise
    except Exception as error:  # parsers raise whatever the bytes lead them to
        raise DamagedError(
            f"{path.name} cannot be read as {kind[1:].upper()}",
            got=f"{type(error).__name__}: {error}",
            mend="Export it again",
        ) from error
    if kind in PRINT:
        x, y, z = mesh.vertices.T
        mesh = replace(mesh, vertices=torch.stack([x, z, -y], 1) / 1000, normals=None)
    return replace(mesh, normals=torch.from_numpy(normals_of(mesh)).float())


def _parts(path: Path) -> list[Any]:
    """trimesh's triangle meshes of a file, moved to where its scene has them."""
    import trimesh

    scene = trimesh.load_scene(path, process=False)
    return [part for part in scene.dump() if isinstance(part, trimesh.Trimesh)]


def _convert(part: Any) -> Mesh:
    mesh = Mesh(
        torch.from_numpy(np.array(part.vertices, np.float32)),
        torch.from_numpy(np.array(part.faces, np.int64)),
    )
    visual = part.visual
    uv, image = getattr(visual, "uv", None), getattr(getattr(visual, "material", None), "image", None)
    if uv is not None and image is not None and len(uv) == len(mesh.vertices):
        texture = torch.from_numpy(np.array(image.convert("RGB")))
        return replace(mesh, uv=torch.from_numpy(np.array(uv, np.float32)), textures=(("albedo", texture),))
    colors = part.vertex_attributes.get("color")
    if colors is None and visual.kind in ("vertex", "face"):
        colors = visual.vertex_colors
    if colors is None:
        return mesh
    colors = np.asarray(colors)[:, :3]
    scale = 255 if colors.dtype == np.uint8 else 1
    return replace(mesh, colors=torch.from_numpy(colors.astype(np.float32) / scale).clamp(0, 1))


def _joined(path: Path, meshes: list[Mesh]) -> Mesh:
    """One mesh of all; colours go to the vertices if there is more than one part and any has colour."""
    if not meshes:
        raise InputError(f"{path.name} holds no triangles", expected="a mesh", got="points, lines or nothing")
    for mesh in meshes:
        try:
            check_faces(mesh.vertices.numpy(), mesh.faces.numpy())
        except InputError as error:
            raise DamagedError(
                f"{path.name} is damaged: {error.what}", expected=error.expected, got=error.got
            ) from error
    if len(meshes) == 1:
        return meshes[0]
    if any(mesh.textures for mesh in meshes):
        log.warning("%s: the textures of its %d parts become vertex colours", path.name, len(meshes))
    colors = [vertex_colors(mesh) for mesh in meshes]
    grey = [
        np.full((len(m.vertices), 3), 0.8) if c is None else c for m, c in zip(meshes, colors, strict=True)
    ]
    start = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    return Mesh(
        torch.cat([mesh.vertices for mesh in meshes]),
        torch.cat([mesh.faces + int(s) for mesh, s in zip(meshes, start, strict=False)]),
        torch.cat([torch.from_numpy(normals_of(mesh)).float() for mesh in meshes]),
        None if all(c is None for c in colors) else torch.from_numpy(np.concatenate(grey)).float(),
    )


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
