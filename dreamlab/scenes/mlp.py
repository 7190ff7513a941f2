"""A plain MLP field on Fourier features, after DreamFusion's residual network.

Left out on purpose: mip-NeRF 360's integrated encoding (points, not cones, are encoded).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from dreamlab.scenes.base import FieldSettings, RadianceField
from dreamlab.scenes.density import DensityConfig


class MLPFieldConfig(FieldSettings):
    """`blocks` residual blocks of `width` units with SiLU and layer norm (DreamFusion: 5 x 128), on
    sin and cos of x at `frequencies` octaves."""

    kind: Literal["mlp"] = "mlp"
    blocks: int = Field(default=3, ge=1, le=16)
    width: int = Field(default=64, ge=4, le=1024)
    frequencies: int = Field(default=6, ge=0, le=12)
    density: DensityConfig = DensityConfig(activation="exp", blob="gaussian", strength=5.0, radius=0.2)

    def build(self, generator: torch.Generator) -> MLPField:
        return MLPField(self, generator)


class MLPField(RadianceField):
    """See MLPFieldConfig."""

    def __init__(self, config: MLPFieldConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        self.activation = config.density.build()
        self.first = nn.Linear(3 + 6 * config.frequencies, config.width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(config.width), nn.SiLU(), nn.Linear(config.width, config.width))
            for _ in range(config.blocks)
        )
        self.last = nn.Linear(config.width, 4)
        self.restart(generator)

    @torch.no_grad()
    def restart(self, generator: torch.Generator, blob_factor: float = 1.0) -> None:
        """Begin anew from random weights; `blob_factor` sets how much denser the first ball is."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                # Small at the end, so that the first ball is what the blob says.
                gain = 0.1 if layer is self.last else math.sqrt(2)
                shape, fan_in = layer.weight.shape, layer.in_features
                layer.weight.copy_(torch.randn(shape, generator=generator) * (gain / math.sqrt(fan_in)))
                layer.bias.zero_()
            elif isinstance(layer, nn.LayerNorm):
                layer.reset_parameters()
        self.activation.blob_factor.fill_(blob_factor)

    def raw(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, "N 4"]:
        octaves = x[..., None] * (math.pi / 2 * 2.0 ** torch.arange(self.config.frequencies, device=x.device))
        h = self.first(torch.cat([x, octaves.sin().flatten(-2), octaves.cos().flatten(-2)], dim=-1))
        for block in self.blocks:
            h = h + block(h)
        return self.last(F.silu(h))
