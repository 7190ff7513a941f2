"""Iterative dataset update: the prior samples a set of views together, and the field is fitted to them.

Haque et al. 2023 (Instruct-NeRF2NeRF, section 3.2), with a whole ring of views sampled at once by a prior
whose views see each other, as Instant3D (Li et al. 2024) samples its four. Later sets begin from the field's
own renders, noised to a level t below 1 and denoised again (SDEdit: Meng et al. 2022), so they mend what the
first set did not agree on. A prior that knows its mean pictures can begin from these: they agree about what
is seen from where before anything is sampled. With a latent model what is sampled is best decoded once and
compared as pictures: then no step waits for its encoder.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import ClassVar, Literal

from pydantic import Field as Setting
from pydantic import model_validator
from torch import Tensor
from typing_extensions import Self

from dreamlab.guidance import CFGConfig, NoiseConfig
from dreamlab.guidance.reference import WithPictures
from dreamlab.render import RendererConfig
from dreamlab.scenes.mesh import MeshSceneConfig
from dreamlab.stages.base import OptimiseConfig
from dreamlab.stages.distil import renderer_of, target_of, trained
from dreamlab.stages.optimise import optimise
from dreamlab.stages.protocol import Context, Scene, SceneKind, StageConfig, StageEvent, SurfaceMesh
from dreamlab.stages.sampled_views import SampledViews
from dreamlab.stages.shown_colors import viewed_on


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
    project: whether a mesh wears the last set in the end, where its views see it well, as sharp as it was
    sampled; needs compare: pixels, and is for the last optimisation of a run.
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
    project: bool = False
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

    @model_validator(mode="after")
    def _projects_pictures(self) -> Self:
        if self.project and self.compare != "pixels":
            raise ValueError("project: true wants compare: pixels beside it: pictures are put onto meshes")
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
        done = trained(target)
        if self.config.project and isinstance(done, SurfaceMesh):
            return viewed_on(done, *sampled.newest)
        return done
