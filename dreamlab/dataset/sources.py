"""Where subjects come from: they are loaded one scene at a time, and known by a digest before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.dataset.scene import Subject
from dreamlab.mesh.geometry.named_parts import NamedParts
from dreamlab.mesh.geometry.shape import place
from dreamlab.mesh.io.gltf_read import read_gltf
from dreamlab.mesh.io.load import GLTF, READABLE, Axis, load
from dreamlab.mesh.io.obj import read_obj
from dreamlab.mesh.texture.color_names import plain_name
from dreamlab.views.render import framed

MOST_PARTS = 64  # distinct colours of faces that are still taken for parts


@dataclass(frozen=True)
class Source:
    """A subject to come. digest: changes whenever what is loaded does. required: whether a data set is an
    error without it; one of a folder's files is passed over, which is said."""

    name: str
    caption: str
    digest: str
    load: Callable[[], Subject]
    required: bool = True


def of_file(path: Path, up: Axis | None = None, required: bool = True) -> Source:
    """A mesh file. Its caption is the first line of a text file of the same name beside it (chair.txt), else
    its name in words."""

    def loaded() -> Subject:
        mesh = load(path, up)
        return Subject(path.stem, mesh, caption, parts_of_file(path, mesh))

    caption = _beside(path) or " ".join(path.stem.replace("-", " ").replace("_", " ").split())
    return Source(path.stem, caption, f"{_sha256(path)} {up or ''}", loaded, required)


def of_folder(folder: Path, up: Axis | None = None) -> list[Source]:
    """Every mesh file of a folder and those below it, by name. InputError where there is none."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in READABLE and p.is_file())
    if not files:
        raise InputError(f"{folder} holds no meshes", expected="files ending in " + ", ".join(READABLE))
    return [of_file(path, up, required=False) for path in files]


def distinct(sources: Sequence[Source]) -> list[Source]:
    """The same sources; of those with one name all but the first get a number."""
    taken: set[str] = set()
    out = []
    for source in sources:
        name, tries = source.name, 1
        while name in taken:
            tries += 1
            name = f"{source.name}-{tries}"
        taken.add(name)
        out.append(replace(source, name=name))
    return out


def scaled(subject: Subject, scale: Literal["keep", "unit"] | float) -> Subject:
    """As DatasetConfig.scale has it."""
    if scale == "keep":
        return subject
    mesh = (
        framed(subject.mesh) if scale == "unit" else place(subject.mesh, size=float(scale), origin="centre")
    )
    return replace(subject, mesh=mesh)


def parts_of_file(path: Path, mesh: Mesh) -> NamedParts | None:
    """The parts of a GLB, glTF or OBJ that has several (primitives, materials), else those that the colours
    of its faces tell; None where there is one only."""
    if path.suffix.lower() in GLTF:
        parts = read_gltf(path, colors_only=True).parts
    else:
        parts = read_obj(path)[0] if path.suffix.lower() == ".obj" else []
    sizes = [len(part.faces) for part in parts if len(part.faces)]
    if len(sizes) < 2 or sum(sizes) != len(mesh.faces):
        return parts_by_color(mesh)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return NamedParts(labels, tuple(f"part-{k}" for k in range(1, len(sizes) + 1)))


def parts_by_color(mesh: Mesh) -> NamedParts | None:
    """Faces by their colour, where every face has one colour at its corners and there are few; the names are
    the colours'. None for textures, gradients and meshes of one colour."""
    if mesh.colors is None or mesh.textures:
        return None
    corners = (mesh.colors.double().numpy() * 255 + 0.5).astype(np.int64)[mesh.faces.numpy()]
    if (corners != corners[:, :1]).any():
        return None
    colors, labels = np.unique(corners[:, 0], axis=0, return_inverse=True)
    if not 2 <= len(colors) <= MOST_PARTS:
        return None
    names: list[str] = []
    for name in (plain_name(color / 255) for color in colors):
        again = sum(other.partition("-")[0] == name for other in names)
        names.append(f"{name}-{again + 1}" if again else name)
    return NamedParts(labels.reshape(-1), tuple(names))


def digest_of_mesh(mesh: Mesh) -> str:
    """sha256 of all that is seen of a mesh."""
    total = hashlib.sha256()
    arrays = [mesh.vertices, mesh.faces, mesh.normals, mesh.colors, mesh.uv, *(t for _, t in mesh.textures)]
    for array in arrays:
        total.update(b"-" if array is None else str(tuple(array.shape)).encode() + array.numpy().tobytes())
    return total.hexdigest()


def _beside(path: Path) -> str:
    """The first line of chair.txt beside chair.glb, if there is one."""
    try:
        lines = path.with_suffix(".txt").read_text(encoding="utf-8").strip().splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return lines[0].strip() if lines else ""


def _sha256(path: Path) -> str:
    """Of a file that can be read; else what keeps it from being so, which `load` will tell."""
    try:
        with path.open("rb") as file:
            total = hashlib.sha256()
            while block := file.read(1 << 20):
                total.update(block)
            return total.hexdigest()
    except OSError as error:
        return error.strerror or "unreadable"
