"""What every distillation method shares: its own settings, the noisy moment, the result.

Residuals. A method says in which direction x should move as a residual r in the units of a clean image, and
the gradient is g = W(t) * r (see dreamlab.core.diffusion.weight). For SDS r = x - x0_hat. Methods that papers
write as a difference of two noise predictions use r = (sigma / alpha) * (eps_1 - eps_2), so that one
weighting means the same thing everywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from dreamlab.core.diffusion import (
    Image,
    Weighting,
    add_noise,
    clip_gradient,
    clip_pixels,
    inject,
    per_image,
    weight,
)
from dreamlab.core.errors import ConfigError, DamagedError
from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput, Views
from dreamlab.guidance.cfg import CFG, CFGConfig
from dreamlab.guidance.noise import NoiseConfig, sample_noise
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors.protocols import Prior


class MethodConfig(BaseModel):
    """Settings that all methods know. Guidance scales and noise levels are not among them: see CFGConfig and
    NoiseConfig.

    weighting: W(t), see dreamlab.core.diffusion.weight.
    grad_clip: longest gradient of an image, as a root mean square, or None.
    pixel_clip: longest gradient of a pixel over its channels, or None; before grad_clip.
    max_batch: most images in one pass over the prior, or None for all at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weighting: Weighting = "uniform"
    grad_clip: float | None = Field(default=None, gt=0.0)
    pixel_clip: float | None = Field(default=None, gt=0.0)
    max_batch: int | None = Field(default=None, ge=1)


@dataclass(frozen=True)
class Step:
    """One moment of distillation: the views, whose clean images are x (with their graph), levels t, noise,
    and z = alpha x + sigma noise.
    """

    views: Views
    z: Image
    noise: Image
    t: Float[Tensor, " B"]
    alpha: Float[Tensor, " B"]
    sigma: Float[Tensor, " B"]

    @property
    def x(self) -> Image:
        return self.views.x

    @property
    def clean(self) -> Image:
        return self.x.detach()


class Distillation(ABC):
    """Base of the methods: samples the step, asks the prior, and turns a residual into a loss.

    A method implements __call__ with `diffuse`, `cfg.predict`, `cfg.apply` and `to_loss`, and nothing else.
    """

    def __init__(self, config: MethodConfig, prior: Prior, cfg: CFGConfig, noise: NoiseConfig) -> None:
        self.config, self.prior, self.noise = config, prior, noise
        self.cfg = CFG(cfg, prior, config.max_batch)

    @abstractmethod
    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        """See dreamlab.guidance.protocol.Guidance."""

    def diffuse(
        self, render: RenderOutput, cameras: Cameras, progress: float, generator: torch.Generator
    ) -> Step:
        """Encode the views and add noise at the levels of this moment."""
        views = self.prior.encode(render, cameras)
        x = views.x
        group = self.prior.views_per_group
        if len(x) % group:
            raise ConfigError(
                "the prior looks at views in groups",
                expected=f"a multiple of {group} views a step",
                got=str(len(x)),
                mend=f"Set the batch size to {group}",
            )
        t = self.levels(len(x), progress, generator).to(x)
        return self.noised(views, t, sample_noise(x, generator))

    def levels(self, n: int, progress: float, generator: torch.Generator) -> Float[Tensor, " B"]:
        """Noise levels for n views at this moment."""
        return self.noise.sample(n, self.prior.views_per_group, progress, generator)

    def together(self, n: int) -> int:
        """How many consecutive ones of n views are at one level."""
        return self.noise.together(n, self.prior.views_per_group)

    def noised(self, views: Views, t: Float[Tensor, " B"], noise: Image) -> Step:
        """The step at given levels and noise."""
        x = views.x
        alpha, sigma = (v.to(x) for v in self.prior.alpha_sigma(t))
        return Step(views, add_noise(x.detach(), noise, alpha, sigma), noise, t, alpha, sigma)

    def to_loss(self, step: Step, residual: Image, x0_hat: Image) -> GuidanceOut:
        """The loss whose gradient to x is W * residual / B, clipped; see `gradient_loss` for its figures."""
        gradient = per_image(weight(self.config.weighting, step.alpha, step.sigma), residual) * residual
        gradient = clip_gradient(clip_pixels(gradient, self.config.pixel_clip), self.config.grad_clip)
        return gradient_loss(step.x, gradient, x0_hat, step.t.mean())

    def state_dict(self) -> dict[str, Tensor]:
        """Nothing, for methods that do not learn."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        if state:
            raise DamagedError(
                "the checkpoint holds a state that this method does not have",
                got=", ".join(sorted(state)[:3]),
            )


def gradient_loss(x: Image, gradient: Image, target: Image, level: float | Float[Tensor, ""]) -> GuidanceOut:
    """The loss whose gradient to x is the given one over B, and the figures worth showing.

    metrics: "residual", the root mean square of x - target and the one measure of progress (a loss of score
    distillation does not fall); "t", the mean level; "grad_norm", the length of the gradient to x.
    """
    metrics = {
        "residual": (x.detach() - target).square().mean().sqrt(),
        "t": level,
        "grad_norm": gradient.norm() / len(x),
    }
    return GuidanceOut(inject(x, gradient), metrics)
