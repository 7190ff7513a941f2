"""The loop: render, ask the prior, step, watch; a generator of events that knows nothing of disks or screens.

Saving, drawing and stopping belong to whoever consumes the events. Between two events the state is at rest:
it can be saved with `event.state.state_dict()`, and a loop that starts from it goes on as if it had never
stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dreamlab.core.types import Cameras
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.protocol import ChoosesViews, Edits, Guidance
from dreamlab.losses.terms import total
from dreamlab.priors.protocols import Prior
from dreamlab.render.volume import VolumeRender, VolumeRenderer
from dreamlab.stages.base import Optimisable, StageConfig
from dreamlab.stages.source import FrozenScene
from dreamlab.stages.state import OptimiserState
from dreamlab.stages.watchdog import Recovery, vitals


@dataclass(frozen=True)
class StepEvent:
    """What happened in one step.

    step counts from 1 to n_steps and goes back after a recovery. metrics are finite numbers that depend on
    nothing but the seed: loss, opacity (mean), coverage (share of pixels more than half opaque),
    parameter_grad_norm, and what the guidance tells (residual, t, ...). seconds are wall time by phase:
    render, prior, backward. `recovery` says that the watchdog stepped in. `preview(size, azimuth, elevation)`
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
    recovery: Recovery | None = None


def optimise(
    stage: StageConfig,
    field: Optimisable,
    renderer: VolumeRenderer,
    prior: Prior,
    guidance: Guidance,
    prompts: ViewPrompts,
    seed: int,
    state: Mapping[str, Tensor] | None = None,
) -> Generator[StepEvent, None, None]:
    """Distil the prior into the field, one StepEvent a step.

    The same arguments give the same bytes on the same machine. Stop by no longer asking for events.

    Args:
        field: freshly built; overwritten if `state` is given.
        prompts: as the prior encoded them; only handed on to the guidance.
        seed: of cameras, jitter, noise and everything else that is drawn in the loop.
        state: an earlier `event.state.state_dict()` to go on from.

    Raises:
        CollapseError: the watchdog has no recovery left.
        DamagedError: `state` does not fit.
    """
    if isinstance(guidance, Edits):
        guidance.set_source(lambda: FrozenScene(field, renderer, stage))
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
        if isinstance(guidance, ChoosesViews):
            views = guidance.select_cameras(views, progress, now.generator)
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
    recovery = watchdog.look(health)
    if recovery is not None:
        now.apply(recovery)
    elif step % now.stage.watchdog.keep_every == 0 and watchdog.worth_keeping(health) and now.healthy():
        now.keep()
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    return StepEvent(now.stage.name, step, now.stage.steps, finite, clock.seconds, now, now.preview, recovery)


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
