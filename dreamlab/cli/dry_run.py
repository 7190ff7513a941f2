"""dreamlab run --dry-run: the resolved settings and what they would cost."""

from __future__ import annotations

import json
import resource
import signal
import statistics
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch

from dreamlab.cli.tell import visible
from dreamlab.core.errors import DreamlabError, InputError, UnavailableError
from dreamlab.core.memory import out_of_memory, reason_of
from dreamlab.core.types import Mesh
from dreamlab.render.volume import VolumeRendererConfig
from dreamlab.run.config import RunConfig
from dreamlab.run.context import RunContext
from dreamlab.run.machine import pick_device
from dreamlab.run.offer import forecast
from dreamlab.run.pipeline import work_of
from dreamlab.stages import DistilConfig, FitViewsConfig
from dreamlab.stages.optimise import StepEvent
from dreamlab.stages.protocol import SurfaceMesh

_PATIENCE = 15.0  # seconds for all timed steps together
_MOST_SAMPLES = {"cpu": 4e7, "cuda": 1e9}  # of a step: more take minutes or tens of GB
_STEPS = 4  # of each stage; the first warms up and does not count


def show(
    config: RunConfig, as_json: bool, preset: str = "default", defaults: Mapping[str, str] | None = None
) -> int:
    """Print settings, where they come from, and cost; writes nothing to disk. The time comes from a few real
    steps of each stage.

    defaults: those of the user that took part, each with its origin.
    """
    cost, notes = _cost(config)
    if as_json:
        facts = {"event": "dry-run", "config": config.model_dump(mode="json", by_alias=True), "cost": cost}
        facts |= {"notes": notes, "preset": preset, "defaults": dict(defaults or {})}
        sys.stdout.write(json.dumps(facts) + "\n")
        return 0
    sys.stdout.write(config.yaml())
    sys.stdout.write(f"\n# preset: {preset}\n")
    for name, told in (defaults or {}).items():
        sys.stdout.write(f"# default {name}: {visible(told)}\n")
    sys.stdout.write("\n# cost\n")
    for key, value in cost.items():
        sys.stdout.write(f"# {key}: {value}\n")
    for note in notes:
        sys.stdout.write(f"# note: {note}\n")
    return 0


def _cost(config: RunConfig) -> tuple[dict[str, Any], list[str]]:
    """What it would cost, and what is to be said of the prompt."""
    images = sum(stage.total_steps * stage.views for stage in config.optimisations)
    cost: dict[str, Any] = {"steps": config.total_steps, "rendered images": images}
    if (told := forecast(config, pick_device(config.device))) is not None:
        cost["forecast"] = told
    try:
        with without_hub():
            seconds, notes = _measured(config)
    except DreamlabError as error:
        return cost | {"optimisation": f"unknown: {error}"}, []
    except Exception as error:
        if not out_of_memory(error):
            raise
        why = f"unknown: there is not enough memory for a single step; {reason_of(error)}"
        return cost | {"optimisation": why}, []
    cost["optimisation"] = (
        f"about {sum(seconds):.0f} s, from {_STEPS - 1} timed steps of each optimisation; the other stages "
        "come on top"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cost["memory"] = f"{peak / 2**30:.1f} GiB at least, the peak while timing"
    if torch.cuda.is_available():
        cost["GPU memory"] = (
            f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB at least, the peak while timing"
        )
    return cost, notes


def seconds_of_steps(config: RunConfig) -> float:
    """What all optimisations of a run would take, from a few real steps of each. Raises InputError,
    UnavailableError where that cannot be told."""
    with without_hub():
        return sum(_measured(config)[0])


def _measured(config: RunConfig) -> tuple[list[float], list[str]]:
    """Seconds of each optimisation, on scenes that are thrown away; and the prompt's limits.

    It takes as long as its median step, times its steps. Where whole sets of views are sampled, a single
    denoising of one is timed, and counted as often as the stage will do it.
    """
    context, found = RunContext(config, pick_device(config.device)), []
    for stage, _ in config.optimisations_on():
        _refuse_to_time(stage, config, context.device.type)
    notes = context.notes()
    with _no_longer_than(_PATIENCE):
        for stage, kind in config.optimisations_on():
            if not stage.active:
                continue
            scene = SurfaceMesh(_ball(), context.field()) if kind == "mesh" else None
            found.append(_seconds_of(stage, scene, context))
            context.left = None
    return found, notes


def _refuse_to_time(stage: DistilConfig | FitViewsConfig, config: RunConfig, device: str) -> None:
    """Raise InputError where a single step would take minutes or fill the memory."""
    renderer = stage.renderer or config.renderer
    sides, size = [64.0], stage.size
    while size is not None:
        sides, size = [*sides, size.start, size.end], size.then
    side = max(sides)
    samples = renderer.samples if isinstance(renderer, VolumeRendererConfig) else 8 * renderer.supersample**2
    count, most = stage.views * side**2 * samples, _MOST_SAMPLES.get(device, _MOST_SAMPLES["cuda"])
    if count > most:
        raise InputError(
            f"a step of {stage.name!r} is too large to be timed",
            expected=f"at most {most:.0e} samples (views x size x size x samples)",
            got=f"{count:.0e}",
            mend="Lower one of these, or run it and see",
        )


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Raise UnavailableError in the midst of what takes longer, where signals can be had."""

    def late(*_: object) -> None:
        raise UnavailableError(f"the timed steps take longer than {seconds:.0f} s on this machine")

    try:
        before = signal.signal(signal.SIGALRM, late)
    except (AttributeError, ValueError):  # Windows; another thread than the main one
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def without_hub() -> Iterator[None]:
    """No model is asked for or downloaded: a dry run takes what is on this machine."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _seconds_of(
    stage: DistilConfig | FitViewsConfig, scene: SurfaceMesh | None, context: RunContext
) -> float:
    steps, denoisings, work = stage.total_steps, 0, stage
    if isinstance(stage, FitViewsConfig):
        denoisings = stage.denoisings(context.calibration(stage)[1])
        work = stage.model_copy(update={"sampling_steps": 1})
    events = work_of(work).run(scene, context)
    laps = [event.seconds for event in islice(events, _STEPS) if isinstance(event, StepEvent)]
    events.close()
    seconds = [sum(lap.values()) for lap in laps]
    return statistics.median(seconds[1:] or seconds) * steps + laps[0]["prior"] * denoisings


def _ball() -> Mesh:
    """What stands in for a mesh that does not exist yet: about as many faces as a cleaned one has."""
    import numpy as np
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.6)
    return Mesh(torch.tensor(ball.vertices).float(), torch.from_numpy(np.asarray(ball.faces, np.int64)))
