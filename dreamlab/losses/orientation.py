"""Visible surfaces must not face away from the camera."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from dreamlab.core.types import Buffer, Cameras, RenderOutput, Scene
from dreamlab.losses.base import LossConfig


class OrientationLossConfig(LossConfig):
    """Ref-NeRF eq. 11 (Verbin et al. 2022) as DreamFusion uses it, on one normal a ray."""

    kind: Literal["orientation"] = "orientation"

    def build(self) -> OrientationLoss:
        return OrientationLoss()


class OrientationLoss:
    """See OrientationLossConfig."""

    needs: ClassVar[frozenset[Buffer]] = frozenset({"normal"})

    def __call__(
        self, render: RenderOutput, scene: Scene, cameras: Cameras, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        assert render.normal is not None and render.directions is not None
        return orientation_loss(render.normal, render.opacity, render.directions)


def orientation_loss(
    normal: Float[Tensor, "B H W 3"],
    opacity: Float[Tensor, "B H W 1"],
    directions: Float[Tensor, "B H W 3"],
) -> Float[Tensor, ""]:
    """Mean of sg(opacity) * max(0, n . v)^2.

    `normal` is accumulated (n * opacity), `directions` are unit and point away from the camera.
    """
    weight = opacity.detach()
    facing_away = (F.normalize(normal, dim=-1, eps=1e-6) * directions).sum(-1, keepdim=True).clamp_min(0)
    return (weight * facing_away.square()).mean()
