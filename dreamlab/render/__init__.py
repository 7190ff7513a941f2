"""Field and cameras to images."""

from __future__ import annotations

from dreamlab.render.background import Background, BackgroundConfig
from dreamlab.render.occupancy import OccupancyConfig, OccupancyGrid
from dreamlab.render.shading import Shading, ShadingConfig
from dreamlab.render.volume import VolumeRenderer, VolumeRendererConfig

__all__ = [
    "Background",
    "BackgroundConfig",
    "OccupancyConfig",
    "OccupancyGrid",
    "Shading",
    "ShadingConfig",
    "VolumeRenderer",
    "VolumeRendererConfig",
]
