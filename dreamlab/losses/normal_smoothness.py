"""Neighbouring pixels should show neighbouring normals."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from dreamlab.core.types import Buffer, Cameras, RenderOutput, Scene
from dreamlab.losses.base import LossConfig


class NormalSmoothnessLossConfig(LossConfig):
    """Squared difference of neighbouring unit normals, where both pixels are covered."""

    kind: Literal["normal_smoothness"] = "normal_smoothness"

    def build(self) -> NormalSmoothnessLoss:
        return NormalSmoothnessLoss()


class NormalSmoothnessLoss:
    """See NormalSmoothnessLossConfig."""

    needs: ClassVar[frozenset[Buffer]] = frozenset({"normal"})

    def __call__(
        self, render: RenderOutput, scene: Scene, cameras: Cameras, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        assert render.normal is not None
        return normal_smoothness_loss(render.normal, render.opacity)


def normal_smoothness_loss(
    normal: Float[Tensor, "B H W 3"], opacity: Float[Tensor, "B H W 1"]
) -> Float[Tensor, ""]:
    """Mean squared difference downwards plus that to the right. `normal` is accumulated (n * opacity)."""
    unit, weight = F.normalize(normal, dim=-1, eps=1e-6), opacity.detach()
    down = (unit[:, 1:] - unit[:, :-1]).square().sum(-1, keepdim=True) * weight[:, 1:] * weight[:, :-1]
    right = (unit[:, :, 1:] - unit[:, :, :-1]).square().sum(-1, keepdim=True) * (
        weight[:, :, 1:] * weight[:, :, :-1]
    )
    return down.mean() + right.mean()
