"""Matter along a ray should lie in one place."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.types import Buffer, Cameras, RenderOutput, Scene
from dreamlab.losses.base import LossConfig


class ZVarianceLossConfig(LossConfig):
    """Spread of matter along the ray (HiFA: Zhu et al. 2024)."""

    kind: Literal["z_variance"] = "z_variance"

    def build(self) -> ZVarianceLoss:
        return ZVarianceLoss()


class ZVarianceLoss:
    """See ZVarianceLossConfig."""

    needs: ClassVar[frozenset[Buffer]] = frozenset({"depth_variance"})

    def __call__(
        self, render: RenderOutput, scene: Scene, cameras: Cameras, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        assert render.depth_variance is not None
        return z_variance_loss(render.depth_variance, render.opacity)


def z_variance_loss(
    depth_variance: Float[Tensor, "B H W 1"], opacity: Float[Tensor, "B H W 1"]
) -> Float[Tensor, ""]:
    """Mean variance over pixels that are more than half covered.

    `depth_variance` is sum(w (t - mean)^2) / sum(w): the weights are normalised per ray, as HiFA demands.
    0 where no pixel is covered.
    """
    covered = (opacity.detach() > 0.5).to(depth_variance.dtype)
    return (depth_variance * covered).sum() / covered.sum().clamp_min(1)
