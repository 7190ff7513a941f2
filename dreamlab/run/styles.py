"""Looks that --style names: settings of the last stages, on top of any preset."""

from __future__ import annotations

from typing import Any

STYLES: dict[str, dict[str, Any]] = {
    "low-poly": {
        "simplify": {"faces": 500, "color_weight": 0.01},
        "texture": {"into": "faces", "palette": {"mode": "on"}},
    },
}
"""By name, as `stages:` of a config file has them. Of 300, 500 and 800 faces, 500 kept the legs, ears and
windows of five objects and still showed planes."""
