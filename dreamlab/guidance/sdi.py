"""Score distillation via inversion (Lukoianov et al. 2024)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from dreamlab.core.diffusion import add_noise, noise_from_x0
from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance.base import Distillation, MethodConfig, Step
from dreamlab.guidance.cfg import CFGConfig
from dreamlab.guidance.inversion import even_levels, invert
from dreamlab.guidance.noise import NoiseConfig, sample_noise, sample_uniform
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors.protocols import Prior


class SDIConfig(MethodConfig):
    """Score distillation via inversion. As published, levels walk linearly from 0.98 down to 0.25.

    inversion_scale: text guidance while inverting, in units of cfg.text; -1 (published: -7.5 beside 7.5)
        undoes what guidance does on the way back.
    inversion_steps: steps of the inversion. eta: share of the noise that is fresh, 0..1.
    """

    kind: Literal["sdi"] = "sdi"
    inversion_scale: float = -1.0
    inversion_steps: int = Field(default=10, ge=1)
    eta: float = Field(default=0.3, ge=0.0, le=1.0)
    first_level: float = Field(default=0.01, gt=0.0, lt=0.1)

    def build(self, prior: Prior, cfg: CFGConfig = CFGConfig(), noise: NoiseConfig = NoiseConfig()) -> SDI:
        return SDI(self, prior, cfg, noise)


class SDI(Distillation):
    """g = x - x0_hat(z_t; y, s), where z_t is x inverted with the prompt instead of x with random noise.

    The level is t + U(0, 1 / steps), so that neighbouring levels are seen too. Of the inverted noise n a
    share is sampled anew, sqrt(1 - eta^2) n + eta eps, which keeps its variance.
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
        n, steps = len(step.t), self.config.inversion_steps
        scale = self.config.inversion_scale * self.cfg.config.text
        u = sample_uniform(n, self.together(n), generator).to(step.t)
        t = (step.t + u / steps).clamp_max(0.99)

        def prompted(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            return self.cfg.apply(self.cfg.predict(z, t, prompts, step.views, reference=scale != 1.0), scale)

        levels = even_levels(self.config.first_level, t, steps)
        z = invert(self.prior, step.clean, levels, prompted)
        alpha, sigma = (v.to(z) for v in self.prior.alpha_sigma(t))
        noise = noise_from_x0(z, step.clean, alpha, sigma)
        eta = self.config.eta
        noise = (1.0 - eta**2) ** 0.5 * noise + eta * sample_noise(step.clean, generator)
        walked = Step(step.views, add_noise(step.clean, noise, alpha, sigma), noise, t, alpha, sigma)
        x0_hat = self.cfg.apply(self.cfg.predict(walked.z, t, prompts, step.views))
        return self.to_loss(walked, step.clean - x0_hat, x0_hat)
