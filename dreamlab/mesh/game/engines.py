"""What each engine expects: which files, and what their nodes are called.

All take glTF: metres, +Y up, the front faces +Z, the origin where the object stands. Importers turn that into
their own axes and units (Unreal: centimetres, +Z up).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.named_parts import NamedParts
from dreamlab.mesh.io.gltf import GlbObject

Engine = Literal["unity", "unreal", "godot", "web"]


class GameFile(NamedTuple):
    """A GLB: its name without suffix, what is in it, and the node that all is below, if any."""

    stem: str
    objects: list[GlbObject]
    root: str | None = None


def files_for(
    engine: Engine, name: str, levels: Sequence[Mesh], hulls: Sequence[Mesh], parts: NamedParts | None = None
) -> list[GameFile]:
    """The files of an object of this (legal) name; `parts` are those of level 0.

    unity: one file with name_LOD0, name_LOD1, ... below one node, as a LOD Group wants them, and the hulls in
    a file of their own, for convex Mesh Colliders.
    unreal: name with its hulls, UCX_name_01, ..., which the importer makes simple collision of; each further
    level alone, for "Import LOD".
    godot: name with its hulls, ...-convcolonly, which the importer makes static bodies of; each further level
    alone, for visibility ranges (the importer makes levels of its own from level 0).
    web: every level alone; the hulls in a file of their own.
    """
    shown = [GlbObject(f"{name}_LOD{k}", mesh) for k, mesh in enumerate(levels)]
    further = [GameFile(item.name, [item]) for item in shown[1:]]
    whole = GlbObject(name, levels[0], parts)
    if engine == "unity":
        shown[0] = shown[0]._replace(parts=parts)
        return [GameFile(name, shown, root=name), *_apart(name, hulls)]
    if engine == "web":
        return [GameFile(name, [whole]), *further, *_apart(name, hulls)]
    form = "UCX_{0}_{1:02d}" if engine == "unreal" else "{0}-hull-{1:02d}-convcolonly"
    solid = [GlbObject(form.format(name, k), hull, bare=True) for k, hull in enumerate(hulls, 1)]
    return [GameFile(name, [whole, *solid]), *further]


def _apart(name: str, hulls: Sequence[Mesh]) -> list[GameFile]:
    solid = [GlbObject(f"{name}_collision_{k:02d}", hull, bare=True) for k, hull in enumerate(hulls, 1)]
    return [GameFile(f"{name}_collision", solid)] if solid else []
