"""Score distillation sampling: DreamFusion (Poole et al. 2023, eq. 3)."""

from __future__ import annotations

from typing import Literal

import torch

from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance.base import Distillation, MethodConfig
from dreamlab.guidance.cfg import CFGConfig
from dreamlab.guidance.noise import NoiseConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors.protocols import Prior


class SDSConfig(MethodConfig):
    """Score distillation. DreamFusion's own settings: guidance_scale 101, weighting "sigma2"."""

    kind: Literal["sds"] = "sds"

    def build(self, prior: Prior, cfg: CFGConfig = CFGConfig(), noise: NoiseConfig = NoiseConfig()) -> SDS:
        return SDS(self, prior, cfg, noise)


class SDS(Distillation):
    """g = W(t) (x - x0_hat(z_t; y, s)), one sample of t and noise a step.

    DreamFusion's eq. 3 is w(t) (eps_hat - eps) with eps_hat - eps = (alpha / sigma) (x - x0_hat): the
    weighting "noise" for w = 1 and "sigma2" for w = sigma^2. The network's Jacobian is left out, as there.
    """

    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        step = self.diffuse(render, cameras, progress, generator)
        x0_hat = self.cfg.apply(self.cfg.predict(step.z, step.t, prompts, step.views))
        return self.to_loss(step, step.clean - x0_hat, x0_hat)
