"""Delta denoising score, for editing (Hertz et al. 2023, eq. 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from dreamlab.core.diffusion import Weighting, add_noise
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance.base import Distillation, MethodConfig
from dreamlab.guidance.cfg import CFGConfig
from dreamlab.guidance.noise import NoiseConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.protocol import Source
from dreamlab.priors.protocols import Prior


class DDSConfig(MethodConfig):
    """Delta denoising score: change an object from what `source_prompt` says to what the prompt says.

    The object is the scene as it stands when the stage begins: that of the stage before, or of another run
    (`begin`).
    """

    kind: Literal["dds"] = "dds"
    source_prompt: str = Field(min_length=1)
    weighting: Weighting = "sigma2"

    def build(self, prior: Prior, cfg: CFGConfig = CFGConfig(), noise: NoiseConfig = NoiseConfig()) -> DDS:
        return DDS(self, prior, cfg, noise)


class DDS(Distillation):
    """g = w(t) [eps_hat(z_t; y) - eps_hat(z_src; y_src)], both images noised by the same eps at the same t.

    What SDS gets wrong on an image that already fits its prompt is the same on both sides and cancels. As a
    residual: r = (x - x_src) - (x0_hat(z_t; y) - x0_hat(z_src; y_src)).

    Before the first call the object as it was must be given with `set_source`; it is part of the state.
    """

    config: DDSConfig

    def __init__(self, config: DDSConfig, prior: Prior, cfg: CFGConfig, noise: NoiseConfig) -> None:
        super().__init__(config, prior, cfg, noise)
        self._source: Source | None = None
        self._source_prompts: ViewPrompts | None = None

    def set_source(self, freeze: Callable[[], Source]) -> None:
        """See dreamlab.guidance.protocol.Edits."""
        self._source = freeze()

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
                mend="Give the source object with set_source",
            )
        if self._source_prompts is None:
            self._source_prompts = prompts.reworded(self.prior, prompt=self.config.source_prompt)
        step = self.diffuse(render, cameras, progress, generator)
        with torch.no_grad():
            source = self.prior.encode(self._source(cameras, render.background), cameras)
        z_source = add_noise(source.x, step.noise, step.alpha, step.sigma)
        x0_hat = self.cfg.apply(self.cfg.predict(step.z, step.t, prompts, step.views))
        was = self.cfg.apply(self.cfg.predict(z_source, step.t, self._source_prompts, source))
        return self.to_loss(step, (step.clean - source.x) - (x0_hat - was), x0_hat)

    def state_dict(self) -> dict[str, Tensor]:
        """The source's own ("source.*"), without which a run could not go on."""
        kept = {} if self._source is None else self._source.state_dict()
        return {f"source.{name}": value for name, value in kept.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        if self._source is not None:
            self._source.load_state_dict({k.removeprefix("source."): v for k, v in state.items()})
