"""A signed distance should grow by one for every unit of way."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field as Setting
from torch import Tensor
from torch.nn import functional as F

from dreamlab import ops
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Buffer, Cameras, HasDistance, RenderOutput, Scene
from dreamlab.losses.base import LossConfig


class EikonalLossConfig(LossConfig):
    """(|grad d| - 1)^2 (IGR: Gropp et al. 2020) at `points` points a step, for scenes that know a distance.

    The share `near` of them lies around the rendered surface, normally distributed with standard deviation
    `spread` (world units); the others are uniform in the unit ball. The gradient is a finite difference over
    `epsilon`; None takes one cell of the scene's finest grid, below which neighbouring cells do not hear of
    each other (Neuralangelo: Li et al. 2023, section 3.2).
    """

    needs_distance: ClassVar[bool] = True

    kind: Literal["eikonal"] = "eikonal"
    points: int = Setting(default=4096, ge=8, le=1_000_000)
    near: float = Setting(default=0.5, ge=0.0, le=1.0)
    spread: float = Setting(default=0.05, ge=0.0)
    epsilon: float | None = Setting(default=None, gt=0.0)

    def build(self) -> EikonalLoss:
        return EikonalLoss(self)


class EikonalLoss:
    """See EikonalLossConfig."""

    needs: ClassVar[frozenset[Buffer]] = frozenset()

    def __init__(self, config: EikonalLossConfig) -> None:
        self.config = config

    def __call__(
        self, render: RenderOutput, scene: Scene, cameras: Cameras, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """Raises ConfigError if the scene knows no distance."""
        if not isinstance(scene, HasDistance):
            raise ConfigError(
                "the eikonal loss is for scenes that know a distance to their surface",
                got=type(scene).__name__,
                mend="Set field.kind=sdf, or take the loss away",
            )
        x = eikonal_points(self.config, render, cameras, generator)
        gradient = ops.finite_difference_gradient(scene.distance, x, self.config.epsilon or scene.finest_cell)
        return (gradient.square().sum(-1).clamp_min(1e-12).sqrt() - 1).square().mean()


@torch.no_grad()
def eikonal_points(
    config: EikonalLossConfig, render: RenderOutput, cameras: Cameras, generator: torch.Generator
) -> Float[Tensor, "N 3"]:
    """Points of a step, those around the surface first; all of them anywhere if nothing is seen.

    Draws the same amount of randomness whatever is seen.
    """
    n = config.points
    noise = torch.randn(n, 3, generator=generator).to(render.depth)
    drawn = torch.rand(n, generator=generator).to(render.depth)
    anywhere = F.normalize(noise, dim=-1) * drawn[:, None] ** (1 / 3)
    covered = (render.opacity > 0.5).flatten().nonzero()[:, 0]
    count = round(n * config.near)
    if len(covered) == 0 or count == 0:
        return anywhere
    assert render.directions is not None
    pixel = covered[(drawn[:count] * len(covered)).long().clamp_max(len(covered) - 1)]
    distance = (render.depth / render.opacity.clamp_min(1e-6)).flatten()[pixel]
    origin = cameras.c2w[pixel // (render.depth.numel() // len(cameras)), :3, 3]
    seen = origin + distance[:, None] * render.directions.reshape(-1, 3)[pixel]
    return torch.cat([seen + config.spread * noise[:count], anywhere[count:]])
