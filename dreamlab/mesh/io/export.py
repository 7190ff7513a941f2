"""Write a mesh in the format that the file's suffix names: whole or not at all, and the same bytes every
time.

GLB, OBJ, PLY and USDZ are +Y up in metres. STL and 3MF are what printers' slicers read: +Z up, millimetres.
"""

from __future__ import annotations

import io
import logging
import os
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.core.extras import importable
from dreamlab.core.files import write_atomic
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import texture_of, to_bytes, vertex_colors
from dreamlab.mesh.geometry.named_parts import NamedParts
from dreamlab.mesh.geometry.shape import normals_of
from dreamlab.mesh.io.encode import TextureFormat
from dreamlab.mesh.io.gltf import Compression, glb_bytes
from dreamlab.mesh.io.names import legal_name
from dreamlab.mesh.io.obj_write import companion_name, digits, write_obj
from dreamlab.mesh.io.splat import splat_bytes
from dreamlab.mesh.io.usd import write_usdz
from dreamlab.mesh.surface.clean import check_faces

log = logging.getLogger(__name__)

FORMATS = (".glb", ".obj", ".ply", ".stl", ".3mf", ".usdz", ".splat.ply")


def check_packages(kinds: Iterable[str], compression: Compression = "none", quads: bool = False) -> None:
    """Raise UnavailableError now, not after an hour's run, if one of these formats or ways needs a package
    that is not installed."""
    wants = {
        "usdz": ("usd-core", "pxr", "usd"),
        "draco": ("DracoPy", "DracoPy", "draco"),
        "meshopt": ("meshopt", "meshopt", "meshopt"),
        "quads": ("pynanoinstantmeshes", "pynanoinstantmeshes", "quads"),
    }
    for asked in (*kinds, compression, "quads" if quads else ""):
        package, module, extra = wants.get(asked.lstrip("."), ("", "", ""))
        if module and not importable(module):
            raise UnavailableError(
                f"{asked} needs {package}, which is not installed",
                mend=f"pip install 'dreamlab[{extra}]', or do without {asked}",
            )


def check_textures(kinds: Iterable[str], textures: TextureFormat) -> None:
    """InputError for WebP in a format whose readers do not know it."""
    for kind in kinds:
        if textures == "webp" and kind.lstrip(".") in ("obj", "usdz"):
            raise InputError(
                f"{kind.lstrip('.').upper()} has no WebP textures: hardly a program would show them",
                expected="png or jpeg",
                mend="Write GLB, or take another --texture-format",
            )


def write(
    mesh: Mesh,
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    compression: Compression = "none",
    quads: bool = False,
    parts: NamedParts | None = None,
    textures: TextureFormat = "png",
    made_by: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write the mesh; returns the files written, the named one first.

    The suffix decides: .glb, .obj (with .mtl and .png), .ply, .stl, .3mf, .usdz (needs usd-core), .splat.ply
    (one flat Gaussian a face). `name` is that of the object, its material and its images inside the file,
    made legal (default: the file's own, without suffix). `compression` is for GLB; `quads` writes OBJ faces
    of four corners where two triangles that follow each other share a diagonal, as remeshing to quads leaves
    them. GLB and OBJ have `parts` as named materials or meshes, the others have the whole. `textures` is how
    images are encoded; WebP is for GLB alone. `made_by` is what a GLB says of its making.

    Raises:
        InputError: an unknown suffix, WebP outside GLB, a mesh without faces, a place that cannot be written
            to.
        UnavailableError: USDZ without usd-core, Draco without DracoPy, meshopt without its package.
    """
    path = Path(path)
    check_faces(mesh.vertices.numpy(), mesh.faces.numpy())
    kind = ".splat.ply" if path.name.lower().endswith(".splat.ply") else path.suffix.lower()
    if kind in (".obj", ".usdz") and mesh.colors is not None and texture_of(mesh, "albedo") is not None:
        log.warning("%s: left out: the colours at corners that tint the texture (GLB has both)", path.name)
    name = legal_name(path.name[: -len(kind)] if name is None else name)
    check_textures([kind], textures)
    if kind == ".obj":
        return write_obj(mesh, path, name, quads, parts, textures)
    if kind == ".usdz":
        write_usdz(mesh, path, name, textures)
        return [path]
    if kind == ".glb":
        data = glb_bytes(mesh, name, compression, parts, textures, made_by)
    elif kind == ".ply":
        data = ply_bytes(mesh)
    elif kind == ".stl":
        data = stl_bytes(mesh, name)
    elif kind == ".3mf":
        data = threemf_bytes(mesh, name)
    elif kind == ".splat.ply":
        data = splat_bytes(mesh)
    else:
        raise InputError(
            f"cannot write {path.name}", expected="a name ending in " + ", ".join(FORMATS), got=kind
        )
    write_atomic(path, data)
    return [path]


def targets(path: Path) -> list[Path]:
    """Every file that `write` may write for a name."""
    if path.suffix.lower() != ".obj":
        return [path]
    base = companion_name(path.stem)
    ends = (f"_{kind}.{suffix}" for kind in ("albedo", "normal") for suffix in ("png", "jpg"))
    return [path, *(path.with_name(base + end) for end in (".mtl", *ends))]


def ply_bytes(mesh: Mesh) -> bytes:
    """Binary little-endian PLY with normals and, where the mesh has colour, 8-bit sRGB vertex colours."""
    colors = vertex_colors(mesh)
    columns = [(axis, "<f4") for axis in ("x", "y", "z", "nx", "ny", "nz")]
    if colors is not None:
        columns += [(channel, "u1") for channel in ("red", "green", "blue")]
    vertices = np.zeros(len(mesh.vertices), dtype=columns)
    for k, axis in enumerate("xyz"):
        vertices[axis] = mesh.vertices[:, k].numpy()
        vertices["n" + axis] = normals_of(mesh)[:, k]
    if colors is not None:
        for k, channel in enumerate(("red", "green", "blue")):
            vertices[channel] = to_bytes(colors[:, k])
    faces = np.zeros(len(mesh.faces), dtype=[("n", "u1"), ("i", "<i4", 3)])
    faces["n"], faces["i"] = 3, mesh.faces.numpy()
    words = {"<f4": "float", "u1": "uchar"}
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    header += [f"property {words[kind]} {name}" for name, kind in columns]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    return "\n".join(header).encode() + vertices.tobytes() + faces.tobytes()


def for_print(mesh: Mesh) -> np.ndarray:
    """Vertices [V,3] in millimetres with +Z up; the front (+Z) comes to face -Y, towards the person at the
    printer."""
    x, y, z = mesh.vertices.double().numpy().T
    return np.stack([x, -z, y], 1) * 1000


def stl_bytes(mesh: Mesh, name: str = "object") -> bytes:
    """Binary STL: triangles alone, and the object's name in the header."""
    corners = for_print(mesh)[mesh.faces.numpy()]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
    rows = np.zeros(len(corners), dtype=[("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("spare", "<u2")])
    rows["normal"], rows["corners"] = normal, corners
    header = f"dreamlab, millimetres, Z up: {name}"[:80].encode()
    return header.ljust(80) + struct.pack("<I", len(rows)) + rows.tobytes()


def threemf_bytes(mesh: Mesh, name: str = "object") -> bytes:
    """3MF core 1.3 of an object of this name with, where the mesh has colour, the materials extension's
    vertex colours.

    Vertices are welded: 3MF wants one closed manifold, and texture seams would cut it open.
    """
    first, index = _weld_rows(for_print(mesh))
    vertices, faces = for_print(mesh)[first], index[mesh.faces.numpy()]
    colors = vertex_colors(mesh)
    group, style = "", [""] * len(faces)
    if colors is not None:
        swatches, swatch = np.unique(to_bytes(colors), axis=0, return_inverse=True)
        inner = "".join(f'<m:color color="#{r:02X}{g:02X}{b:02X}"/>' for r, g, b in swatches.tolist())
        group = f'<m:colorgroup id="2">{inner}</m:colorgroup>'
        picked = swatch.reshape(-1)[mesh.faces.numpy()].tolist()
        style = [f' pid="2" p1="{a}" p2="{b}" p3="{c}"' for a, b, c in picked]
    form = '<vertex x="%.{0}g" y="%.{0}g" z="%.{0}g"/>'.format(digits(vertices, 7))
    points = "".join(form % tuple(row) for row in vertices.tolist())
    triangles = "".join(
        f'<triangle v1="{a}" v2="{b}" v3="{c}"{s}/>'
        for (a, b, c), s in zip(faces.tolist(), style, strict=True)
    )
    model = (
        '<?xml version="1.0" encoding="UTF-8"?><model unit="millimeter" xml:lang="en-US" '
        'xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02" '
        'xmlns:m="http://schemas.microsoft.com/3dmanufacturing/material/2015/02">'
        f'<resources>{group}<object id="1" type="model" name="{name}"><mesh><vertices>{points}</vertices>'
        f"<triangles>{triangles}</triangles></mesh></object></resources>"
        '<build><item objectid="1"/></build></model>'
    )
    types = (
        '<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>'
        "</Types>"
    )
    relations = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Target="/3D/3dmodel.model" Id="rel0" '
        'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>'
    )
    return zip_bytes({"[Content_Types].xml": types, "_rels/.rels": relations, "3D/3dmodel.model": model})


def zip_bytes(entries: dict[str, str]) -> bytes:
    """A zip archive whose bytes do not depend on the clock."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _weld_rows(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from dreamlab.mesh.geometry.topology import unique_rows

    return unique_rows(vertices)
