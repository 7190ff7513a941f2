"""A picture and its camera in a line, as --image and lists of jobs say them: FILE[@AZIMUTH[,ELEVATION]]."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from dreamlab.core.errors import InputError


def image_settings(text: str, folder: Path = Path()) -> dict[str, Any]:
    """The settings of one picture; a file whose own name has an @ is taken as it is.

    folder: what the file's name is relative to. Raises InputError for angles that cannot be read, and for a
    file that is not there.
    """
    name, at, angles = text.rpartition("@")
    if not at or _in(folder, text).is_file():
        name, angles = text, ""
    file = _in(folder, name)
    if not file.is_file():
        raise InputError(f"the picture {file}: there is no such file")
    if not angles:
        return {"path": str(file)}
    try:
        azimuth, *others = (float(part) for part in angles.split(","))
    except ValueError:
        azimuth, others = math.nan, []
    if not math.isfinite(azimuth) or len(others) > 1 or not all(map(math.isfinite, others)):
        raise InputError(
            f"cannot read the camera of the picture {file}",
            expected="degrees, such as @90 or @90,15",
            got=f"@{angles}",
        )
    return {"path": str(file), "azimuth": azimuth, **({"elevation": others[0]} if others else {})}


def _in(folder: Path, name: str) -> Path:
    return folder / Path(name).expanduser()
