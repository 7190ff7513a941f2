"""The loop: render, ask the prior, step, watch; a generator of events that knows nothing of disks or screens.

Saving, drawing and stopping belong to whoever consumes the events. Between two events the state is at rest:
it can be saved with `event.state.state_dict()`, and a loop that starts from it goes on as if it had never
stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from dreamlab.core.types import Buffer, Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.protocol import Edits, Guidance
from dreamlab.losses import LossConfig, WeightedLosses
from dreamlab.priors.protocols import Prior
from dreamlab.render.base import Renderer
from dreamlab.stages.base import Optimisable, OptimiseConfig, SelectsCameras
from dreamlab.stages.source import FrozenScene
from dreamlab.stages.state import OptimiserState
from dreamlab.stages.watchdog import Recovery, Vitals, solid_share


@dataclass(frozen=True)
class StepEvent:
    """What happened in one step.

    step counts from 1 to n_steps and goes back after a recovery. metrics are finite numbers that depend on
    nothing but the seed: loss, opacity (mean), coverage (share of pixels more than half opaque),
    parameter_grad_norm, and what the guidance tells (residual, t, ...). seconds are time by phase, on a GPU
    its own: render, prior, backward. `recovery` says that the watchdog stepped in. `preview(size, azimuth,
    elevation)` (radians) renders a still image uint8 [H,W,3]; like `state` it shows the moment, so call it
    before asking for the next event.
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
    stage: OptimiseConfig,
    scene: Optimisable,
    renderer: Renderer,
    prior: Prior,
    guidance: Guidance,
    prompts: ViewPrompts,
    seed: int,
    state: Mapping[str, Tensor] | None = None,
    before: OptimiserState | None = None,
    losses: Sequence[LossConfig] = (),
) -> Generator[StepEvent, None, OptimiserState]:
    """Distil the prior into the scene, one StepEvent a step; returns the state at the end.

    The same arguments give the same bytes on the same machine. Stop by no longer asking for events.

    Args:
        scene: freshly built; overwritten if `state` is given.
        prompts: as the prior encoded them; only handed on to the guidance.
        seed: of cameras, jitter, noise and everything else that is sampled in the loop.
        state: an earlier `event.state.state_dict()` to go on from.
        before: what the stage before this one returned: its background goes on where the settings
            are equal, and what its renderer knows where that fits.
        losses: beside those of the stage.

    Raises:
        CollapseError: the watchdog has no recovery left.
        DamagedError: `state` does not fit.
        ConfigError: `lr_scale` names a group that the scene does not have, or a loss that it cannot
            give.
    """
    if isinstance(guidance, Edits):
        guidance.set_source(lambda: FrozenScene(scene, renderer, stage))
    now = OptimiserState(stage, scene, renderer, guidance, seed, before)
    if state is not None:
        now.load_state_dict(state)
    lights, regularisers = stage.shading.build(), WeightedLosses((*stage.losses, *losses))
    while now.step < stage.total_steps:
        progress = now.step / max(1, stage.steps - 1)
        clock = _Clock(now.device)
        side = stage.side(progress, prior)
        cameras = stage.cameras.build((side, side))
        views = cameras.sample(stage.views, progress, now.generator).to(now.device)
        if isinstance(guidance, SelectsCameras):
            views = guidance.select_cameras(views, progress, now.generator)
        shading = lights.sample(views, progress, now.generator)
        render = _render(now, views, shading, regularisers.needs(progress), progress)
        regulariser = regularisers(render, scene, views, progress, now.generator)
        clock.lap("render")
        out = guidance(render, views, prompts, progress, now.generator)
        clock.lap("prior")
        health, metrics = _step_adam(now, out, regulariser, render, progress)
        clock.lap("backward")
        now.step += 1
        yield _event(now, health, metrics, clock)
    return now


def _render(
    state: OptimiserState, views: Cameras, shading: Any, buffers: frozenset[Buffer], progress: float
) -> RenderOutput:
    state.scene.advance(progress)
    state.renderer.update(state.scene, state.step, state.generator)
    return state.renderer(
        state.scene,
        views,
        background=state.background,
        shading=shading,
        generator=state.generator,
        buffers=buffers,
    )


def _step_adam(
    state: OptimiserState, out: GuidanceOut, regulariser: Tensor, render: RenderOutput, progress: float
) -> tuple[Vitals, dict[str, float]]:
    """Backward, clip, step; what the watchdog looks at, and all metrics of the step.

    All figures come from the device in one transfer. What is no number never reaches Adam. The gradient's
    norm is that before clipping.
    """
    loss = out.loss + regulariser
    state.set_learning_rates(progress)
    for optimizer in state.optimizers:
        optimizer.zero_grad(set_to_none=True)
    if loss.requires_grad:  # an empty volume has no samples, and so no gradient
        loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(list(state.parameters.values()), state.stage.clip_norm or math.inf)
    opacity = render.opacity.detach()
    figures = [loss.detach(), norm, opacity.mean(), solid_share(opacity), (opacity > 0.5).float().mean()]
    fetched = {name: value for name, value in out.metrics.items() if isinstance(value, Tensor)}
    figures += [value.detach().to(loss) for value in fetched.values()]
    value, length, mean, solid, coverage, *theirs = torch.stack(figures).tolist()
    if math.isfinite(length) and math.isfinite(value):
        for optimizer in state.optimizers:
            optimizer.step()
    metrics = {"loss": value, "opacity": mean, "coverage": coverage, "parameter_grad_norm": length}
    metrics |= {**out.metrics, **dict(zip(fetched, theirs, strict=True))}
    return Vitals(state.step + 1, value, length, mean, solid), metrics


def _event(state: OptimiserState, health: Vitals, metrics: dict[str, float], clock: _Clock) -> StepEvent:
    """Judge the step, heal if need be, and say what happened."""
    step, stage, watchdog = state.step, state.stage, state.watchdog
    recovery = watchdog.look(health)
    if recovery is not None:
        state.apply(recovery)
    elif step % stage.watchdog.keep_every == 0 and watchdog.worth_keeping(health) and state.healthy():
        state.keep()
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    return StepEvent(
        stage.name, step, stage.total_steps, finite, clock.seconds(), state, state.preview, recovery
    )


class _Clock:
    """Time by phase: the wall's, or on a GPU the stream's own, so that nothing waits before the step is
    done."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.current_stream(device) if device.type == "cuda" else None
        self._marks: list[tuple[str, Any]] = []
        self.lap("start")

    def lap(self, phase: str) -> None:
        """What was done since the lap before was this phase."""
        if self._stream is None:
            self._marks.append((phase, time.perf_counter()))
        else:
            self._marks.append((phase, self._stream.record_event(torch.cuda.Event(enable_timing=True))))

    def seconds(self) -> dict[str, float]:
        """Seconds of every phase."""
        if self._stream is not None:
            self._marks[-1][1].synchronize()
        pairs = pairwise(self._marks)
        if self._stream is None:
            return {phase: end - start for (_, start), (phase, end) in pairs}
        return {phase: start.elapsed_time(end) / 1000 for (_, start), (phase, end) in pairs}
