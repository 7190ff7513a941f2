"""Scene and cameras to images. RendererConfig is the list of renderers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dreamlab.render.background import Background, BackgroundConfig
from dreamlab.render.base import Renderer
from dreamlab.render.occupancy import OccupancyConfig, OccupancyGrid
from dreamlab.render.raster import RasterRenderer, RasterRendererConfig
from dreamlab.render.shading import Shading, ShadingConfig
from dreamlab.render.volume import VolumeRenderer, VolumeRendererConfig

RendererConfig = Annotated[VolumeRendererConfig | RasterRendererConfig, Field(discriminator="kind")]

__all__ = [
    "Background",
    "BackgroundConfig",
    "OccupancyConfig",
    "OccupancyGrid",
    "RasterRenderer",
    "RasterRendererConfig",
    "Renderer",
    "RendererConfig",
    "Shading",
    "ShadingConfig",
    "VolumeRenderer",
    "VolumeRendererConfig",
]
