"""Iterative dataset update: the prior samples a set of views together, and the field is fitted to them.

Haque et al. 2023 (Instruct-NeRF2NeRF, section 3.2), with a whole ring of views sampled at once by a prior
whose views see each other, as Instant3D (Li et al. 2024) samples its four. Later sets begin from the field's
own renders, noised to a level t below 1 and denoised again (SDEdit: Meng et al. 2022), so they mend what the
first set did not agree on. A prior that knows its mean pictures can begin from these: they agree about what
is seen from where before anything is sampled. With a latent model what is sampled is best decoded once and
compared as pictures: then no step waits for its encoder.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import fields
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field as Setting
from pydantic import model_validator
from torch import Tensor
from torch.nn.functional import interpolate
from typing_extensions import Self

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
from dreamlab.guidance.reference import WithPictures
from dreamlab.priors.protocols import Decodes, HasConditionalMean, Prior
from dreamlab.render import RendererConfig
from dreamlab.scenes.mesh import MeshSceneConfig
from dreamlab.stages.base import OptimiseConfig
from dreamlab.stages.distil import renderer_of, target_of, trained
from dreamlab.stages.optimise import optimise
from dreamlab.stages.protocol import Context, Scene, SceneKind, StageConfig, StageEvent

_CAMERA = tuple(f.name for f in fields(Cameras) if f.name != "size")


class FitViewsConfig(OptimiseConfig, StageConfig):
    """A field or mesh fitted to views that the prior samples: g = x - target, at remembered cameras.

    `views` of the remembered ones a step; a step that samples looks at its whole set. What the run's pictures
    show is held to them beside that. `rings` take the place
    of `cameras`, which may not be set.

    rings: the views of a set, as (how many, elevation in degrees), evenly spaced from a random start.
    begin: what the first set starts from, noised to t_max: the field's own renders, or the mean pictures of a
    prior that knows them.
    compare: where render and sampled view are compared: in the prior's own space, or as pictures, which asks
    its encoder once a set in place of once a step with a gradient, and its decoder as often.
    every: steps from one sampling to the next. As published, their levels walk from 0.98 down to 0.02.
    memory: sets that are kept, the oldest going first.
    sampling_steps: denoising steps from t = 1, from lower levels proportionally fewer.
    eta: share of fresh noise in each of them: 1 is ancestral, 0 deterministic.
    fovy: vertical field of view in degrees.
    max_batch: most images in one pass over the prior, or None for all at once.
    cfg, noise: the prior's calibration in this stage; what they do not set is the run's.
    renderer: null: the run's for a field, and `raster` for a mesh.
    mesh: how the corners of a mesh move.
    """

    accepts: ClassVar[frozenset[SceneKind]] = frozenset({"none", "field", "mesh"})

    kind: Literal["fit-views"] = "fit-views"
    name: str = "fit-views"
    begin: Literal["field", "mean"] = "field"
    compare: Literal["prior", "pixels"] = "prior"
    rings: tuple[tuple[int, float], ...] = ((8, 15.0), (4, 50.0))
    every: int = Setting(default=60, ge=1)
    memory: int = Setting(default=1, ge=1)
    sampling_steps: int = Setting(default=30, ge=1)
    eta: float = Setting(default=1.0, ge=0.0, le=1.0)
    fovy: float = Setting(default=40.0, gt=1.0, lt=170.0)
    max_batch: int | None = Setting(default=None, ge=1)
    cfg: CFGConfig | None = None
    noise: NoiseConfig | None = None
    renderer: RendererConfig | None = None
    mesh: MeshSceneConfig = MeshSceneConfig()

    @model_validator(mode="after")
    def _rings_alone(self) -> Self:
        if self.cameras != type(self).model_fields["cameras"].default:
            raise ValueError("fit-views looks where `rings` and `fovy` say; take `cameras` away")
        return self

    def returns(self, scene: SceneKind) -> SceneKind:
        return "field" if scene == "none" else scene

    def build(self) -> FitViewsStage:
        return FitViewsStage(self)

    def denoisings(self, noise: NoiseConfig) -> int:
        """How often a whole set is denoised in the stage (the mean, if levels are random)."""
        starts = range(0, self.total_steps, self.every)
        return sum(self.steps_from(noise.mean(step / max(1, self.steps - 1))) for step in starts)

    def steps_from(self, level: float) -> int:
        """Denoising steps of a sampling that begins at this level."""
        return max(1, round(self.sampling_steps * level))


class FitViewsStage:
    """See FitViewsConfig. The loop is that of distillation; what it descends is the distance to targets."""

    def __init__(self, config: FitViewsConfig) -> None:
        self.config = config

    def run(
        self, scene: Scene, context: Context, state: Mapping[str, Tensor] | None = None
    ) -> Generator[StageEvent, None, Scene]:
        config = self.config
        target = target_of(context.field() if scene is None else scene, config.mesh, config.lr_scale)
        target.to(context.device)
        sampled = SampledViews(self.config, context.prior, *context.calibration(self.config))
        context.left = yield from optimise(
            self.config,
            target,
            renderer_of(self.config.renderer, target, context).build(),
            context.prior,
            WithPictures(sampled, context.pictures, 1) if context.pictures else sampled,
            context.prompts,
            context.stage_seed(self.config),
            state,
            context.left,
            context.losses,
        )
        return trained(target)


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
        self._sets: list[tuple[Cameras, Image]] = []
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


def _sized_as(like: Image, images: Float[Tensor, "B C H W"]) -> Image:
    """Pictures as large as the renders that they are compared with."""
    size = (like.shape[-2], like.shape[-1])
    if images.shape[-2:] == size:
        return images
    return interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
