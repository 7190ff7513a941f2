"""Sets of views that a prior samples together, in the place of a guidance: see dreamlab.stages.fit_views."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from dreamlab.core.cameras import distance_to_fit, orbit_cameras
from dreamlab.core.diffusion import Image, add_noise, denoising_walk
from dreamlab.core.errors import ConfigError, DamagedError
from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput, Views
from dreamlab.guidance import CFGConfig, NoiseConfig
from dreamlab.guidance.base import gradient_loss
from dreamlab.guidance.cfg import CFG
from dreamlab.guidance.noise import sample_noise
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.query import require_conditional_mean
from dreamlab.priors.protocols import Decodes, HasConditionalMean, Prior

if TYPE_CHECKING:
    from dreamlab.stages.fit_views import FitViewsConfig

ViewSet: TypeAlias = tuple[Cameras, Image]
"""Where its views were taken from, and what they show: [B,C,H,W], the prior's own or pictures."""
_CAMERA = tuple(f.name for f in fields(Cameras) if f.name != "size")


class SampledViews:
    """Sets of views that the prior samples, in the place of a guidance: it says where to look, and how far
    what is rendered there is from its targets. The sets are its state.

    Raises ConfigError where the first set shall begin from mean pictures that the prior does not know, or be
    compared as pictures that it cannot show.
    """

    def __init__(self, config: FitViewsConfig, prior: Prior, cfg: CFGConfig, noise: NoiseConfig) -> None:
        self.config, self.prior, self.noise = config, prior, noise
        self.cfg = CFG(cfg, prior, config.max_batch)
        self._mean: HasConditionalMean | None = None
        if config.begin == "mean":
            mend = f"Set stages.{config.name}.begin=field and noise.t_max=0.99"
            self._mean = require_conditional_mean(prior, mend)
        self._decoder: Decodes | None = None
        if config.compare == "pixels":
            if not isinstance(prior, Decodes):
                raise ConfigError(
                    "this prior cannot show what it samples as pictures",
                    mend=f"Set stages.{config.name}.compare=prior",
                )
            self._decoder = prior
        self._steps, self._level = 0, 0.0
        self._sets: list[ViewSet] = []
        self._chosen: Image | None = None

    def select_cameras(self, cameras: Cameras, progress: float, generator: torch.Generator) -> Cameras:
        """A new set where one is due, else as many of the remembered views as were asked for."""
        if self._steps % self.config.every == 0:
            self._chosen = None
            return self._ring(cameras.size, generator).to(cameras.c2w.device)
        known = Cameras.cat([c for c, _ in self._sets])
        targets = torch.cat([x for _, x in self._sets])
        rows = torch.randperm(len(targets), generator=generator)[: len(cameras)].to(targets.device)
        self._chosen = targets[rows].to(cameras.c2w.device)  # those of a checkpoint are on the CPU
        return known[rows].to(cameras.c2w.device)

    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        if self._decoder is None:
            views = self.prior.encode(render, cameras)
            x, target = views.x, self._chosen
            if target is None:
                target = self._new_set(views, prompts, progress, generator)
        else:
            x, target = render.rgb.movedim(-1, 1), self._chosen
            if target is None:
                with torch.no_grad():
                    views = self.prior.encode(render, cameras)
                target = self._new_set(views, prompts, progress, generator)
            target = _sized_as(x, target)
        self._steps += 1
        return gradient_loss(x, x.detach() - target, target, self._level)

    def _new_set(
        self, views: Views, prompts: ViewPrompts, progress: float, generator: torch.Generator
    ) -> Image:
        """Sample a set, and remember it as what it is compared with."""
        t = self._levels(len(views), progress, generator).to(views.x)
        target = self.sample(views, t, prompts, generator)
        if self._decoder is not None:
            target = self._decoder.decode(target).movedim(-1, 1)
        self._sets = [*self._sets, (views.cameras, target)][-self.config.memory :]
        self._level = float(t.mean())
        return target

    @torch.no_grad()
    def sample(
        self, views: Views, t: Float[Tensor, " B"], prompts: ViewPrompts, generator: torch.Generator
    ) -> Image:
        """Clean images of these views: from their own, or the first time from the mean pictures, noised to t,
        in steps of even length to almost none.
        """
        x, noise = views.x.detach(), sample_noise(views.x, generator)
        if self._mean is not None and not self._sets:
            x = self._mean.mean(prompts.positive(views.cameras), views.cameras)
        alpha, sigma = (scale.to(x) for scale in self.prior.alpha_sigma(t))
        steps = self.config.steps_from(float(t.max()))
        return denoising_walk(
            add_noise(x, noise, alpha, sigma),
            [t * (1 - i / steps) for i in range(steps)],
            lambda z, level: self.cfg.apply(self.cfg.predict(z, level, prompts, views)),
            self.prior.alpha_sigma,
            lambda z: sample_noise(z, generator),
            self.config.eta,
        )

    @property
    def newest(self) -> ViewSet:
        """The set that was sampled last."""
        return self._sets[-1]

    def state_dict(self) -> dict[str, Tensor]:
        state = {"steps": torch.tensor(self._steps), "level": torch.tensor(self._level)}
        for number, (cameras, target) in enumerate(self._sets):
            state |= {f"{number}.{name}": getattr(cameras, name).clone() for name in _CAMERA}
            state |= {f"{number}.size": torch.tensor(cameras.size), f"{number}.target": target.clone()}
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._sets = sets_in(state)
        self._steps, self._level = int(state["steps"]), float(state["level"])

    def _levels(self, n: int, progress: float, generator: torch.Generator) -> Float[Tensor, " B"]:
        group = self.prior.views_per_group
        if n % group:
            raise ConfigError(
                "the prior looks at views in groups",
                expected=f"rings of a multiple of {group} views",
                got=str(n),
                mend=f"Change stages.{self.config.name}.rings or prior.views_per_group",
            )
        return self.noise.sample(n, group, progress, generator)

    def _ring(self, size: tuple[int, int], generator: torch.Generator) -> Cameras:
        azimuths, elevations = [], []
        for count, elevation in self.config.rings:
            start = torch.rand((), generator=generator) * 2 * math.pi
            azimuths.append((start + torch.arange(count) * (2 * math.pi / count)) % (2 * math.pi))
            elevations.append(torch.full((count,), math.radians(elevation)))
        azimuth, elevation = torch.cat(azimuths), torch.cat(elevations)
        fovy = torch.full_like(azimuth, math.radians(self.config.fovy))
        return orbit_cameras(azimuth, elevation, 1.02 * distance_to_fit(fovy), fovy, size)


def sets_in(state: Mapping[str, Tensor]) -> list[ViewSet]:
    """The sets of a saved state. Raises DamagedError where it is of something else."""
    found: list[ViewSet] = []
    try:
        _ = state["steps"], state["level"]
        for number in range((len(state) - 2) // (len(_CAMERA) + 2)):
            values = {name: state[f"{number}.{name}"].clone() for name in _CAMERA}
            height, width = state[f"{number}.size"].tolist()
            found.append((Cameras(**values, size=(height, width)), state[f"{number}.target"].clone()))
    except KeyError as error:
        raise DamagedError("the checkpoint holds no sampled views", expected=str(error)) from error
    return found


def _sized_as(like: Image, images: Float[Tensor, "B C H W"]) -> Image:
    """Pictures as large as the renders that they are compared with."""
    size = (like.shape[-2], like.shape[-1])
    if images.shape[-2:] == size:
        return images
    return interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
