"""One optimisation: its settings, and what it needs of a scene."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Protocol, runtime_checkable

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic import Field as Setting
from torch import Tensor

from dreamlab.core.cameras import CamerasConfig, OrbitCamerasConfig
from dreamlab.core.schedules import Ramp
from dreamlab.core.types import Cameras, Scene
from dreamlab.losses import LossConfigs
from dreamlab.priors.protocols import Prior
from dreamlab.render.background import BackgroundConfig, RandomBackgroundConfig
from dreamlab.render.shading import AlbedoShadingConfig, ShadingConfig
from dreamlab.stages.watchdog import WatchdogConfig


@runtime_checkable
class Optimisable(Scene, Protocol):
    """A scene that the loop can train, save and begin anew."""

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]: ...

    def parameter_groups(self) -> Mapping[str, Sequence[str]]:
        """Every parameter's name once, by what may have a learning rate of its own (see
        OptimiseConfig.lr_scale)."""
        ...

    def advance(self, progress: float) -> None:
        """Called before every step with the stage's progress 0..1: for what changes without being learned.

        What changes by it belongs to the state_dict.
        """
        ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...

    def to(self, device: torch.device | str) -> Any: ...

    def restart(self, generator: torch.Generator, blob_factor: float = 1.0) -> None:
        """Forget everything learned; `blob_factor` says how much denser than usual to begin."""
        ...


@runtime_checkable
class SelectsCameras(Protocol):
    """What pulls at the scene, where it has views of its own in mind: see dreamlab.stages.sampled_views."""

    def select_cameras(self, cameras: Cameras, progress: float, generator: torch.Generator) -> Cameras:
        """Where to look in this step, in the place of the sampled cameras."""
        ...


def _whole_sizes(size: Ramp) -> Ramp:
    for pixels in (size.start, size.end):
        if not (8 <= pixels <= 1024 and pixels == int(pixels)):
            raise ValueError("a size is a whole number of pixels from 8 to 1024")
    return size if size.then is None else size.model_copy(update={"then": _whole_sizes(size.then)})


_Decay = Annotated[float, Setting(ge=0.0, lt=1.0)]


class OptimiseConfig(BaseModel):
    """One optimisation: how long, from where, how lit, and how fast.

    `views` cameras a step, `size` pixels square (None: the prior's resolution), which may grow as a ramp.
    `lr` and `background_lr` are Adam's; `lr_scale` multiplies `lr` for groups of the field's parameters, by
    name (a hash grid has "encoding" and "network"). `clip_norm` bounds the norm of the whole gradient (None:
    no bound). `losses` may be short: {orientation: 0.1} is [{kind: orientation, weight: 0.1}].

    stop_after: leave off after so many steps, while all schedules run as for `steps`; 0 passes over a stage
    that is not the first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "distil"
    steps: int = Setting(default=400, ge=1, le=10_000_000)
    stop_after: int | None = Setting(default=None, ge=0)
    views: int = Setting(default=4, ge=1, le=1024)
    size: Annotated[Ramp, AfterValidator(_whole_sizes)] | None = None
    cameras: CamerasConfig = OrbitCamerasConfig()
    shading: ShadingConfig = AlbedoShadingConfig()
    background: BackgroundConfig = RandomBackgroundConfig()
    losses: LossConfigs = ()
    watchdog: WatchdogConfig = WatchdogConfig()
    lr: Ramp = Ramp.constant(0.01)
    background_lr: Ramp = Ramp.constant(0.001)
    lr_scale: dict[str, Annotated[float, Setting(ge=0.0)]] = Setting(default_factory=dict)
    betas: tuple[_Decay, _Decay] = (0.9, 0.99)
    eps: float = Setting(default=1e-15, gt=0)
    clip_norm: float | None = Setting(default=None, gt=0)

    @property
    def total_steps(self) -> int:
        """Steps that are made."""
        return self.steps if self.stop_after is None else min(self.steps, self.stop_after)

    @property
    def active(self) -> bool:
        return self.total_steps > 0

    def side(self, progress: float, prior: Prior) -> int:
        """Pixels of a view's side at this progress."""
        return prior.resolution if self.size is None else round(self.size(progress))
