"""Delta denoising score, for editing (Hertz et al. 2023, eq. 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from pydantic import Field

from dreamlab.core.diffusion import Weighting, add_noise
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras, GuidanceOut, Prior, RenderOutput
from dreamlab.guidance.base import Distillation, MethodConfig
from dreamlab.guidance.prompts import ViewPrompts


class DDSConfig(MethodConfig):
    """Delta denoising score: change an object from what `source_prompt` says to what the prompt says."""

    kind: Literal["dds"] = "dds"
    source_prompt: str = Field(min_length=1)
    guidance_scale: float = Field(default=7.5, ge=0.0)
    weighting: Weighting = "sigma2"

    def build(self, prior: Prior) -> DDS:
        return DDS(self, prior)


class DDS(Distillation):
    """g = w(t) [eps_hat(z_t; y) - eps_hat(z_src; y_src)], both images noised by the same eps at the same t.

    What SDS gets wrong on an image that already fits its prompt is the same on both sides and cancels. As a
    residual: r = (x - x_src) - (x0_hat(z_t; y) - x0_hat(z_src; y_src)).

    Before the first call the object as it was must be given with `set_source`.
    """

    config: DDSConfig

    def __init__(self, config: DDSConfig, prior: Prior) -> None:
        super().__init__(config, prior)
        self._source: Callable[[Cameras], RenderOutput] | None = None
        self._prompts: ViewPrompts | None = None

    def set_source(self, render: Callable[[Cameras], RenderOutput]) -> None:
        """How to see the object as it was before: a renderer of it, at the size that the guidance gets."""
        self._source = render

    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        if self._source is None:
            raise ConfigError(
                "editing by delta denoising has nothing to compare with",
                mend="Give the source object's renders",
            )
        step = self.diffuse(render, cameras, progress, generator)
        with torch.no_grad():
            source = self.prior.encode(self._source(cameras), cameras)
        z_source = add_noise(source, step.noise, step.alpha, step.sigma)
        x0_hat = self.apply_cfg(self.predict(step.z, step.t, prompts, cameras))
        was = self.apply_cfg(self.predict(z_source, step.t, self._source_prompts(prompts), cameras))
        return self.to_loss(step, (step.clean - source) - (x0_hat - was), x0_hat)

    def _source_prompts(self, prompts: ViewPrompts) -> ViewPrompts:
        if self._prompts is None or self._prompts.prior is not prompts.prior:
            self._prompts = ViewPrompts(
                prompts.prior, self.config.source_prompt, prompts.negative_prompt, prompts.view_dependent
            )
        return self._prompts
