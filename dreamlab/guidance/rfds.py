"""Rectified-flow distillation (Yang et al. 2025)."""

from __future__ import annotations

from typing import Literal

import torch

from dreamlab.core.diffusion import Weighting, flow_from_x0, per_image
from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance.base import Distillation, MethodConfig
from dreamlab.guidance.cfg import CFGConfig
from dreamlab.guidance.noise import NoiseConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors.protocols import Prior


class RFDSConfig(MethodConfig):
    """Rectified-flow distillation. The published guidance_scale on SD3 is 100.

    reverse: first move the noise towards the one that the flow says x came from (RFDS-Rev).
    reverse_scale: guidance of that pass.
    """

    kind: Literal["rfds"] = "rfds"
    weighting: Weighting = "velocity"
    reverse: bool = False
    reverse_scale: float = 1.0

    def build(self, prior: Prior, cfg: CFGConfig = CFGConfig(), noise: NoiseConfig = NoiseConfig()) -> RFDS:
        return RFDS(self, prior, cfg, noise)


class RFDS(Distillation):
    """g = v_hat(z_t) - (eps - x), with v_hat - v = (alpha + sigma) / sigma (x - x0_hat): the weighting
    "velocity".

    RFDS-Rev takes one fixed-point step on the noise before: eps <- eps + alpha (v_hat + x - eps), alpha = 1 -
    sigma for a rectified flow. Any prior can be used, for x0_hat implies a flow.
    """

    config: RFDSConfig

    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        step = self.diffuse(render, cameras, progress, generator)
        if self.config.reverse:
            pred = self.cfg.predict(
                step.z, step.t, prompts, step.views, reference=self.config.reverse_scale != 1.0
            )
            x0_hat = self.cfg.apply(pred, self.config.reverse_scale)
            flow = flow_from_x0(step.z, x0_hat, step.alpha, step.sigma)
            noise = step.noise + per_image(step.alpha, step.z) * (flow + step.clean - step.noise)
            step = self.noised(step.views, step.t, noise)
        x0_hat = self.cfg.apply(self.cfg.predict(step.z, step.t, prompts, step.views))
        return self.to_loss(step, step.clean - x0_hat, x0_hat)
