"""What --image FILE[@AZIMUTH[,ELEVATION]] says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from dreamlab.core.errors import InputError


def image_settings(text: str) -> dict[str, Any]:
    """The settings of one picture; a file whose own name has an @ is taken as it is.

    Raises InputError for angles that cannot be read, and for a file that is not there.
    """
    name, at, angles = text.rpartition("@")
    if not at or Path(text).is_file():
        name, angles = text, ""
    if not Path(name).expanduser().is_file():
        raise InputError(f"--image {name}: there is no such file")
    if not angles:
        return {"path": name}
    try:
        azimuth, *others = (float(part) for part in angles.split(","))
    except ValueError:
        azimuth, others = math.nan, []
    if not math.isfinite(azimuth) or len(others) > 1 or not all(map(math.isfinite, others)):
        raise InputError(
            "--image cannot read the camera",
            expected="degrees, such as @90 or @90,15",
            got=f"@{angles}",
        )
    return {"path": name, "azimuth": azimuth, **({"elevation": others[0]} if others else {})}
