"""Depth should not jump from pixel to pixel."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.types import Buffer, Cameras, RenderOutput, Scene
from dreamlab.losses.base import LossConfig


class DepthVariationLossConfig(LossConfig):
    """Anisotropic total variation of the accumulated depth."""

    kind: Literal["depth_variation"] = "depth_variation"

    def build(self) -> DepthVariationLoss:
        return DepthVariationLoss()


class DepthVariationLoss:
    """See DepthVariationLossConfig."""

    needs: ClassVar[frozenset[Buffer]] = frozenset()

    def __call__(
        self, render: RenderOutput, scene: Scene, cameras: Cameras, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        return depth_variation_loss(render.depth)


def depth_variation_loss(depth: Float[Tensor, "B H W 1"]) -> Float[Tensor, ""]:
    """Mean step down plus mean step to the right."""
    down = (depth[:, 1:] - depth[:, :-1]).abs().mean()
    right = (depth[:, :, 1:] - depth[:, :, :-1]).abs().mean()
    return down + right
