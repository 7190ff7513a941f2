"""An object as a folder for a game engine: levels, hulls, files, and budget.json: what it costs."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.core.files import write_atomic
from dreamlab.evaluate.level_fidelity import Original
from dreamlab.mesh.game.budget import budget_of
from dreamlab.mesh.game.engines import Engine, files_for
from dreamlab.mesh.game.hulls import Hulls, convex_hulls
from dreamlab.mesh.game.levels import levels_of
from dreamlab.mesh.game.soundness import soundness
from dreamlab.mesh.io.encode import PackedFormat
from dreamlab.mesh.io.export import check_packages
from dreamlab.mesh.io.gltf import Compression, glb_scene
from dreamlab.mesh.io.names import legal_name
from dreamlab.stages.protocol import SurfaceMesh

log = logging.getLogger(__name__)

SUMMARY = "budget.json"
NO_HULLS = Hulls((), "none", 0.0, None)


class GameAsset(NamedTuple):
    """The files that were written, by name, and what budget.json says."""

    files: dict[str, Path]
    summary: dict[str, Any]


def write_game(
    scene: SurfaceMesh,
    engine: Engine,
    folder: Path,
    name: str,
    *,
    levels: int = 4,
    hulls: int = 8,
    textures: PackedFormat | None = None,
    made_by: Mapping[str, Any] | None = None,
) -> GameAsset:
    """Write the object, at its size and place, into a folder of its own.

    levels: of detail, the object itself among them. hulls: convex ones for collisions at most; 0: none.
    textures: how images are encoded; None is WebP for the web and PNG for the others, which compress them
    anew; KTX2 needs the program basisu. Web files are packed with meshopt where its package is installed.
    made_by: what every file says of its making.

    Raises InputError for a folder that holds something else, and as convex_hulls does.
    """
    name, packed = legal_name(name), _compression(engine)
    kind = textures or ("webp" if engine == "web" else "png")
    before = _make(folder)
    meshes = levels_of(scene.mesh, levels)
    solid = convex_hulls(scene.mesh, hulls) if hulls else NO_HULLS
    files = {}
    for file in files_for(engine, name, meshes, solid.meshes, scene.parts):
        path = folder / f"{file.stem}.glb"
        write_atomic(path, glb_scene(file.objects, packed, kind, file.root, made_by))
        files[file.stem] = path
    rows, original = [], Original.of(meshes[0])
    for level, mesh in enumerate(meshes):
        row = budget_of(mesh, scene.parts if level == 0 else None)._asdict()
        alike = original.likeness(mesh)._asdict() if level else {}
        rows.append({"level": level, **row, **_rounded(alike)})
    size = (scene.mesh.vertices.amax(0) - scene.mesh.vertices.amin(0)).tolist()
    summary = {
        "engine": engine,
        "name": name,
        "size_in_metres": [round(side, 4) for side in size],
        "levels": rows,
        "surface": _rounded(soundness(meshes[0])._asdict()),
        "collision": _of_hulls(solid),
        "compression": packed,
        "texture_format": kind,
        "files": {path.name: path.stat().st_size for path in files.values()},
    }
    for left in before - {path.name for path in files.values()}:  # that export had more levels
        (folder / left).unlink(missing_ok=True)
    write_atomic(folder / SUMMARY, (json.dumps(summary, indent=1) + "\n").encode())
    return GameAsset(files | {"budget": folder / SUMMARY}, summary)


def _compression(engine: Engine) -> Compression:
    if engine != "web":
        return "none"
    try:
        check_packages((), "meshopt")
    except UnavailableError as error:
        log.warning("the geometry is not packed: %s", error)
        return "none"
    return "meshopt"


def _make(folder: Path) -> set[str]:
    """The folder, empty or of an export before, whose files' names are returned: nothing else is written
    over."""
    before, there = set[str](), set[str]()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = {path.name for path in folder.iterdir()}
        if SUMMARY in there:
            told = json.loads((folder / SUMMARY).read_bytes())["files"]
            before = {str(name) for name in told if Path(name).name == name}
    except OSError as error:
        raise InputError(f"{folder} cannot be made", got=error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError):  # damaged, or another program's
        before = set()
    if there - before - {SUMMARY} or (there and not before):
        raise InputError(
            f"{folder} holds other files", expected="an empty folder", mend="Choose another with --to"
        )
    return before


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()}


def _of_hulls(hulls: Hulls) -> dict[str, Any]:
    return {
        "method": hulls.method,
        "hulls": len(hulls.meshes),
        "corners": sum(len(hull.vertices) for hull in hulls.meshes),
        "surface_covered": round(hulls.covered, 4),
        "volume": None if hulls.volume is None else round(hulls.volume, 4),
    }
