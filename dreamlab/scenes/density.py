"""From a network's raw output to a density that starts as a soft ball in the middle of the scene."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from dreamlab.scenes.start_shape import StartShape

_SOLID, _LEAST_FULL = 20.0, 5.0
"""Of a start shape: sigma deep inside, in 1 / world unit, and the raw density that it has at least."""


class DensityConfig(BaseModel):
    """sigma = scale * activation(raw + blob(x)) inside the bound, 0 outside.

    blob "linear" is strength * (1 - |x| / radius), which goes with softplus; "gaussian" is
    strength * exp(-|x|^2 / (2 radius^2)) (DreamFusion A.2), which goes with exp. `scale` sets how hard a
    surface can become for a given raw output. sigma is in 1 / world unit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    activation: Literal["softplus", "exp"] = "softplus"
    blob: Literal["linear", "gaussian"] = "linear"
    strength: float = 10.0
    radius: float = Field(default=0.5, gt=0)
    scale: float = Field(default=1.0, gt=0)
    bound: Literal["sphere", "box"] = "sphere"

    def build(self) -> Density:
        return Density(self)


class Density(nn.Module):
    """See DensityConfig. `blob_factor` makes the ball denser; a restart after a collapse raises it."""

    blob_factor: Tensor

    def __init__(self, config: DensityConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("blob_factor", torch.ones(()))

    def blob(self, x: Float[Tensor, "N 3"], start: StartShape | None = None) -> Float[Tensor, " N"]:
        """What is added to the raw output at x: a ball, or the start shape, whatever the ball's settings."""
        c = self.config
        if start is not None:
            solid = _SOLID / c.scale
            full = math.log(solid) if c.activation == "exp" else solid
            raw = start.raw(x, max(full, _LEAST_FULL))
            return raw + (self.blob_factor - 1) * raw.clamp_min(0)
        if c.blob == "linear":
            shape = 1 - x.norm(dim=-1) / c.radius
        else:
            shape = torch.exp(-x.square().sum(-1) / (2 * c.radius**2))
        # The factor makes the ball denser without digging deeper into the empty space around it.
        return c.strength * (shape + (self.blob_factor - 1) * shape.clamp_min(0))

    def forward(
        self, raw: Float[Tensor, " N"], x: Float[Tensor, "N 3"], start: StartShape | None = None
    ) -> Float[Tensor, " N"]:
        pre = raw + self.blob(x, start)
        # exp(15) is opaque within a thousandth of a unit; more would only overflow.
        sigma = F.softplus(pre) if self.config.activation == "softplus" else pre.clamp_max(15).exp()
        return sigma * self.config.scale * inside(x, self.config.bound)


def inside(x: Float[Tensor, "N 3"], bound: Literal["sphere", "box"]) -> Float[Tensor, " N"]:
    """1 where x lies in the unit sphere or in [-1, 1]^3, else 0."""
    if bound == "sphere":
        return (x.square().sum(-1) <= 1).to(x.dtype)
    return (x.abs().amax(-1) <= 1).to(x.dtype)
