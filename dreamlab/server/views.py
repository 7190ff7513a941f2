"""What can be made of a run's mesh while somebody waits for it: a picture, another format."""

from __future__ import annotations

import re
from math import radians
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamlab.core.errors import InputError
from dreamlab.run.run_dir import RunDir
from dreamlab.server.files import TYPES, servable

if TYPE_CHECKING:
    from PIL.Image import Image

    from dreamlab.stages.export import MeshFormat
    from dreamlab.views.render import Style


def result_files(run: Path) -> list[str]:
    """Names of the files of a run that may be fetched."""
    names = sorted(path.name for path in run.iterdir() if path.suffix in TYPES)
    return [name for name in names if servable(run.parent, run.name, name)]


def measures(run: Path) -> dict[str, Any]:
    """What a finished run says of its mesh; nothing where it has not been measured."""
    found = RunDir(run).summary().get("measures")
    return found if isinstance(found, dict) else {}


def picture(run: Path, azimuth: float, elevation: float, size: int, style: Style) -> Image:
    """The mesh of a finished run on white; angles in degrees, `size` pixels a side.

    Raises InputError for a run without a GLB.
    """
    from PIL import Image

    from dreamlab.mesh.io.load import load
    from dreamlab.views.still import still_of

    if not (run / "mesh.glb").is_file():
        raise InputError(f"{run.name} has no mesh.glb", mend="Wait until it is done, or export it as glb")
    mesh = load(run / "mesh.glb")
    return Image.fromarray(still_of(mesh, radians(azimuth), radians(elevation), size, style))


def exported(run: Path, kind: MeshFormat, faces: int | None, size: str | None) -> list[Path]:
    """The mesh in a format, beside the run's other files: the one that is there already, or made anew from
    the checkpoint. Raises InputError, ConfigError where it cannot be."""
    from dreamlab.api import Result

    name = "mesh" + (f"-{faces}" if faces is not None else "") + (f"-{_slug(size)}" if size else "")
    target = run / f"{name}.{kind}"
    if target.is_file():
        return [target]
    settings: dict[str, Any] = {}
    if faces is not None:
        settings["stages.simplify.faces"] = faces
    if size is not None:
        settings["stages.export.size"] = size
    return Result(run).export(target, settings)


def _slug(size: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "", size.lower())[:20]
