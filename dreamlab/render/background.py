"""What stands behind the object: one colour, a random colour a view, or a learned colour a direction."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from dreamlab.ops.constants import constant

Color = tuple[float, float, float]


class SolidBackgroundConfig(BaseModel):
    """One fixed sRGB colour."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["solid"] = "solid"
    color: Color = (1.0, 1.0, 1.0)

    def build(self, generator: torch.Generator) -> SolidBackground:
        return SolidBackground(self.color)


class SolidBackground(nn.Module):
    """See SolidBackgroundConfig."""

    def __init__(self, color: Color) -> None:
        super().__init__()
        self.color = color

    def forward(
        self, directions: Float[Tensor, "B H W 3"], generator: torch.Generator | None
    ) -> Float[Tensor, "B H W 3"]:
        return constant(self.color, directions.dtype, directions.device).expand_as(directions)


class RandomBackgroundConfig(BaseModel):
    """A new uniform sRGB colour for every view: matter cannot hide in front of a known backdrop."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["random"] = "random"
    still: Color = (1.0, 1.0, 1.0)

    def build(self, generator: torch.Generator) -> RandomBackground:
        return RandomBackground(self.still)


class RandomBackground(nn.Module):
    """See RandomBackgroundConfig. Without a generator (previews) the colour is `still`."""

    def __init__(self, still: Color) -> None:
        super().__init__()
        self.still = still

    def forward(
        self, directions: Float[Tensor, "B H W 3"], generator: torch.Generator | None
    ) -> Float[Tensor, "B H W 3"]:
        if generator is None:
            return constant(self.still, directions.dtype, directions.device).expand_as(directions)
        return _colors(directions, generator)


class LearnedBackgroundConfig(BaseModel):
    """A small MLP on the ray direction, learned with the object (DreamFusion's environment map). `random` is
    the share of steps that see a new uniform colour behind every view instead, as threestudio's does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["learned"] = "learned"
    frequencies: int = Field(default=4, ge=1, le=10)
    width: int = Field(default=32, ge=4, le=1024)
    random: float = Field(default=0.0, ge=0.0, le=1.0)

    def build(self, generator: torch.Generator) -> LearnedBackground:
        return LearnedBackground(self, generator)


class LearnedBackground(nn.Module):
    """See LearnedBackgroundConfig. Starts near mid-grey."""

    def __init__(self, config: LearnedBackgroundConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.frequencies, self.random = config.frequencies, config.random
        inputs = 3 + 6 * config.frequencies
        self.first = nn.Parameter(
            torch.randn(config.width, inputs, generator=generator) * math.sqrt(2 / inputs)
        )
        self.last = nn.Parameter(torch.randn(3, config.width, generator=generator) * 1e-2)

    def forward(
        self, directions: Float[Tensor, "B H W 3"], generator: torch.Generator | None
    ) -> Float[Tensor, "B H W 3"]:
        if generator is not None and self.random and torch.rand((), generator=generator) < self.random:
            return _colors(directions, generator)
        octaves = directions[..., None] * (2.0 ** torch.arange(self.frequencies, device=directions.device))
        encoded = torch.cat([directions, octaves.sin().flatten(-2), octaves.cos().flatten(-2)], dim=-1)
        return torch.sigmoid(torch.relu(encoded @ self.first.T) @ self.last.T)


def _colors(directions: Float[Tensor, "B H W 3"], generator: torch.Generator) -> Float[Tensor, "B H W 3"]:
    """A uniform colour for every view."""
    color = torch.rand(directions.shape[0], 1, 1, 3, generator=generator)
    return color.to(directions).expand_as(directions)


BackgroundConfig = Annotated[
    SolidBackgroundConfig | RandomBackgroundConfig | LearnedBackgroundConfig, Field(discriminator="kind")
]
Background = SolidBackground | RandomBackground | LearnedBackground
