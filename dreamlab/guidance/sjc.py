"""Score Jacobian chaining (Wang et al. 2023)."""

from __future__ import annotations

from typing import Literal

import torch

from dreamlab.core.diffusion import Weighting, per_image
from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance.base import Distillation, MethodConfig
from dreamlab.guidance.cfg import CFGConfig
from dreamlab.guidance.noise import NoiseConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors.protocols import Prior


class SJCConfig(MethodConfig):
    """Score Jacobian chaining. The paper's guidance_scale on Stable Diffusion is 100.

    variance_reduction: subtract the noise that was added, whose mean is zero (the paper's code, on by
    default).
    """

    kind: Literal["sjc"] = "sjc"
    weighting: Weighting = "noise"
    variance_reduction: bool = True

    def build(self, prior: Prior, cfg: CFGConfig = CFGConfig(), noise: NoiseConfig = NoiseConfig()) -> SJC:
        return SJC(self, prior, cfg, noise)


class SJC(Distillation):
    """g = W(t) (x - D(x + s n)) with s = sigma / alpha and D(x + s n) = x0_hat(z_t), z_t = alpha (x + s n).

    The paper's score is (D - (x + s n)) / s^2 and its gradient (D - (x + s n)) / s, in expectation (D - x) /
    s as n has no mean; that is the weighting "noise", so SJC with variance reduction equals SDS with w = 1.
    Without it the residual is x + s n - D: the same mean with the noise left in.
    """

    config: SJCConfig

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
        seen = step.clean if self.config.variance_reduction else step.z / per_image(step.alpha, step.z)
        return self.to_loss(step, seen - x0_hat, x0_hat)
