"""Iterative dataset update: the prior samples a set of views together, and the field is fitted to them.

Haque et al. 2023 (Instruct-NeRF2NeRF, section 3.2), with a whole ring of views sampled at once by a prior
whose views see each other, as Instant3D (Li et al. 2024) samples its four. Later sets begin from the field's
own renders, noised to a level t below 1 and denoised again (SDEdit: Meng et al. 2022), so they mend what the
first set did not agree on. A prior that knows its mean pictures can begin from these: they agree about what
is seen from where before anything is sampled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from dreamlab.core.cameras import distance_to_fit, orbit_cameras
from dreamlab.core.diffusion import Image, denoising_walk
from dreamlab.core.errors import DamagedError
from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance.base import Distillation, MethodConfig, Step
from dreamlab.guidance.cfg import CFGConfig
from dreamlab.guidance.noise import NoiseConfig, sample_noise
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.query import require_conditional_mean
from dreamlab.priors.protocols import HasConditionalMean, Prior

_CAMERA = tuple(f.name for f in fields(Cameras) if f.name != "size")


class DatasetUpdateConfig(MethodConfig):
    """g = x - target, at remembered cameras whose targets the prior sampled.

    rings: the views of a set, as (how many, elevation in degrees), evenly spaced from a random start.
    begin: what the first set starts from, noised to t_max: the field's own renders, or the mean pictures of a
    prior that knows them.
    every: steps from one sampling to the next. As published, their levels walk from 0.98 down to 0.02.
    memory: sets that are kept, the oldest going first.
    weighting: a sampled target is clean, so W = 1.
    drawing_steps: denoising steps from t = 1, from lower levels proportionally fewer.
    eta: share of fresh noise in each of them: 1 is ancestral, 0 deterministic.
    """

    kind: Literal["dataset-update"] = "dataset-update"
    weighting: Literal["uniform"] = "uniform"  # pyright: ignore[reportIncompatibleVariableOverride]
    begin: Literal["field", "mean"] = "field"
    rings: tuple[tuple[int, float], ...] = ((8, 15.0), (4, 50.0))
    every: int = Field(default=60, ge=1)
    memory: int = Field(default=1, ge=1)
    drawing_steps: int = Field(default=30, ge=1)
    eta: float = Field(default=1.0, ge=0.0, le=1.0)
    fovy: float = Field(default=40.0, gt=1.0, lt=170.0)

    def build(
        self, prior: Prior, cfg: CFGConfig = CFGConfig(), noise: NoiseConfig = NoiseConfig()
    ) -> DatasetUpdate:
        return DatasetUpdate(self, prior, cfg, noise)

    def denoisings(self, steps: int, noise: NoiseConfig) -> int:
        """How often a whole set is denoised in a stage of so many steps (the mean, if levels are random)."""
        levels = [noise.mean(step / max(1, steps - 1)) for step in range(0, steps, self.every)]
        return sum(self.steps_from(level) for level in levels)

    def steps_from(self, level: float) -> int:
        """Denoising steps of a sampling that begins at this level."""
        return max(1, round(self.drawing_steps * level))


class DatasetUpdate(Distillation):
    """See DatasetUpdateConfig. The sampled sets are its state."""

    config: DatasetUpdateConfig

    def __init__(self, config: DatasetUpdateConfig, prior: Prior, cfg: CFGConfig, noise: NoiseConfig) -> None:
        super().__init__(config, prior, cfg, noise)
        self._first: HasConditionalMean | None = None
        if config.begin == "mean":
            self._first = require_conditional_mean(prior, "Set guidance.begin=field and noise.t_max=0.99")
        self._steps, self._level = 0, 0.0
        self._sets: list[tuple[Cameras, Image]] = []
        self._chosen: Image | None = None

    def select_cameras(self, cameras: Cameras, progress: float, generator: torch.Generator) -> Cameras:
        """A new ring where one is due, else as many of the remembered views as were asked for."""
        if self._steps % self.config.every == 0:
            self._chosen = None
            return self._ring(cameras.size, generator).to(cameras.c2w.device)
        known = Cameras.cat([c for c, _ in self._sets])
        targets = torch.cat([x for _, x in self._sets])
        rows = torch.randperm(len(targets), generator=generator)[: len(cameras)]
        self._chosen = targets[rows.to(targets.device)]
        return known[rows.to(targets.device)]

    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        target = self._chosen
        if target is None:
            step = self.diffuse(render, cameras, progress, generator)
            if self._first is not None and not self._sets:
                mean = self._first.mean(prompts.positive(cameras), cameras)
                begun = self.noised(replace(step.views, x=mean), step.t, step.noise)
                step = replace(begun, views=step.views)
            target = self.sample(step, prompts, generator)
            self._sets = [*self._sets, (cameras, target)][-self.config.memory :]
            x, self._level = step.x, float(step.t.mean())
        else:
            x = self.prior.encode(render, cameras).x
        self._steps += 1
        return self.gradient_loss(x, x.detach() - target, target, self._level)

    def state_dict(self) -> dict[str, Tensor]:
        state = {"steps": torch.tensor(self._steps), "level": torch.tensor(self._level)}
        for number, (cameras, target) in enumerate(self._sets):
            state |= {f"{number}.{name}": getattr(cameras, name).clone() for name in _CAMERA}
            state |= {f"{number}.size": torch.tensor(cameras.size), f"{number}.target": target.clone()}
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        try:
            self._steps, self._level = int(state["steps"]), float(state["level"])
            self._sets = []
            for number in range((len(state) - 2) // (len(_CAMERA) + 2)):
                values = {name: state[f"{number}.{name}"].clone() for name in _CAMERA}
                height, width = state[f"{number}.size"].tolist()
                cameras = Cameras(**values, size=(height, width))
                self._sets.append((cameras, state[f"{number}.target"].clone()))
        except KeyError as error:
            raise DamagedError("the checkpoint holds no sampled views", expected=str(error)) from error

    @torch.no_grad()
    def sample(self, step: Step, prompts: ViewPrompts, generator: torch.Generator) -> Image:
        """Clean images from step.z, in steps of even length from its levels to almost none."""
        steps = self.config.steps_from(float(step.t.max()))
        return denoising_walk(
            step.z,
            [step.t * (1 - i / steps) for i in range(steps)],
            lambda z, t: self.cfg.apply(self.cfg.predict(z, t, prompts, step.views)),
            self.prior.alpha_sigma,
            lambda z: sample_noise(z, generator),
            self.config.eta,
        )

    def _ring(self, size: tuple[int, int], generator: torch.Generator) -> Cameras:
        azimuths, elevations = [], []
        for count, elevation in self.config.rings:
            start = torch.rand((), generator=generator) * 2 * math.pi
            azimuths.append((start + torch.arange(count) * (2 * math.pi / count)) % (2 * math.pi))
            elevations.append(torch.full((count,), math.radians(elevation)))
        azimuth, elevation = torch.cat(azimuths), torch.cat(elevations)
        fovy = torch.full_like(azimuth, math.radians(self.config.fovy))
        return orbit_cameras(azimuth, elevation, 1.02 * distance_to_fit(fovy), fovy, size)
