"""Which files a model file consists of, so that nothing is written over them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

from dreamlab.mesh.io.companions import companion
from dreamlab.mesh.io.gltf_file import GltfFile
from dreamlab.mesh.io.mtl import MOST_BYTES, map_of
from dreamlab.mesh.io.obj import library_files
from dreamlab.mesh.io.ply_file import MOST_HEADER, header_of, textures_of
from dreamlab.mesh.io.text import MOST_TEXT, decoded, file_bytes


def files_of(path: Path) -> list[Path]:
    """The file, and those beside it that it names and that are there: materials, textures, buffers.

    A file that cannot be read as what its name says is one file.
    """
    try:
        return [path, *_named(path)]
    except Exception:  # whatever the bytes lead to: damage is told by the reader
        return [path]


def same_file(target: Path, files: Iterable[Path]) -> Path | None:
    """That of the files which `target` is, by whatever name."""
    return next((file for file in files if target.exists() and os.path.samefile(target, file)), None)


def _named(path: Path) -> Iterator[Path]:
    kind = path.suffix.lower()
    if kind in (".glb", ".gltf"):
        document = GltfFile(path).json
        uris = [entry.get("uri") for name in ("buffers", "images") for entry in document.get(name, [])]
        names = [unquote(uri) for uri in uris if isinstance(uri, str) and not uri.startswith("data:")]
        yield from _present(names, path.parent)
    elif kind == ".ply":
        with path.open("rb") as file:
            header = header_of(file.read(MOST_HEADER))
        yield from _present(textures_of(header), path.parent)
    elif kind == ".obj":
        for library in library_files(decoded(file_bytes(path, MOST_TEXT)), path.parent):
            yield library
            if library.stat().st_size <= MOST_BYTES:
                yield from _present(_maps(decoded(library.read_bytes())), path.parent, library.parent)


def _maps(text: str) -> Iterator[str]:
    """The files that any line of an MTL may name."""
    for line in text.split("\n"):
        word, _, rest = line.strip().replace("\t", " ").partition(" ")
        if word.lower().startswith(("map_", "norm", "bump", "disp", "refl", "decal")):
            named = map_of(rest)
            if named is not None:
                yield named.file


def _present(names: Iterable[str], folder: Path, base: Path | None = None) -> Iterator[Path]:
    found = (companion(name, folder, base) for name in dict.fromkeys(names))
    return (path for path in found if path is not None)
