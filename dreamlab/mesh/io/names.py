"""Names of nodes, meshes, materials and images inside files: legal wherever such a file is opened.

Two objects of one name in one project share a material in Godot and a texture in Unity, so a name tells the
object: a run's files have its prompt's, others their own file's.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.named_parts import NamedPart, NamedParts, split_parts

LONGEST = 64
# Godot's importer makes other things of nodes that end so: a body, a wheel, nothing at all.
GODOT = (
    "col", "convcol", "colonly", "convcolonly", "occ", "occonly", "navmesh", "noimp", "rigid", "vehicle",
    "wheel", "loop", "cycle", "alpha", "vcol",
)  # fmt: skip
UNREAL = re.compile(r"(?i)(ucx|ubx|ucp|usp)_")  # how collision shapes begin
WINDOWS = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)")  # no file may be called so, and engines make files


def legal_name(text: str) -> str:
    """A name of A-Z, a-z, 0-9, "-" and "_" that no format quotes and no engine takes for an instruction.

    Accents go and all else becomes "-"; where letters of other scripts or signs are lost, or the end of a
    long name, six digits of a checksum keep it apart from others. "wooden-wheel" becomes "wooden-wheel-mesh":
    Godot makes a vehicle's wheel of a node that ends so.
    """
    folded = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", folded).strip("-_")
    if not folded.isascii() or len(plain) > LONGEST:
        code = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:6]
        plain = f"{plain[:LONGEST].strip('-_') or 'object'}-{code}"
    plain = UNREAL.sub(r"\1-", plain, count=1) if UNREAL.match(plain) else plain or "object"
    reserved = re.split("[-_]", re.sub(r"\d+$", "", plain).lower())[-1] in GODOT
    return f"{plain}-mesh" if reserved or WINDOWS.fullmatch(plain) else plain


def pieces_of(mesh: Mesh, name: str, parts: NamedParts | None) -> list[NamedPart]:
    """The pieces that a file has: the whole under its name, or `parts` as "mushroom-red-2" of the material
    "mushroom.red". Engines take dots out of the names of nodes, and leave them in those of materials."""
    if parts is None:
        return [NamedPart(name, name, mesh, None)]
    return [
        piece._replace(
            name=legal_name(f"{name}-{piece.name}"), material=f"{name}.{legal_name(piece.material)}"
        )
        for piece in split_parts(mesh, parts)
    ]


def prim_name(name: str) -> str:
    """The name as USD has it: letters, digits and "_", not beginning with a digit."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return f"_{plain}" if plain[:1].isdigit() else plain
