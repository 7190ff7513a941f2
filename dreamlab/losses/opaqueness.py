"""Pixels should be either matter or none."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.types import Buffer, Cameras, RenderOutput, Scene
from dreamlab.losses.base import LossConfig


class OpaquenessLossConfig(LossConfig):
    """Binary entropy of the opacity (threestudio's lambda_opaque)."""

    kind: Literal["opaqueness"] = "opaqueness"

    def build(self) -> OpaquenessLoss:
        return OpaquenessLoss()


class OpaquenessLoss:
    """See OpaquenessLossConfig."""

    needs: ClassVar[frozenset[Buffer]] = frozenset()

    def __call__(
        self, render: RenderOutput, scene: Scene, cameras: Cameras, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        return opaqueness_loss(render.opacity)


def opaqueness_loss(opacity: Float[Tensor, "B H W 1"]) -> Float[Tensor, ""]:
    """Mean binary entropy in nats: 0 where a pixel is fully opaque or clear, ln 2 at a half."""
    p = opacity.clamp(1e-4, 1 - 1e-4)
    return -(p * p.log() + (1 - p) * (1 - p).log()).mean()
