"""What a stage is: it turns one scene into the next. A run is a list of them.

none -> distil, fit-views -> field -> extract -> mesh -> clean, distil, simplify, texture, export, turntable
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from dreamlab.core.errors import InputError
from dreamlab.core.types import Field, Mesh
from dreamlab.mesh.geometry.named_parts import NamedParts
from dreamlab.mesh.retexture import Dressed

if TYPE_CHECKING:
    from dreamlab.guidance import CFGConfig, NoiseConfig
    from dreamlab.guidance.prompts import ViewPrompts
    from dreamlab.guidance.protocol import Guidance
    from dreamlab.guidance.reference import Picture
    from dreamlab.losses import LossConfig
    from dreamlab.priors.protocols import Prior
    from dreamlab.render.base import RendererSettings
    from dreamlab.scenes.base import RadianceField
    from dreamlab.stages.distil import DistilConfig
    from dreamlab.stages.fit_views import FitViewsConfig
    from dreamlab.stages.optimise import StepEvent
    from dreamlab.stages.state import OptimiserState

SceneKind = Literal["none", "field", "mesh"]
"""What stands between two stages: nothing yet, a field, or a SurfaceMesh."""


@dataclass(frozen=True)
class SurfaceMesh:
    """A mesh on its way to files, and the field that has its colours, if any has.

    painted: the surface on which the field's colours are right, where that is not the mesh itself: filtering
    and decimation move a mesh off the field's own surface.
    fine: the mesh before it was made light, for baked light and normal maps.
    volume: whether the colours are those of light through the field's density, as where the mesh was taken
    from it; else they are those at the surface, as where that was refined, and the density means nothing.
    quads: whether the triangles are halves of quads.
    parts: the faces' materials, where files shall have them.
    dressed: the mesh file that this is in new colours, where it is one: what writes it keeps the rest.
    patch: which faces [F] are of one colour together, by number, where each face has one: those of a cube.
    """

    mesh: Mesh
    field: Field | None = None
    painted: Mesh | None = None
    fine: Mesh | None = None
    volume: bool = True
    quads: bool = False
    parts: NamedParts | None = None
    patch: np.ndarray | None = None
    dressed: Dressed | None = None

    def colors(self) -> Field:
        """The field that has the colours. Raises InputError for a mesh that has none."""
        if self.field is None:
            raise InputError(
                "the mesh has no field to take colours from",
                mend="Take the texture stage away, or begin from a run",
            )
        return self.field


Scene: TypeAlias = Field | SurfaceMesh | None


@dataclass(frozen=True)
class Measured:
    """Figures of what a stage has made, by name."""

    values: dict[str, float]


@dataclass(frozen=True)
class Wrote:
    """Files that a stage has written, by kind: "glb", "mp4", ..."""

    files: dict[str, Path]


StageEvent: TypeAlias = "StepEvent | Measured | Wrote"


class Context(Protocol):
    """What the stages of a run share. Priors and prompts are made when they are first asked for."""

    device: torch.device
    folder: Path
    prompt: str
    """As it was said, before anything was added to it."""
    asset: str
    """What the object is called inside files."""
    left: OptimiserState | None
    """What the optimisation before this one left: background, occupancy."""

    @property
    def source(self) -> Path | None:
        """The mesh file that the run begins with."""
        ...

    @property
    def made_by(self) -> Mapping[str, Any]:
        """What files that can say so say of their making: version, prompt, seed, prior."""
        ...

    @property
    def renderer(self) -> RendererSettings:
        """That of the field, where a stage names none."""
        ...

    @property
    def prior(self) -> Prior: ...

    @property
    def prompts(self) -> ViewPrompts: ...

    @property
    def losses(self) -> Sequence[LossConfig]:
        """What holds for fields in every optimisation, beside its own losses."""
        ...

    @property
    def pictures(self) -> Sequence[Picture]:
        """What the run was shown beside its prompt."""
        ...

    def field(self) -> RadianceField:
        """The field that the run begins with."""
        ...

    def guidance(self, stage: DistilConfig) -> Guidance: ...

    def calibration(self, stage: DistilConfig | FitViewsConfig) -> tuple[CFGConfig, NoiseConfig]:
        """The prior's, in this stage."""
        ...

    def stage_seed(self, stage: DistilConfig | FitViewsConfig) -> int:
        """What the stage's randomness begins with."""
        ...


class Stage(Protocol):
    """One step of a run. `run` is a generator of what happens, and returns the next scene."""

    def run(
        self, scene: Any, context: Context, state: Mapping[str, Tensor] | None = None
    ) -> Generator[StageEvent, None, Scene]:
        """state: that of a checkpoint inside this stage, to go on from; only for stages with steps."""
        ...


class StageConfig(BaseModel):
    """What all stages have: the name that settings (`stages.NAME.…`), progress and metrics call them by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accepts: ClassVar[frozenset[SceneKind]] = frozenset({"mesh"})

    name: str

    def returns(self, scene: SceneKind) -> SceneKind:
        """What the stage makes of a kind of scene that it accepts."""
        return scene

    @property
    def active(self) -> bool:
        """False where the settings leave the stage nothing to do."""
        return True

    def check(self) -> None:
        """Raise UnavailableError now if the stage will need what is not installed."""

    @property
    def total_steps(self) -> int:
        """Steps of optimisation, after each of which a run can be stopped; 0 for stages that are over in
        seconds."""
        return 0

    def build(self) -> Stage:
        raise NotImplementedError
