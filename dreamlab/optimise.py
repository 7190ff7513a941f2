"""The loop: render, ask the prior, step, watch; a generator of events that knows nothing of disks or screens.

Saving, drawing and stopping belong to whoever consumes the events. Between two events the state is at rest:
it can be saved with `event.state.state_dict()`, and a loop that starts from it goes on as if it had never
stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, runtime_checkable

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic import Field as Setting
from torch import Tensor

from dreamlab.cameras import CamerasConfig, OrbitCamerasConfig, distance_to_fit, orbit_cameras
from dreamlab.errors import DamagedError
from dreamlab.losses import LossesConfig, total
from dreamlab.render.background import Background, BackgroundConfig, RandomBackgroundConfig
from dreamlab.render.shading import AlbedoShadingConfig, ShadingConfig
from dreamlab.render.volume import VolumeRender, VolumeRenderer
from dreamlab.schedules import Ramp
from dreamlab.types import Cameras, Field, Guidance, Prior
from dreamlab.watchdog import Remedy, Watchdog, WatchdogConfig, vitals


@runtime_checkable
class Optimisable(Field, Protocol):
    """A field that the loop can train, save and begin anew."""

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]: ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...

    def restart(self, generator: torch.Generator, blob_factor: float = 1.0) -> None:
        """Forget everything learned; `blob_factor` says how much denser than usual to begin."""
        ...


def _whole_sizes(size: Ramp) -> Ramp:
    for pixels in (size.start, size.end):
        if not (8 <= pixels <= 1024 and pixels == int(pixels)):
            raise ValueError("a size is a whole number of pixels from 8 to 1024")
    return size if size.then is None else size.model_copy(update={"then": _whole_sizes(size.then)})


class StageConfig(BaseModel):
    """One stage of a run: how long, from where, how lit, and how fast.

    `views` cameras a step, `size` pixels square (None: the prior's resolution), which may grow as a ramp.
    `lr` and `background_lr` are Adam's; `clip_norm` bounds the norm of the whole gradient (None: no bound).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "coarse"
    steps: int = Setting(default=400, ge=1)
    views: int = Setting(default=4, ge=1)
    size: Annotated[Ramp, AfterValidator(_whole_sizes)] | None = None
    cameras: CamerasConfig = OrbitCamerasConfig()
    shading: ShadingConfig = AlbedoShadingConfig()
    background: BackgroundConfig = RandomBackgroundConfig()
    losses: LossesConfig = LossesConfig()
    watchdog: WatchdogConfig = WatchdogConfig()
    lr: Ramp = Ramp.constant(0.01)
    background_lr: Ramp = Ramp.constant(0.001)
    betas: tuple[float, float] = (0.9, 0.99)
    eps: float = Setting(default=1e-15, gt=0)
    clip_norm: float | None = Setting(default=None, gt=0)

    def side(self, progress: float, prior: Prior) -> int:
        """Pixels of a view's side at this progress."""
        return prior.resolution if self.size is None else round(self.size(progress))


@dataclass(frozen=True)
class StepEvent:
    """What happened in one step.

    step counts from 1 to n_steps and goes back after a remedy. metrics are finite numbers that depend on
    nothing but the seed: loss, opacity (mean), coverage (share of pixels more than half opaque),
    parameter_grad_norm, and what the guidance tells (residual, t, ...). seconds are wall time by phase:
    render, prior, backward. `remedy` says that the watchdog stepped in. `preview(size, azimuth, elevation)`
    (radians) renders a still image uint8 [H,W,3]; like `state` it shows the moment, so call it before
    asking for the next event.
    """

    stage: str
    step: int
    n_steps: int
    metrics: dict[str, float]
    seconds: dict[str, float]
    state: OptimiserState
    preview: Callable[..., Tensor]
    remedy: Remedy | None = None


class OptimiserState:
    """All of a stage that changes: field, background, occupancy, Adam, randomness, guidance, watchdog."""

    def __init__(
        self, stage: StageConfig, field: Optimisable, renderer: VolumeRenderer, guidance: Guidance, seed: int
    ) -> None:
        self.stage, self.field, self.renderer, self.guidance = stage, field, renderer, guidance
        self.seed, self.step = seed, 0
        self.generator = torch.Generator().manual_seed(seed)
        self.device = next(iter(field.parameters())).device
        self.renderer.to(self.device)
        self.background: Background = stage.background.build(self.generator).to(self.device)
        self.watchdog = Watchdog(stage.watchdog)
        self.parameters, self.adam = self._new_adam()
        self._good: dict[str, Tensor] = {}
        self._good_step = -1
        self.keep()

    # ---- saving and loading ----

    def state_dict(self) -> dict[str, Tensor]:
        """All state as flat named tensors on the CPU, independent copies: enough to go on exactly.

        Names begin with "field.", "background.", "renderer.", "guidance.", "adam." or "watchdog."; "good."
        holds the state that a rollback would return to, unless that is the present one.
        """
        state = self._present()
        state |= {f"watchdog.{k}": v for k, v in self.watchdog.state_dict().items()}
        if self._good_step != self.step:
            state |= {f"good.{k}": v.clone() for k, v in self._good.items()}
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state_dict of the same stage and field. DamagedError if it does not fit."""
        try:
            self._restore({k: v for k, v in state.items() if not k.startswith(("good.", "watchdog."))})
            self.watchdog.load_state_dict(_part(state, "watchdog."))
            good = _part(state, "good.")
            self._good = good or self._present()
            self._good_step = int(self._good["step"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise DamagedError(
                "the saved optimiser state does not fit this stage",
                expected="a state of the same config",
                got=str(error).splitlines()[0],
                mend="Resume with the config that the run was started with",
            ) from error

    def keep(self) -> None:
        """Remember the present as the last good state."""
        self._good, self._good_step = self._present(), self.step

    def apply(self, remedy: Remedy) -> None:
        """Do what the watchdog asks."""
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * remedy.attempt)
        if remedy.kind == "rollback":
            self._restore(self._good)
        else:
            self.field.restart(generator, remedy.blob_factor)
            self.renderer.occupancy.reset()
            self.background = self.stage.background.build(generator).to(self.device)
            self.parameters, self.adam = self._new_adam()
            self.step = 0
        self.generator = generator
        self.keep()

    def healthy(self) -> bool:
        """Whether all parameters are finite."""
        return all(bool(p.isfinite().all()) for p in self.parameters.values())

    def _present(self) -> dict[str, Tensor]:
        state = {"step": torch.tensor(self.step), "generator": self.generator.get_state()}
        parts = {
            "field": self.field,
            "background": self.background,
            "renderer": self.renderer,
            "guidance": self.guidance,
        }
        for prefix, part in parts.items():
            state |= {f"{prefix}.{k}": v for k, v in part.state_dict().items()}
        for name, parameter in self.parameters.items():
            moments = self.adam.state.get(parameter, {})
            state |= {f"adam.{name}.{key}": value for key, value in moments.items()}
        return {k: v.detach().cpu().clone() for k, v in state.items()}

    def _restore(self, state: Mapping[str, Tensor]) -> None:
        self.step = int(state["step"])
        self.generator.set_state(state["generator"].cpu())
        self.field.load_state_dict(_part(state, "field."))
        self.background.load_state_dict(_part(state, "background."))
        self.renderer.load_state_dict(_part(state, "renderer."))
        self.guidance.load_state_dict(_part(state, "guidance."))
        self.parameters, self.adam = self._new_adam()
        for name, parameter in self.parameters.items():
            moments = _part(state, f"adam.{name}.")
            if moments:
                if moments["exp_avg"].shape != parameter.shape:
                    raise ValueError(f"{name} has another shape")
                self.adam.state[parameter] = {k: v.to(self.device).clone() for k, v in moments.items()}

    def _new_adam(self) -> tuple[dict[str, Tensor], torch.optim.Adam]:
        field = {f"field.{k}": p for k, p in self.field.named_parameters() if p.requires_grad}
        background = {f"background.{k}": p for k, p in self.background.named_parameters()}
        groups = [{"params": list(field.values())}]
        if background:
            groups.append({"params": list(background.values())})
        adam = torch.optim.Adam(groups, lr=0.0, betas=self.stage.betas, eps=self.stage.eps, fused=True)
        return field | background, adam

    # ---- looking ----

    @torch.no_grad()
    def preview(self, size: int = 128, azimuth: float = 0.5, elevation: float = 0.35) -> Tensor:
        """A still view of the present field as uint8 [H,W,3]; touches no randomness."""
        fovy = torch.tensor([math.radians(40.0)])
        angles = torch.tensor([azimuth]), torch.tensor([elevation])
        camera = orbit_cameras(*angles, distance_to_fit(fovy), fovy, (size, size)).to(self.device)
        image = self.renderer(self.field, camera, background=self.background).rgb[0]
        return (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu()


def optimise(
    stage: StageConfig,
    field: Optimisable,
    renderer: VolumeRenderer,
    prior: Prior,
    guidance: Guidance,
    prompts: Any,
    seed: int,
    state: Mapping[str, Tensor] | None = None,
) -> Generator[StepEvent, None, None]:
    """Distil the prior into the field, one StepEvent a step.

    The same arguments give the same bytes on the same machine. Stop by no longer asking for events.

    Args:
        field: freshly built; overwritten if `state` is given.
        prompts: a ViewPrompts; only handed on to the guidance.
        seed: of cameras, jitter, noise and everything else that is drawn in the loop.
        state: an earlier `event.state.state_dict()` to go on from.

    Raises:
        CollapseError: the watchdog has no remedy left.
        DamagedError: `state` does not fit.
    """
    now = OptimiserState(stage, field, renderer, guidance, seed)
    if state is not None:
        now.load_state_dict(state)
    lights = stage.shading.build()
    while now.step < stage.steps:
        progress = now.step / max(1, stage.steps - 1)
        clock = _Clock(now.device)
        side = stage.side(progress, prior)
        cameras = stage.cameras.build((side, side))
        views = cameras.sample(stage.views, progress, now.generator).to(now.device)
        views = guidance.look(views, progress, now.generator)
        render = _render(now, views, lights.sample(views, progress, now.generator), progress)
        terms = stage.losses.terms(
            render, progress, directions=render.directions, depth_variance=render.depth_variance
        )
        clock.lap("render")
        told = guidance(render, views, prompts, progress, now.generator)
        clock.lap("prior")
        loss = told.loss + total(terms, told.loss)
        norm = _step_adam(now, loss, progress)
        clock.lap("backward")
        now.step += 1
        yield _event(now, render, loss, norm, told.metrics, clock)


def _render(now: OptimiserState, views: Cameras, shading: Any, progress: float) -> VolumeRender:
    losses = now.stage.losses
    now.renderer.update(now.field, now.step, now.generator)
    return now.renderer(
        now.field,
        views,
        background=now.background,
        shading=shading,
        generator=now.generator,
        normals=losses.needs_normals(progress),
        depth_variance=losses.needs_depth_variance(progress),
    )


def _step_adam(now: OptimiserState, loss: Tensor, progress: float) -> float:
    """Backward, clip, step; the gradient's norm before clipping. What is no number never reaches Adam."""
    stage, adam = now.stage, now.adam
    for group, ramp in zip(adam.param_groups, (stage.lr, stage.background_lr), strict=False):
        group["lr"] = ramp(progress) * now.watchdog.lr_factor
    adam.zero_grad(set_to_none=True)
    if loss.requires_grad:  # an empty volume has no samples, and so no gradient
        loss.backward()
    norm = float(torch.nn.utils.clip_grad_norm_(list(now.parameters.values()), stage.clip_norm or math.inf))
    if math.isfinite(norm) and math.isfinite(float(loss.detach())):
        adam.step()
    return norm


def _event(
    now: OptimiserState,
    render: VolumeRender,
    loss: Tensor,
    norm: float,
    told: dict[str, float],
    clock: _Clock,
) -> StepEvent:
    """Judge the step, heal if need be, and tell."""
    step, watchdog = now.step, now.watchdog
    health = vitals(step, float(loss.detach()), norm, render.opacity.detach())
    metrics = {
        "loss": health.loss,
        "opacity": health.mean_opacity,
        "coverage": float((render.opacity.detach() > 0.5).float().mean()),
        "parameter_grad_norm": norm,
        **told,
    }
    remedy = watchdog.look(health)
    if remedy is not None:
        now.apply(remedy)
    elif step % now.stage.watchdog.keep_every == 0 and watchdog.worth_keeping(health) and now.healthy():
        now.keep()
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    return StepEvent(now.stage.name, step, now.stage.steps, finite, clock.seconds, now, now.preview, remedy)


class _Clock:
    """Wall time by phase. On a GPU it waits for the work to be done, else the phases would blur."""

    def __init__(self, device: torch.device) -> None:
        self._device, self.seconds = device, {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        self.seconds[phase], self._last = now - self._last, now


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries below a prefix, with the prefix taken off."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
