"""Against unneeded matter."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.types import Buffer, Cameras, RenderOutput, Scene
from dreamlab.losses.base import LossConfig


class OpacityLossConfig(LossConfig):
    """sqrt(opacity^2 + 0.01) (DreamFusion A.2; called sparsity elsewhere)."""

    kind: Literal["opacity"] = "opacity"

    def build(self) -> OpacityLoss:
        return OpacityLoss()


class OpacityLoss:
    """See OpacityLossConfig."""

    needs: ClassVar[frozenset[Buffer]] = frozenset()

    def __call__(
        self, render: RenderOutput, scene: Scene, cameras: Cameras, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        return opacity_loss(render.opacity)


def opacity_loss(opacity: Float[Tensor, "B H W 1"]) -> Float[Tensor, ""]:
    """Mean of sqrt(opacity^2 + 0.01): 0.1 where nothing is seen."""
    return (opacity.square() + 0.01).sqrt().mean()
