"""Any mesh file in another coat: what is not its colours stays as far as its format lets it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from dreamlab.core.files import write_atomic
from dreamlab.core.types import Material, Mesh
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.gltf_file import GltfFile
from dreamlab.mesh.io.load import GLTF, load, readable
from dreamlab.mesh.repaint import Coat, Piece, finish_over, image_for
from dreamlab.mesh.repaint_gltf import retextured_gltf
from dreamlab.mesh.repaint_obj import repaint_obj

CoatOf = Callable[[Sequence[Piece]], Coat]


class Retextured(NamedTuple):
    """The files written, the mesh first, and what could not stay as it was, by name."""

    files: list[Path]
    changed: list[str]


class Dressed(NamedTuple):
    """A mesh file and its new coat; pixels of a side of each image, None for those of the old ones."""

    source: Path
    coat: Coat
    side: int | None = None

    @property
    def format(self) -> str:
        """What it is written as."""
        return format_of(self.source)

    def write(self, target: Path) -> Retextured:
        """See `retexture`."""
        return retexture(self.source, target, lambda _: self.coat, self.side)


def format_of(source: Path) -> str:
    """What a file is written as: OBJ as OBJ, all else as GLB."""
    return "obj" if source.suffix.lower() == ".obj" else "glb"


def retexture(source: Path, target: Path, coat_of: CoatOf, side: int | None = None) -> Retextured:
    """Write the mesh of a file, in the coat of an object of its pieces, as GLB or OBJ: see `format_of`.

    Of GLB, glTF and OBJ positions and texture coordinates stay to the bit, of glTF all the rest as well, as
    long as the coordinates can hold an image. Else, and of other formats, they are new. side: pixels of each
    image; else those of the old ones. Raises as `load`.
    """
    with readable(source):
        if source.suffix.lower() in GLTF:
            data, changed = retextured_gltf(GltfFile(source), coat_of, side)
            write_atomic(target, data)
            return Retextured([target], changed)
        fault = "are not there"
        if format_of(source) == "obj":
            files, fault = repaint_obj(source, target, coat_of, side)
            if files:
                return Retextured(files, [])
    files = write(_laid_out(load(source), coat_of, side), target)
    return Retextured(files, [f"its texture coordinates, which {fault}"])


def _laid_out(mesh: Mesh, coat_of: CoatOf, side: int | None) -> Mesh:
    """The mesh with new coordinates, corners on seams doubled."""
    faces = mesh.faces.numpy()
    piece = Piece(mesh.vertices.double().numpy()[faces], faces, mesh, None)
    coat = coat_of([piece])
    image = image_for([piece], coat, side)
    assert image.uv is not None  # it had no layout
    flat = image.uv[0].reshape(-1, 2)
    keys = np.concatenate([faces.reshape(-1, 1), flat], 1)
    _, first, index = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    pick = torch.from_numpy(faces.reshape(-1)[first])
    return replace(
        mesh,
        vertices=mesh.vertices[pick],
        faces=torch.from_numpy(index.reshape(-1, 3)),
        normals=None if mesh.normals is None else mesh.normals[pick],
        colors=None,
        uv=torch.from_numpy(flat[first]).float(),
        textures=(("albedo", torch.from_numpy(image.pixels)),),
        material=Material(
            double_sided=mesh.material.double_sided,
            **finish_over(coat, mesh.material)._asdict(),
            transmission=coat.transmission,
        ),
    )
