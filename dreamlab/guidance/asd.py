"""Asynchronous score distillation: ScaleDreamer (Ma et al. 2024)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from dreamlab.core.diffusion import Weighting, noise_from_x0, per_image
from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance.base import Distillation, MethodConfig
from dreamlab.guidance.cfg import CFGConfig
from dreamlab.guidance.noise import NoiseConfig, sample_uniform
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.query import DenoiseQuery
from dreamlab.priors.protocols import Prior


class ASDConfig(MethodConfig):
    """Asynchronous score distillation.

    shift: the second level lies above the first by U(0, 1) * shift * (t - t_min).
    """

    kind: Literal["asd"] = "asd"
    weighting: Weighting = "sigma2"
    shift: float = Field(default=0.1, ge=0.0, le=1.0)

    def build(self, prior: Prior, cfg: CFGConfig = CFGConfig(), noise: NoiseConfig = NoiseConfig()) -> ASD:
        return ASD(self, prior, cfg, noise)


class ASD(Distillation):
    """g = w(t) [eps_hat(z_t, t; s) - eps(z_t', t')], t' = t + dt, both from the same noise.

    VSD subtracts a network that learns the renders' own score; here the frozen network at a slightly higher
    level stands for it, for it errs there in the way the learnt one would. As a residual: r = (sigma / alpha)
    (eps_hat - eps').
    """

    config: ASDConfig

    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        step = self.diffuse(render, cameras, progress, generator)
        n = len(step.t)
        shift = self.config.shift * sample_uniform(n, self.together(n), generator).to(step.t)
        later = step.t + shift * (step.t - self.noise.t_min(progress)).clamp_min(0.0)
        ahead = self.noised(step.views, later.clamp_max(0.999), step.noise)
        second = DenoiseQuery(ahead.z, ahead.t, prompts.positive(cameras), step.views)
        pred = self.cfg.predict(step.z, step.t, prompts, step.views, others=[second])
        x0_hat = self.cfg.apply(pred)
        noise_hat = noise_from_x0(step.z, x0_hat, step.alpha, step.sigma)
        noise_ahead = noise_from_x0(ahead.z, pred.others[0], ahead.alpha, ahead.sigma)
        residual = per_image(step.sigma / step.alpha, step.z) * (noise_hat - noise_ahead)
        return self.to_loss(step, residual, x0_hat)
