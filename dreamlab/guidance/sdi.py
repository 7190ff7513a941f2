"""Score distillation via inversion (Lukoianov et al. 2024)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from dreamlab.core.diffusion import add_noise, noise_from_x0
from dreamlab.core.schedules import Ramp
from dreamlab.core.types import Cameras, GuidanceOut, Prior, RenderOutput
from dreamlab.guidance.base import Distillation, MethodConfig, Step, draw_noise, draw_uniform
from dreamlab.guidance.inversion import even_levels, invert
from dreamlab.guidance.prompts import ViewPrompts


class SDIConfig(MethodConfig):
    """Score distillation via inversion: t walks from 0.98 down to 0.25 with the stage.

    inversion_scale: guidance while inverting; the published -7.5 undoes what 7.5 does on the way back.
    inversion_steps: steps of the inversion. eta: share of the noise that is fresh, 0..1.
    """

    kind: Literal["sdi"] = "sdi"
    guidance_scale: float = Field(default=7.5, ge=0.0)
    t_min: Ramp = Ramp.constant(0.25)
    levels: Literal["random", "linear", "sqrt", "dreamtime"] = "linear"
    inversion_scale: float = -7.5
    inversion_steps: int = Field(default=10, ge=1)
    eta: float = Field(default=0.3, ge=0.0, le=1.0)
    first_level: float = Field(default=0.01, gt=0.0, lt=0.1)

    def build(self, prior: Prior) -> SDI:
        return SDI(self, prior)


class SDI(Distillation):
    """g = x - x0_hat(z_t; y, s), where z_t is x inverted with the prompt instead of x with random noise.

    The level is t + U(0, 1 / steps), so that neighbouring levels are seen too. Of the inverted noise n a
    share is drawn anew, sqrt(1 - eta^2) n + eta eps, which keeps its variance.
    """

    config: SDIConfig

    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        step = self.diffuse(render, cameras, progress, generator)
        steps, scale = self.config.inversion_steps, self.config.inversion_scale
        t = (step.t + draw_uniform(step.t, generator) / steps).clamp_max(0.99)

        def prompted(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            return self.apply_cfg(self.predict(z, t, prompts, cameras, reference=scale != 1.0), scale)

        levels = even_levels(self.config.first_level, t, steps)
        z = invert(self.prior, step.clean, levels, prompted)
        alpha, sigma = (v.to(z) for v in self.prior.alpha_sigma(t))
        noise = noise_from_x0(z, step.clean, alpha, sigma)
        eta = self.config.eta
        noise = (1.0 - eta**2) ** 0.5 * noise + eta * draw_noise(step.clean, generator)
        walked = Step(step.x, add_noise(step.clean, noise, alpha, sigma), noise, t, alpha, sigma)
        x0_hat = self.apply_cfg(self.predict(walked.z, t, prompts, cameras))
        return self.to_loss(walked, step.clean - x0_hat, x0_hat)
