"""The default field: a multiresolution hash grid and a small MLP (Müller et al. 2022, instant-ngp)."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from dreamlab import ops
from dreamlab.scenes.base import FieldSettings, RadianceField
from dreamlab.scenes.density import DensityConfig


class HashGridConfig(FieldSettings):
    """The grid and its MLP: see HashGridFieldConfig."""

    levels: int = Field(default=8, ge=1, le=16)
    features: Literal[1, 2, 4, 8] = 2
    log2_table_size: int = Field(default=15, ge=3, le=24)
    base_resolution: int = Field(default=16, ge=2, le=4096)
    finest_resolution: int = Field(default=128, ge=2, le=16384)
    width: int = Field(default=64, ge=4, le=128)
    depth: int = Field(default=2, ge=1, le=4)

    @property
    def spec(self) -> ops.HashGridSpec:
        return ops.HashGridSpec(
            self.levels, self.features, self.log2_table_size, self.base_resolution, self.finest_resolution
        )


class HashGridFieldConfig(HashGridConfig):
    """Density and colour on `levels` grids from `base_resolution` to `finest_resolution` vertices an axis,
    each with at most 2^log2_table_size rows of `features` numbers, read by an MLP with `depth` hidden layers
    of `width`."""

    kind: Literal["hashgrid"] = "hashgrid"
    density: DensityConfig = DensityConfig()

    def build(self, generator: torch.Generator) -> HashGridField:
        return HashGridField(self, generator)


class HashGridField(RadianceField):
    """See HashGridFieldConfig."""

    def __init__(self, config: HashGridFieldConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.config, self.spec = config, config.spec
        self.activation = config.density.build()
        self.table, self.weights = hash_network(config)
        self.restart(generator)

    @torch.no_grad()
    def restart(self, generator: torch.Generator, blob_factor: float = 1.0) -> None:
        randomise(self.table, self.weights, generator)
        self.activation.blob_factor.fill_(blob_factor)

    def raw(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, "N 4"]:
        return ops.encode_mlp((x + 1) / 2, self.table, self.spec, list(self.weights))

    def parameter_groups(self) -> dict[str, list[str]]:
        return network_groups(self.weights)


def hash_network(config: HashGridConfig) -> tuple[nn.Parameter, nn.ParameterList]:
    """The table [rows, features] and the MLP's weights [out, in] with four outputs, not yet filled."""
    spec = config.spec
    table = nn.Parameter(torch.empty(spec.table_rows, spec.features))
    sizes = [spec.width, *[config.width] * config.depth, 4]
    return table, nn.ParameterList(torch.empty(out, inputs) for inputs, out in pairwise(sizes))


@torch.no_grad()
def randomise(table: nn.Parameter, weights: nn.ParameterList, generator: torch.Generator) -> None:
    """A nearly empty table and He-uniform weights."""
    table.copy_((torch.rand(table.shape, generator=generator) * 2 - 1) * 1e-4)
    for weight in weights:
        bound = math.sqrt(6 / weight.shape[1])
        weight.copy_((torch.rand(weight.shape, generator=generator) * 2 - 1) * bound)


def network_groups(weights: nn.ParameterList) -> dict[str, list[str]]:
    """The groups of a field whose parameters are `table` and `weights`."""
    return {"encoding": ["table"], "network": [f"weights.{i}" for i in range(len(weights))]}
