"""Noise-free score distillation (Katzir et al. 2024)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from dreamlab.core.diffusion import Weighting, per_image
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras, GuidanceOut, Prior, RenderOutput
from dreamlab.guidance.base import Distillation, MethodConfig
from dreamlab.guidance.prompts import ViewPrompts


class NFSDConfig(MethodConfig):
    """Noise-free score distillation. Asks for a negative prompt that describes bad pictures.

    denoised_below: levels below which the unconditional prediction itself is taken as the domain term (0.2:
    step 200).
    """

    kind: Literal["nfsd"] = "nfsd"
    guidance_scale: float = Field(default=7.5, ge=0.0)
    weighting: Weighting = "sigma2"
    denoised_below: float = Field(default=0.2, ge=0.0, le=1.0)

    def build(self, prior: Prior) -> NFSD:
        return NFSD(self, prior)


class NFSD(Distillation):
    """g = w(t) (d_D + d_C), d_C = s (eps(y) - eps(0)), d_D = eps(0) if t < 0.2 else eps(0) - eps(neg).

    The noise itself is nowhere subtracted: at high levels eps(neg) stands for what eps(0) holds of it, at low
    ones there is little. As a residual: r_C = -s (x0(y) - x0(0)); r_D = z / alpha - x0(0) below, x0(neg) -
    x0(0) above.
    """

    config: NFSDConfig

    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        if not prompts.negative_prompt:
            raise ConfigError(
                "noise-free score distillation needs a negative prompt",
                mend="Set one, such as 'unrealistic, blurry, low quality, out of focus, ugly'",
            )
        step = self.diffuse(render, cameras, progress, generator)
        null = self.null_query(step, prompts, cameras)
        pred = self.predict(step.z, step.t, prompts, cameras, reference=True, others=[null])
        x0_hat, x0_null, x0_negative = self.apply_cfg(pred), pred.others[0], pred.unconditional
        pull = x0_hat - x0_negative + self.config.guidance_scale * (x0_negative - x0_null)
        low = per_image(step.t, step.z) < self.config.denoised_below
        domain = torch.where(low, step.z / per_image(step.alpha, step.z), x0_negative) - x0_null
        return self.to_loss(step, domain - pull, x0_hat)
