"""The default field: a multiresolution hash grid and a small MLP (Müller et al. 2022, instant-ngp)."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from dreamlab import ops
from dreamlab.scenes.density import DensityConfig


class HashGridFieldConfig(BaseModel):
    """`levels` grids from `base_resolution` to `finest_resolution` vertices an axis, each with at most
    2^log2_table_size rows of `features` numbers, read by an MLP with `depth` hidden layers of `width`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["hashgrid"] = "hashgrid"
    levels: int = Field(default=8, ge=1, le=16)
    features: Literal[1, 2, 4, 8] = 2
    log2_table_size: int = Field(default=15, ge=3, le=24)
    base_resolution: int = Field(default=16, ge=2, le=4096)
    finest_resolution: int = Field(default=128, ge=2, le=16384)
    width: int = Field(default=64, ge=4, le=128)
    depth: int = Field(default=2, ge=1, le=4)
    density: DensityConfig = DensityConfig()

    @property
    def spec(self) -> ops.HashGridSpec:
        return ops.HashGridSpec(
            self.levels, self.features, self.log2_table_size, self.base_resolution, self.finest_resolution
        )

    def build(self, generator: torch.Generator) -> HashGridField:
        return HashGridField(self, generator)


class HashGridField(nn.Module):
    """See HashGridFieldConfig."""

    def __init__(self, config: HashGridFieldConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.config, self.spec = config, config.spec
        self.activation = config.density.build()
        self.table = nn.Parameter(torch.empty(self.spec.table_rows, self.spec.features))
        sizes = [self.spec.width, *[config.width] * config.depth, 4]
        self.weights = nn.ParameterList(torch.empty(out, inputs) for inputs, out in pairwise(sizes))
        self.restart(generator)

    @torch.no_grad()
    def restart(self, generator: torch.Generator, blob_factor: float = 1.0) -> None:
        """Begin anew from random values; `blob_factor` sets how much denser the first ball is."""
        self.table.copy_((torch.rand(self.table.shape, generator=generator) * 2 - 1) * 1e-4)
        for weight in self.weights:
            bound = math.sqrt(6 / weight.shape[1])
            weight.copy_((torch.rand(weight.shape, generator=generator) * 2 - 1) * bound)
        self.activation.blob_factor.fill_(blob_factor)

    def raw(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, "N 4"]:
        return ops.encode_mlp((x + 1) / 2, self.table, self.spec, list(self.weights))

    def density(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """sigma [N] at world points."""
        return self.activation(self.raw(x)[:, 0], x)

    def forward(self, x: Float[Tensor, "N 3"]) -> tuple[Float[Tensor, " N"], Float[Tensor, "N 3"]]:
        """sigma [N] and sRGB albedo [N,3] in 0..1 at world points."""
        raw = self.raw(x)
        return self.activation(raw[:, 0], x), torch.sigmoid(raw[:, 1:])
