"""Anchored score distillation: AnchorDS (AAAI 2026)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from dreamlab.core.diffusion import Weighting, per_image
from dreamlab.core.errors import UnavailableError
from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance.base import Distillation, MethodConfig
from dreamlab.guidance.cfg import CFGConfig
from dreamlab.guidance.noise import NoiseConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors.protocols import Prior, TakesImage


class AnchorDSConfig(MethodConfig):
    """Anchored score distillation; needs a prior that can also be shown an image.

    max_deviation: views whose anchored answer differs from the render by a larger mean square are left out of
        the step, for there the prior did not take the picture in. None keeps all.
    """

    kind: Literal["anchords"] = "anchords"
    weighting: Weighting = "sigma2"
    max_deviation: float | None = Field(default=None, gt=0.0)

    def build(
        self, prior: Prior, cfg: CFGConfig = CFGConfig(), noise: NoiseConfig = NoiseConfig()
    ) -> AnchorDS:
        return AnchorDS(self, prior, cfg, noise)


class AnchorDS(Distillation):
    """g = w(t) [eps_hat(z_t; y) - eps(z_t; 0, I)], I the current render: the source that is left is where x
    is now.

    SDS takes plain noise as the score of the current renders; here the frozen network, shown the render
    itself, gives it. As a residual: r = x0(0, I) - x0_hat(y).
    """

    config: AnchorDSConfig

    def __init__(self, config: AnchorDSConfig, prior: Prior, cfg: CFGConfig, noise: NoiseConfig) -> None:
        super().__init__(config, prior, cfg, noise)
        if not isinstance(prior, TakesImage):
            raise UnavailableError(
                "anchored score distillation shows the render to the prior, and this prior takes no image",
                got=type(prior).__name__,
                mend="Choose a prior with an image adapter (prior.kind=ip-adapter), or another guidance",
            )
        self._anchored = prior

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
        null = prompts.null(len(step.z))
        with torch.no_grad():
            anchor = self._anchored.denoise_with_image(step.z, step.t, null, step.clean, step.views).to(
                step.z.dtype
            )
        residual = anchor.to(x0_hat) - x0_hat
        if self.config.max_deviation is not None:
            deviation = (anchor - step.clean).flatten(1).square().mean(dim=1)
            residual = residual * per_image((deviation <= self.config.max_deviation).to(residual), residual)
        return self.to_loss(step, residual, x0_hat)
