"""A signed distance on a hash grid, rendered as a density that hardens towards its surface (VolSDF).

Yariv et al. 2021: sigma = Psi_beta(-d) / beta with the cumulative distribution Psi of a Laplace distribution
of mean 0 and scale beta (their equations 2 and 3). Where a density field has a surface wherever a level is
put, this one has it where d = 0, however soft the pictures still are.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field, field_validator
from torch import Tensor, nn

from dreamlab import ops
from dreamlab.core.schedules import Ramp
from dreamlab.scenes.base import RadianceField
from dreamlab.scenes.density import inside
from dreamlab.scenes.hashgrid import HashGridConfig, hash_network, network_groups, randomise

_HARDEST = 1e-3  # a learned beta below this is far thinner than a marching step


class SDFFieldConfig(HashGridConfig):
    """A signed distance d(x) = |x| - radius + scale * raw(x), cut off at the unit sphere; raw and the colour
    are read from grids as those of `hashgrid`. A start shape's distance stands in the place of |x| - radius.

    `beta` (world units) is the softness of the surface over the stage's progress. Within a run it only falls:
    a second stage goes on from what the first one reached. With `learn_beta` it starts where the ramp does
    and is learned, as VolSDF does it; its group of parameters is "beta" (see `lr_scale`).
    """

    knows_distance: ClassVar[bool] = True

    kind: Literal["sdf"] = "sdf"
    radius: float = Field(default=0.5, gt=0.0, lt=1.0)
    scale: float = Field(default=0.3, gt=0.0)
    beta: Ramp = Ramp(start=0.1, end=0.01, to=0.8)
    learn_beta: bool = False

    @field_validator("beta")
    @classmethod
    def _positive(cls, beta: Ramp) -> Ramp:
        if min(beta(step / 100) for step in range(101)) < _HARDEST:
            raise ValueError(f"beta must not fall below {_HARDEST}")
        return beta

    def build(self, generator: torch.Generator) -> SDFField:
        return SDFField(self, generator)


class SDFField(RadianceField):
    """See SDFFieldConfig. State beside the parameters: the first ball's `radius` and, unless it is learned,
    `beta`."""

    radius: Tensor

    def __init__(self, config: SDFFieldConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.config, self.spec = config, config.spec
        self.finest_cell = 2 / self.spec.resolutions[-1]
        self.table, self.weights = hash_network(config)
        self.register_buffer("radius", torch.tensor(config.radius))
        if config.learn_beta:
            self.log_beta = nn.Parameter(torch.zeros(()))
        else:
            self.register_buffer("log_beta", torch.zeros(()))
        self.restart(generator)

    @torch.no_grad()
    def restart(self, generator: torch.Generator, blob_factor: float = 1.0) -> None:
        """Begin anew from random values, softly; `blob_factor` is how much more room the first ball takes."""
        randomise(self.table, self.weights, generator)
        self.weights[-1][0].mul_(0.1)  # the first steps move the surface gently
        self.radius.fill_(min(self.config.radius * blob_factor ** (1 / 3), 0.95))
        self.log_beta.fill_(math.log(self.config.beta(0.0)))

    @torch.no_grad()
    def advance(self, progress: float) -> None:
        """Harden as far as the ramp says at this progress of the stage; never soften."""
        if not self.config.learn_beta:
            self.log_beta.clamp_(max=math.log(self.config.beta(progress)))

    @property
    def beta(self) -> Float[Tensor, ""]:
        """The softness of the surface in world units."""
        return self.log_beta.exp().clamp_min(_HARDEST)

    def raw(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, "N 4"]:
        return ops.encode_mlp((x + 1) / 2, self.table, self.spec, list(self.weights))

    def distance(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """Signed distance [N] to the surface, negative inside; nothing lies outside the unit sphere."""
        return self._distance(self.raw(x), x)

    def density(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """sigma [N] at world points."""
        return volsdf_density(self.distance(x), self.beta) * inside(x, "sphere")

    def forward(self, x: Float[Tensor, "N 3"]) -> tuple[Float[Tensor, " N"], Float[Tensor, "N 3"]]:
        """sigma [N] and sRGB albedo [N,3] in 0..1 at world points."""
        raw = self.raw(x)
        sigma = volsdf_density(self._distance(raw, x), self.beta) * inside(x, "sphere")
        return sigma, torch.sigmoid(raw[:, 1:])

    def parameter_groups(self) -> dict[str, list[str]]:
        """Names of the parameters by what may have a learning rate of its own."""
        return network_groups(self.weights) | ({"beta": ["log_beta"]} if self.config.learn_beta else {})

    def _distance(self, raw: Float[Tensor, "N 4"], x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        length = x.norm(dim=-1)
        first = length - self.radius if self.start is None else self.start(x)
        return torch.maximum(first + self.config.scale * raw[:, 0], length - 1)


def volsdf_density(distance: Float[Tensor, " N"], beta: Float[Tensor, ""]) -> Float[Tensor, " N"]:
    """sigma in 1 / world unit: 1 / beta deep inside, half of it on the surface, exp(-d / beta) / (2 beta)
    outside."""
    tail = 0.5 * torch.exp(-distance.abs() / beta)
    return torch.where(distance > 0, tail, 1 - tail) / beta
