"""Regularisers on renders: small functions of tensors, and the config that weighs them over a stage.

All return a scalar that is averaged over pixels (or over hit pixels, where said), so that a weight means
the same at every image size and batch.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn import functional as F

from dreamlab.core.schedules import Ramp
from dreamlab.core.types import RenderOutput


def opacity_loss(opacity: Float[Tensor, "B H W 1"]) -> Float[Tensor, ""]:
    """sqrt(opacity^2 + 0.01): pushes unneeded matter away (DreamFusion A.2; called sparsity elsewhere)."""
    return (opacity.square() + 0.01).sqrt().mean()


def opaqueness_loss(opacity: Float[Tensor, "B H W 1"]) -> Float[Tensor, ""]:
    """Binary entropy of the opacity in nats: 0 where a pixel is fully opaque or clear, ln 2 at a half."""
    p = opacity.clamp(1e-4, 1 - 1e-4)
    return -(p * p.log() + (1 - p) * (1 - p).log()).mean()


def orientation_loss(
    normal: Float[Tensor, "B H W 3"],
    opacity: Float[Tensor, "B H W 1"],
    directions: Float[Tensor, "B H W 3"],
) -> Float[Tensor, ""]:
    """sg(opacity) * max(0, n . v)^2: visible surfaces must not face away from the camera.

    Ref-NeRF eq. 11 as DreamFusion uses it, on one normal a ray. `normal` is accumulated (n * opacity),
    `directions` are unit and point away from the camera.
    """
    weight = opacity.detach()
    facing_away = (F.normalize(normal, dim=-1, eps=1e-6) * directions).sum(-1, keepdim=True).clamp_min(0)
    return (weight * facing_away.square()).mean()


def normal_smoothness_loss(
    normal: Float[Tensor, "B H W 3"], opacity: Float[Tensor, "B H W 1"]
) -> Float[Tensor, ""]:
    """Mean squared difference of neighbouring unit normals, where both pixels are covered."""
    unit, weight = F.normalize(normal, dim=-1, eps=1e-6), opacity.detach()
    down = (unit[:, 1:] - unit[:, :-1]).square().sum(-1, keepdim=True) * weight[:, 1:] * weight[:, :-1]
    right = (unit[:, :, 1:] - unit[:, :, :-1]).square().sum(-1, keepdim=True) * (
        weight[:, :, 1:] * weight[:, :, :-1]
    )
    return down.mean() + right.mean()


def depth_variation_loss(depth: Float[Tensor, "B H W 1"]) -> Float[Tensor, ""]:
    """Anisotropic total variation of the accumulated depth: mean step down plus mean step to the right."""
    down = (depth[:, 1:] - depth[:, :-1]).abs().mean()
    right = (depth[:, :, 1:] - depth[:, :, :-1]).abs().mean()
    return down + right


def z_variance_loss(
    depth_variance: Float[Tensor, "B H W 1"], opacity: Float[Tensor, "B H W 1"]
) -> Float[Tensor, ""]:
    """Mean spread of matter along the ray, over pixels that are more than half covered (HiFA).

    `depth_variance` is sum(w (t - mean)^2) / sum(w): the weights are normalised per ray, as HiFA demands.
    0 where no pixel is covered.
    """
    covered = (opacity.detach() > 0.5).to(depth_variance.dtype)
    return (depth_variance * covered).sum() / covered.sum().clamp_min(1)


class LossesConfig(BaseModel):
    """Weights of the regularisers; each a number or a ramp over the stage. 0 switches a term off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    opacity: Ramp = Ramp.constant(0.0)
    opaqueness: Ramp = Ramp.constant(0.0)
    orientation: Ramp = Ramp.constant(0.0)
    normal_smoothness: Ramp = Ramp.constant(0.0)
    depth_variation: Ramp = Ramp.constant(0.0)
    z_variance: Ramp = Ramp.constant(0.0)

    def needs_normals(self, progress: float) -> bool:
        """Whether any term with weight at this progress looks at normals."""
        return self.orientation(progress) != 0 or self.normal_smoothness(progress) != 0

    def needs_depth_variance(self, progress: float) -> bool:
        return self.z_variance(progress) != 0

    def terms(
        self,
        render: RenderOutput,
        progress: float,
        *,
        directions: Float[Tensor, "B H W 3"] | None = None,
        depth_variance: Float[Tensor, "B H W 1"] | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """The weighted terms that count at this progress, by name.

        Normals and directions must be there when `needs_normals`, the variance when `needs_depth_variance`.
        """
        found: dict[str, Tensor] = {}
        if self.opacity(progress):
            found["opacity"] = opacity_loss(render.opacity)
        if self.opaqueness(progress):
            found["opaqueness"] = opaqueness_loss(render.opacity)
        if self.orientation(progress):
            assert render.normal is not None and directions is not None
            found["orientation"] = orientation_loss(render.normal, render.opacity, directions)
        if self.normal_smoothness(progress):
            assert render.normal is not None
            found["normal_smoothness"] = normal_smoothness_loss(render.normal, render.opacity)
        if self.depth_variation(progress):
            found["depth_variation"] = depth_variation_loss(render.depth)
        if self.z_variance(progress):
            assert depth_variance is not None
            found["z_variance"] = z_variance_loss(depth_variance, render.opacity)
        return {name: getattr(self, name)(progress) * value for name, value in found.items()}


def total(terms: dict[str, Float[Tensor, ""]], like: Tensor) -> Float[Tensor, ""]:
    """The sum of the terms; a plain zero if there are none."""
    return torch.stack(list(terms.values())).sum() if terms else like.new_zeros(())
