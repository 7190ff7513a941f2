"""Write Wavefront OBJ with its materials and textures, so that every parser reads them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from dreamlab.core.files import atomic_path
from dreamlab.core.types import Material, Mesh
from dreamlab.mesh.geometry.color import texture_of
from dreamlab.mesh.geometry.named_parts import NamedPart, NamedParts, materials_of
from dreamlab.mesh.geometry.shape import normals_of
from dreamlab.mesh.io.encode import SUFFIXES, TextureFormat, encoded
from dreamlab.mesh.io.names import pieces_of
from dreamlab.mesh.surface.quads import quads_of

# Blender takes a normal map from map_Bump, where -bm is its strength; three.js and others from norm, and
# would take map_Bump alone for heights.
MAPS = {"albedo": ("map_Kd",), "normal": ("norm", "map_Bump -bm 1")}


def write_obj(
    mesh: Mesh,
    path: Path,
    name: str,
    quads: bool = False,
    parts: NamedParts | None = None,
    textures: TextureFormat = "png",
) -> list[Path]:
    """OBJ with its MTL and textures beside it (see export.targets). All are written before any takes its
    place, the OBJ last: it never points at nothing, and what fails leaves nothing."""
    base = companion_name(path.stem)
    images: list[tuple[Path, bytes]] = []
    maps = []
    for kind, keywords in MAPS.items():
        image = texture_of(mesh, kind)
        if image is not None:
            data, mime = encoded(image, textures, exact=kind == "normal")
            images.append((path.with_name(f"{base}_{kind}.{SUFFIXES[mime]}"), data))
            maps += [f"{keyword} {images[-1][0].name}" for keyword in keywords]
    pieces = pieces_of(mesh, name, parts)
    found = _obj_materials(pieces).items()
    lines = [line for title, color in found for line in _mtl(title, color, maps, mesh.material)]
    material = path.with_name(f"{base}.mtl")
    files = [
        (path, obj_bytes(pieces, material.name, quads)),
        (material, "\n".join([*lines, ""]).encode()),
        *images,
    ]
    with ExitStack() as stack:  # whose contexts end in the opposite order
        for target, data in files:
            stack.enter_context(atomic_path(target)).write_bytes(data)
    return [target for target, _ in files]


def _obj_materials(pieces: Sequence[NamedPart]) -> dict[str, np.ndarray | None]:
    """Materials with their colours, or all white if one has none: an OBJ has all in its corners or none."""
    found = materials_of(pieces)
    return found if all(color is not None for color in found.values()) else dict.fromkeys(found)


def _mtl(name: str, color: np.ndarray | None, maps: Sequence[str], material: Material) -> list[str]:
    kd = " ".join(f"{c:.6g}" for c in (np.ones(3) if color is None else color))
    return [f"newmtl {name}", "Ka 0 0 0", f"Kd {kd}", "Ks 0 0 0",
            f"Pm {material.metallic:.6g}", f"Pr {material.roughness:.6g}", "illum 1", *maps]  # fmt: skip


def companion_name(stem: str) -> str:
    """A name for the files beside an OBJ that every parser reads: OBJ has no way to quote a space or an
    emoji."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("_")
    return stem if plain == stem else f"{plain or 'mesh'}_{hashlib.sha256(utf8(stem)).hexdigest()[:6]}"


def utf8(name: str) -> bytes:
    """A file name's own bytes, which need not be UTF-8."""
    return name.encode("utf-8", "surrogateescape")


def obj_bytes(pieces: Sequence[NamedPart], material_file: str, quads: bool = False) -> bytes:
    """Wavefront OBJ. Colours after the coordinates are sRGB, as MeshLab, Blender and trimesh read them; none
    where the materials of all pieces have them. Each piece is an object of its own."""
    with_colors = any(color is None for color in _obj_materials(pieces).values())
    lines, begin = [f"mtllib {material_file}"], 1
    for piece in pieces:
        lines += _obj_piece(piece, begin, quads, with_colors)
        begin += len(piece.mesh.vertices)
    return ("\n".join(lines) + "\n").encode()


def _obj_piece(piece: NamedPart, begin: int, quads: bool, with_colors: bool) -> list[str]:
    """One object, whose corners are numbered from `begin`."""
    mesh = piece.mesh
    rows = mesh.vertices.double().numpy()
    if mesh.colors is not None and with_colors and texture_of(mesh, "albedo") is None:
        rows = np.concatenate([rows, mesh.colors.double().numpy().clip(0, 1)], 1)
    lines = [f"o {piece.name}", *_lines("v", rows[:, :3], rows[:, 3:])]
    if mesh.uv is not None:
        lines += _lines("vt", mesh.uv.double().numpy())
    lines += [*_lines("vn", normals_of(mesh)), f"usemtl {piece.material}"]
    corner = "{0}/{0}/{0}" if mesh.uv is not None else "{0}//{0}"
    polygons = quads_of(mesh.faces.numpy()) if quads else mesh.faces.tolist()
    return lines + [f"f {' '.join(corner.format(i + begin) for i in polygon)}" for polygon in polygons]


def _lines(word: str, rows: np.ndarray, more: np.ndarray | None = None) -> Iterable[str]:
    form = word + f" %.{digits(rows, 6)}g" * rows.shape[1]
    if more is not None:
        rows, form = np.concatenate([rows, more], 1), form + " %.6g" * more.shape[1]
    return (form % tuple(row) for row in rows.tolist())


def digits(points: np.ndarray, least: int) -> int:
    """How many digits coordinates need: `least`, and as many more as the points lie farther from the origin
    than they spread. 32-bit numbers have 9."""
    far, spread = np.abs(points).max(initial=0), np.ptp(points, axis=0).max(initial=0) if len(points) else 0
    return 9 if far > 1e9 * spread else min(9, least + max(0, int(np.ceil(np.log10(max(far / spread, 1))))))
