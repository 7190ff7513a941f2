"""The noise levels of a run: how noisy the prior sees the renders, and when."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, model_validator
from torch import Tensor
from typing_extensions import Self

from dreamlab.core.diffusion import Image, scheduled_level
from dreamlab.core.schedules import Ramp


class NoiseConfig(BaseModel):
    """Part of a prior's calibration, with `CFGConfig`: it outlasts a change of method.

    t_min, t_max: the noise levels sampled from, as they move over the stage.
    levels: "random" between t_min and t_max; "linear", "sqrt" and "dreamtime" walk from t_max to t_min.
    shared: one level for all views of a step; else one for each view (each group of a multi-view prior).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    t_min: Ramp = Ramp.constant(0.02)
    t_max: Ramp = Ramp.constant(0.98)
    levels: Literal["random", "linear", "sqrt", "dreamtime"] = "random"
    shared: bool = False

    @model_validator(mode="after")
    def _inside(self) -> Self:
        ends = [(self.t_min(p), self.t_max(p)) for p in (0.0, 0.25, 0.5, 0.75, 1.0)]
        if any(not 0.0 < low <= high < 1.0 for low, high in ends):
            raise ValueError("noise levels must keep 0 < t_min <= t_max < 1 all the time")
        return self

    def together(self, n: int, views_per_group: int) -> int:
        """How many consecutive ones of n images are at one level."""
        return n if self.shared or self.levels != "random" else views_per_group

    def sample(
        self, n: int, views_per_group: int, progress: float, generator: torch.Generator
    ) -> Float[Tensor, " B"]:
        """Levels of n images at this moment."""
        low, high = self.t_min(progress), self.t_max(progress)
        if self.levels != "random":
            return torch.full((n,), scheduled_level(self.levels, progress, low, high))
        return low + (high - low) * sample_uniform(n, self.together(n, views_per_group), generator)

    def mean(self, progress: float) -> float:
        """The level at this moment, where it is sampled: its mean."""
        low, high = self.t_min(progress), self.t_max(progress)
        if self.levels == "random":
            return (low + high) / 2
        return scheduled_level(self.levels, progress, low, high)


def sample_noise(x: Image, generator: torch.Generator) -> Image:
    """Standard normal noise like x, sampled where the generator lives."""
    return torch.randn(x.shape, generator=generator, device=generator.device).to(x)


def sample_uniform(n: int, group: int, generator: torch.Generator) -> Float[Tensor, " B"]:
    """U(0, 1) for n images, sampled once for each `group` consecutive ones."""
    sampled = torch.rand(n // group, generator=generator, device=generator.device)
    return sampled.repeat_interleave(group)
