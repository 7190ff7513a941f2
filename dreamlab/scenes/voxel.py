"""A dense voxel grid of raw density and colour: the simplest field there is, and a good one to debug with."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from dreamlab.scenes.base import FieldSettings, RadianceField
from dreamlab.scenes.density import DensityConfig


class VoxelFieldConfig(FieldSettings):
    """`resolution` corner values along each axis of [-1, 1]^3, trilinearly interpolated."""

    kind: Literal["voxel"] = "voxel"
    resolution: int = Field(default=48, ge=2, le=512)
    density: DensityConfig = DensityConfig()

    def build(self, generator: torch.Generator) -> VoxelField:
        return VoxelField(self, generator)


class VoxelField(RadianceField):
    """See VoxelFieldConfig."""

    def __init__(self, config: VoxelFieldConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        self.activation = config.density.build()
        g = config.resolution
        self.grid = nn.Parameter(torch.empty(1, 4, g, g, g))
        self.restart(generator)

    @torch.no_grad()
    def restart(self, generator: torch.Generator, blob_factor: float = 1.0) -> None:
        """Begin anew from random values; `blob_factor` sets how much denser the first ball is."""
        self.grid.copy_(torch.randn(self.grid.shape, generator=generator) * 0.01)
        self.activation.blob_factor.fill_(blob_factor)

    def raw(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, "N 4"]:
        found = F.grid_sample(self.grid, x.view(1, -1, 1, 1, 3), align_corners=True, padding_mode="border")
        return found.view(4, -1).T

    def parameter_groups(self) -> dict[str, list[str]]:
        return {"grid": ["grid"]}
