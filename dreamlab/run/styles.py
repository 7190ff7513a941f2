"""Looks that --style names: settings of the last stages, on top of any preset."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

COLOR_WEIGHT = 0.01
"""Of colours at corners or faces in decimation: enough to keep borders between them."""
MATERIALS = ("clay", "gold", "silver", "bronze", "wood", "stone", "marble", "glass")
"""Those of dreamlab.mesh.texture.solids, without its imports; a test compares."""
FACETED = ("low-poly", "voxel")
"""Those that are shape and faces of one colour, and so for mesh files, too."""
_FLAT = {"mode": "on", "gradients": False}
STYLES: dict[str, dict[str, Any]] = {
    "low-poly": {
        "simplify": {"faces": 500, "color_weight": COLOR_WEIGHT},
        "texture": {"into": "faces", "palette": {"mode": "on"}},
    },
    "voxel": {"simplify": {"cubes": 28}, "texture": {"into": "faces", "palette": {"mode": "on"}}},
    "toon": {"texture": {"finish": "unlit", "normal_map": False, "palette": {**_FLAT, "colors": 5}}},
    **{name: {"texture": {"material": name, "palette": _FLAT}} for name in MATERIALS},
}
"""By name, as `stages:` of a config file has them. Of 300, 500 and 800 faces, 500 kept the legs, ears and
windows of five objects and still showed planes. A material keeps the object's parts apart by how light they
are, and a palette keeps the noise of its colours out of that."""


def stages_of(style: str | None) -> dict[str, dict[str, Any]]:
    """A style's settings, the caller's own to change; none without a style."""
    return deepcopy(STYLES[style]) if style else {}
