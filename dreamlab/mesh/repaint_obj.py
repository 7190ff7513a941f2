"""An OBJ file with other materials, and all its lines about shape as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dreamlab.core.errors import InputError
from dreamlab.core.files import atomic_path
from dreamlab.mesh.io.encode import encoded
from dreamlab.mesh.io.obj import obj_surfaces
from dreamlab.mesh.io.obj_write import companion_name
from dreamlab.mesh.material_words import Finish
from dreamlab.mesh.repaint import Coat, Image, Piece, finish_over, image_for

NAMELESS = "object"  # the material of faces that have none


def repaint_obj(
    source: Path, target: Path, coat_of: Callable[[Sequence[Piece]], Coat], side: int | None = None
) -> tuple[list[Path], str]:
    """Write the file with a coat of its pieces, a material file and an image for each material; the files,
    the OBJ first. Lines of positions, coordinates, normals and faces stay, but for colours of corners.

    Where its coordinates cannot hold an image nothing is written, and the second is why. Raises InputError
    for a file without triangles, and as `read_obj`.
    """
    found = [one for one in obj_surfaces(source) if len(one.part.faces)]
    if not found:
        raise InputError(f"{source.name} holds no triangles", expected="a mesh")
    pieces = [Piece(o.part.vertices[o.part.faces], o.part.faces, o.part.mesh(), o.uv) for o in found]
    coat, images, finishes = coat_of(pieces), dict[str, Image](), dict[str, Finish]()
    for one, piece in zip(found, pieces, strict=True):
        images[one.name or NAMELESS] = image = image_for([piece], coat, side)
        finishes[one.name or NAMELESS] = finish_over(coat, piece.mesh.material)
        if image.uv is not None:
            return [], image.fault
    base = companion_name(target.stem)
    lines, files = list[str](), list[tuple[Path, bytes]]()
    for number, (name, image) in enumerate(images.items(), 1):
        data, _ = encoded(image.pixels)
        picture = f"{base}_albedo.png" if len(images) == 1 else f"{base}_albedo_{number}.png"
        files.append((target.with_name(picture), data))
        lines += [f"newmtl {name}", "Ka 0 0 0", "Kd 1 1 1", "Ks 0 0 0"]
        lines += [f"Pm {finishes[name].metallic:.6g}", f"Pr {finishes[name].roughness:.6g}", "illum 1"]
        lines += [f"map_Kd {picture}", ""]
    files.append((target.with_name(f"{base}.mtl"), "\n".join(lines).encode()))
    files.append((target, _with_materials(source.read_bytes(), f"{base}.mtl")))
    for path, data in files:  # the OBJ last: it never points at nothing
        with atomic_path(path) as written:
            written.write_bytes(data)
    return [target, *(path for path, _ in files[:-1])], ""


def _with_materials(data: bytes, library: str) -> bytes:
    """The lines of an OBJ with this material file instead of its own."""
    lines = [f"mtllib {library}".encode(), f"usemtl {NAMELESS}".encode()]
    for line in data.split(b"\n"):
        words = line.split()
        if words[:1] == [b"v"] and len(words) > 6:  # a colour would tint the image
            line = b" ".join(words[:4])
        if words[:1] != [b"mtllib"]:
            lines.append(line)
    return b"\n".join(lines)
