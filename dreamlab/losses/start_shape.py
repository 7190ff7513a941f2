"""Matter should stay where the start shape has it, but for a rim around its surface."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field as Setting
from torch import Tensor
from torch.nn import functional as F

from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Buffer, Cameras, RenderOutput, Scene
from dreamlab.losses.base import LossConfig
from dreamlab.scenes.base import RadianceField

_LEAST = 1e-4  # optical depth below which matter is not missed any more


class StartShapeLossConfig(LossConfig):
    """Cross entropy of alpha = 1 - exp(-sigma * `step`) at `points` points of the unit ball with whether they
    lie in the start shape, weighted by 1 - exp(-d^2 / (2 `rim`^2)) of their distance d to its surface (the
    sketch-shape loss of Latent-NeRF: Metzer et al. 2023). `rim` and `step` are in world units.
    """

    kind: Literal["start_shape"] = "start_shape"
    rim: float = Setting(default=0.1, gt=0.0)
    points: int = Setting(default=4096, ge=8, le=1_000_000)
    step: float = Setting(default=0.2, gt=0.0)

    def build(self) -> StartShapeLoss:
        return StartShapeLoss(self)


class StartShapeLoss:
    """See StartShapeLossConfig."""

    needs: ClassVar[frozenset[Buffer]] = frozenset()

    def __init__(self, config: StartShapeLossConfig) -> None:
        self.config = config

    def __call__(
        self, render: RenderOutput, scene: Scene, cameras: Cameras, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """Raises ConfigError if the scene did not begin as a shape."""
        if not isinstance(scene, RadianceField) or scene.start is None:
            raise ConfigError(
                "the start_shape loss is for fields that begin as a shape",
                got=type(scene).__name__,
                mend="Give the shape with --shape MESH, or take the loss away",
            )
        noise = torch.randn(self.config.points, 3, generator=generator).to(render.depth)
        drawn = torch.rand(self.config.points, 1, generator=generator).to(render.depth)
        x = F.normalize(noise, dim=-1) * drawn ** (1 / 3)
        return start_shape_loss(scene.density(x) * self.config.step, scene.start(x), self.config.rim)


def start_shape_loss(
    depth: Float[Tensor, " N"], distance: Float[Tensor, " N"], rim: float
) -> Float[Tensor, ""]:
    """Weighted mean cross entropy in nats of optical depths [N] and signed distances [N], negative inside."""
    weight = 1 - torch.exp(-distance.square() / (2 * rim**2))
    missing = -torch.log1p(-torch.exp(-depth.clamp_min(_LEAST)))
    return (weight * torch.where(distance < 0, missing, depth)).mean()
