"""Noise-free score distillation (Katzir et al. 2024)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from dreamlab.core.diffusion import Weighting, per_image
from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance.base import Distillation, MethodConfig
from dreamlab.guidance.cfg import CFGConfig
from dreamlab.guidance.noise import NoiseConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors.protocols import Prior


class NFSDConfig(MethodConfig):
    """Noise-free score distillation.

    bad_pictures: what the negative prompt says where the run has none; the paper's own words.
    denoised_below: levels below which the unconditional prediction itself is taken as the domain term (0.2:
    step 200).
    """

    kind: Literal["nfsd"] = "nfsd"
    weighting: Weighting = "sigma2"
    bad_pictures: str = Field(default="unrealistic, blurry, low quality, out of focus, ugly", min_length=1)
    denoised_below: float = Field(default=0.2, ge=0.0, le=1.0)

    def build(self, prior: Prior, cfg: CFGConfig = CFGConfig(), noise: NoiseConfig = NoiseConfig()) -> NFSD:
        return NFSD(self, prior, cfg, noise)


class NFSD(Distillation):
    """g = w(t) (d_D + d_C), d_C = s (eps(y) - eps(0)), d_D = eps(0) if t < 0.2 else eps(0) - eps(neg).

    The noise itself is nowhere subtracted: at high levels eps(neg) stands for what eps(0) holds of it, at low
    ones there is little. As a residual: r_C = -s (x0(y) - x0(0)); r_D = z / alpha - x0(0) below, x0(neg) -
    x0(0) above.
    """

    config: NFSDConfig

    def __init__(self, config: NFSDConfig, prior: Prior, cfg: CFGConfig, noise: NoiseConfig) -> None:
        super().__init__(config, prior, cfg, noise)
        self._warned: ViewPrompts | None = None

    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        if not prompts.negative_prompt:
            prompts = self._with_negative(prompts)
        step = self.diffuse(render, cameras, progress, generator)
        null = self.cfg.null_query(step.z, step.t, prompts, step.views)
        pred = self.cfg.predict(step.z, step.t, prompts, step.views, reference=True, others=[null])
        x0_hat, x0_null, x0_negative = self.cfg.apply(pred), pred.others[0], pred.unconditional
        pull = x0_hat - x0_negative + self.cfg.config.text * (x0_negative - x0_null)
        low = per_image(step.t, step.z) < self.config.denoised_below
        domain = torch.where(low, step.z / per_image(step.alpha, step.z), x0_negative) - x0_null
        return self.to_loss(step, domain - pull, x0_hat)

    def _with_negative(self, prompts: ViewPrompts) -> ViewPrompts:
        if self._warned is None:
            self._warned = prompts.reworded(self.prior, negative_prompt=self.config.bad_pictures)
        return self._warned
