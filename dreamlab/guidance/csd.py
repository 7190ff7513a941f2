"""Classifier score distillation (Yu et al. 2024)."""

from __future__ import annotations

from typing import Literal

import torch

from dreamlab.core.diffusion import Weighting
from dreamlab.core.schedules import Ramp
from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance.base import Distillation, MethodConfig
from dreamlab.guidance.cfg import CFGConfig
from dreamlab.guidance.noise import NoiseConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors.protocols import Prior


class CSDConfig(MethodConfig):
    """Classifier score distillation.

    negative_share: how much of the reference is the negative prompt, the rest being the empty one; the
        paper's code goes from 0 to 1 over the stage. Without a negative prompt it changes nothing.
    """

    kind: Literal["csd"] = "csd"
    weighting: Weighting = "sigma2"
    negative_share: Ramp = Ramp(start=0.0, end=1.0)

    def build(self, prior: Prior, cfg: CFGConfig = CFGConfig(), noise: NoiseConfig = NoiseConfig()) -> CSD:
        return CSD(self, prior, cfg, noise)


class CSD(Distillation):
    """g = w(t) s [eps(y) - (1 - n) eps(0) - n eps(neg)]: the classifier's part of SDS, without eps_hat(0) -
    eps.

    As a residual: r = -s [x0(y) - (1 - n) x0(0) - n x0(neg)]. The coefficients sum to zero at every n.
    Perp-Neg adds its perpendicular parts to x0(y), camera guidance its own difference.
    """

    config: CSDConfig

    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        step = self.diffuse(render, cameras, progress, generator)
        share = self.config.negative_share(progress) if prompts.negative_prompt else 1.0
        others = [] if share == 1.0 else [self.cfg.null_query(step.z, step.t, prompts, step.views)]
        pred = self.cfg.predict(step.z, step.t, prompts, step.views, reference=True, others=others)
        x0_hat = self.cfg.apply(pred)
        pull = x0_hat - pred.unconditional
        if others:
            pull = pull + self.cfg.config.text * (1.0 - share) * (pred.unconditional - pred.others[0])
        return self.to_loss(step, -pull, x0_hat)
