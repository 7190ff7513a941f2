"""What `--mask WHERE` means."""

from __future__ import annotations

import numpy as np

from dreamlab.core.errors import InputError
from dreamlab.mesh.texture.mask import BoxMaskConfig, PartMaskConfig
from dreamlab.stages.auto_mask import AutoMaskConfig


def parse_mask(text: str, was: str) -> BoxMaskConfig | PartMaskConfig | AutoMaskConfig | None:
    """auto, box:x0,y0,z0,x1,y1,z1, part:COLOUR or off, of an object that `was` this. Raises InputError for
    anything else."""
    kind, _, rest = text.strip().partition(":")
    try:
        if kind == "box":
            values = [float(part) for part in rest.split(",")]
            low, high = np.minimum(values[:3], values[3:]), np.maximum(values[:3], values[3:])
            if len(values) == 6 and np.isfinite(values).all() and (low < high).all():
                return BoxMaskConfig(low=tuple(low.tolist()), high=tuple(high.tolist()))
        elif kind == "part" and rest:
            return PartMaskConfig(color=rest)
        elif text.strip() == "auto":
            return AutoMaskConfig(was=was)
        elif text.strip() == "off":
            return None
    except ValueError:
        pass
    expected = "auto, box:x0,y0,z0,x1,y1,z1, part:COLOUR or off"
    raise InputError("--mask cannot be read", expected=expected, got=text)
