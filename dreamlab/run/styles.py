"""Looks that --style names: settings of the last stages, on top of any preset."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

COLOR_WEIGHT = 0.01
"""Of colours at corners or faces in decimation: enough to keep borders between them."""
STYLES: dict[str, dict[str, Any]] = {
    "low-poly": {
        "simplify": {"faces": 500, "color_weight": COLOR_WEIGHT},
        "texture": {"into": "faces", "palette": {"mode": "on"}},
    },
}
"""By name, as `stages:` of a config file has them. Of 300, 500 and 800 faces, 500 kept the legs, ears and
windows of five objects and still showed planes."""


def stages_of(style: str | None) -> dict[str, dict[str, Any]]:
    """A style's settings, the caller's own to change; none without a style."""
    return deepcopy(STYLES[style]) if style else {}
