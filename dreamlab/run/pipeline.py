"""Prompt to files: a fold over the run's stages.

`generate` is a generator of events; who consumes it shows them and decides when to stop. Closing it during
an optimisation keeps a checkpoint, and the next `generate` of the same folder goes on from there as if
nothing had happened.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from torch import Tensor

from dreamlab.ops import threads
from dreamlab.priors.protocols import Prior
from dreamlab.run.changed import settings_changed
from dreamlab.run.checkpoints import Checkpoint
from dreamlab.run.clock import Clock
from dreamlab.run.config import RunConfig
from dreamlab.run.context import RunContext
from dreamlab.run.events import Begun, Event, Finished, Note
from dreamlab.run.loggers import check_loggers, open_loggers
from dreamlab.run.machine import changes, pick_device
from dreamlab.run.origin import given_facts, other_weights, prior_facts
from dreamlab.run.pictures import with_cameras
from dreamlab.run.prior_cache import Build, build_prior
from dreamlab.run.record import Recorder
from dreamlab.run.restore import newest, scene_in
from dreamlab.run.run_dir import RunDir
from dreamlab.run.summary import write_summary
from dreamlab.stages import ExportStageConfig, TurntableStageConfig
from dreamlab.stages.protocol import Scene, Stage, StageConfig, SurfaceMesh

log = logging.getLogger(__name__)
_NO_ENVIRONMENT = (
    "environment.json is missing or damaged: what has changed on this machine since the start is not known"
)


def generate(
    config: RunConfig, run: RunDir, prior: Prior | None = None, build: Build = build_prior
) -> Generator[Event, None, None]:
    """Work on a run until its files are written, from wherever its checkpoints say it stands.

    Where every step is done already, no prior is loaded.

    Args:
        config: the run's resolved config.
        run: its folder; must not be at work elsewhere.
        prior: instead of building `config.prior`.
        build: how priors are made; a dreamlab.run.prior_cache.PriorCache shares them between runs.
    """
    with run.at_work(), ExitStack() as open_files:
        before = run.environment()
        threads.apply(config.threads or _threads_of(before))
        for stage in config.stages:
            stage.check()
        check_loggers(config.saving.log)
        yield Begun(run.path)
        if prior is not None:
            run.note_prior(given_facts(prior))
        recorded = (before or {}).get("prior")
        context = RunContext(config, pick_device(config.device), prior, run.path, recorded, build)
        clock = Clock()
        if any(image.azimuth is None for image in config.images):
            config = yield from _placed(context, clock, run)
        checkpoint, complaints = run.restore(config.saving.keep)
        done = 0 if checkpoint is None else checkpoint.total_step
        loggers = open_files.enter_context(open_loggers(config, run, done))
        recorder = Recorder(config, run, loggers)
        if checkpoint is not None and (line := settings_changed(checkpoint, config)):
            complaints.append(line)
        if before is None:
            complaints.append(_NO_ENVIRONMENT)
        for line in complaints:
            log.warning(line)
        new = (*_other_weights(before or {}, config, prior), *complaints, *loggers.told())
        pictures = (before or {}).get("pictures", []) if checkpoint is None else []
        for line in (*changes(before or {}), *map(str, pictures), *new):
            yield Note(line)
        first, scene, state = where_to_begin(context, checkpoint)
        if checkpoint is not None:
            yield Note(_standing(config, checkpoint))
        for index in range(first, len(config.stages)):
            stage = config.stages[index]
            if not stage.active:
                continue
            if stage.total_steps and not context.loaded:
                yield from _loaded(context, clock, run)
            yield clock.phase(stage.name, stage.kind, stage.total_steps)
            events = work_of(stage).run(scene, context, state if index == first else None)
            scene = yield from recorder.follow(index, events, clock)
        clock.stop()
        loggers.figures(config.total_steps, recorder.measures)
        rows, damaged = run.metrics()
        if damaged:
            yield Note(f"{damaged} lines of metrics.jsonl are damaged, and the report goes without them")
        files = recorder.files | write_summary(
            config, run, recorder.files, clock.seconds, recorder.measures, rows
        )
        for line in loggers.told():
            yield Note(line)
        log.info("finished: %s", {kind: path.name for kind, path in files.items()})
        yield Finished(run.path, files, clock.seconds, recorder.measures)


def where_to_begin(
    context: RunContext, checkpoint: Checkpoint | None
) -> tuple[int, Scene, Mapping[str, Tensor] | None]:
    """The stage to go on with, the scene that it gets, and its state if it has begun.

    An optimisation that is at its end is passed over if it was the last one: none is left that wants what it
    hands on, and so no prior.
    """
    config = context.config
    if checkpoint is None:
        return 0, context.begun(), None
    scene = scene_in(checkpoint, config)
    if _all_steps_done(config, checkpoint):
        return checkpoint.stage + 1, scene, None
    return checkpoint.stage, scene, checkpoint.state


def _all_steps_done(config: RunConfig, checkpoint: Checkpoint) -> bool:
    present, *later = config.stages[checkpoint.stage :]
    return checkpoint.step >= present.total_steps and not any(stage.total_steps for stage in later)


def surface_of_run(run: RunDir, config: RunConfig) -> SurfaceMesh:
    """What a run's newest checkpoint would be written as. Raises as dreamlab.run.restore.newest."""
    checkpoint = newest(run)
    return surface_from(scene_in(checkpoint, config), config, checkpoint.stage + 1, run.path)


def surface_from(scene: Scene, config: RunConfig, first: int, folder: Path = Path()) -> SurfaceMesh:
    """What the stages from number `first` make of a scene without optimising or writing anything: the mesh as
    the files would have it. `folder` is the run's, which keeps its pictures."""
    context = RunContext(config, pick_device("cpu"), folder=folder)
    for stage in config.stages[first:]:
        if isinstance(stage, ExportStageConfig):
            assert isinstance(scene, SurfaceMesh)
            scene = stage.build().placed(scene)
        elif stage.active and not stage.total_steps and not isinstance(stage, TurntableStageConfig):
            scene = end_of(work_of(stage).run(scene, context))
    assert isinstance(scene, SurfaceMesh)  # what a checked list of stages ends with
    return scene


def work_of(stage: StageConfig) -> Stage:
    """The stage, whose scene is of the sort that it accepts: the list was checked."""
    return stage.build()


def end_of(events: Generator[object, None, Scene]) -> Scene:
    """What a stage makes, whatever happens on the way."""
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value


def _loaded(context: RunContext, clock: Clock, run: RunDir) -> Generator[Event, None, None]:
    """Prior and prompts, made here so that it is seen how long they take."""
    yield clock.phase("load", context.config.prior.kind)
    _ = context.prior
    config = context.config
    yield clock.phase(
        "embed", config.prompt if config.heard == config.prompt else f"heard as: {config.heard}"
    )
    _ = context.prompts
    for line in context.notes():
        yield Note(line)
    if not context.given:
        run.note_prior(prior_facts(config.prior))  # a download may have come in between


def _placed(context: RunContext, clock: Clock, run: RunDir) -> Generator[Event, None, RunConfig]:
    """The config with the cameras of its pictures, which the prior may have to be asked for; the run's from
    now on, so that it is asked but once."""
    yield from _loaded(context, clock, run)
    yield clock.phase("pictures", "from which side they were taken")
    config, lines = with_cameras(context)
    for line in lines:
        yield Note(line)
    run.change(config)
    context.placed(config)
    return config


def _other_weights(before: dict[str, Any], config: RunConfig, prior: Prior | None) -> list[str]:
    if prior is not None or "prior" not in before:
        return []
    line = other_weights(before, prior_facts(config.prior))
    return [line] if line else []


def _standing(config: RunConfig, checkpoint: Checkpoint) -> str:
    if _all_steps_done(config, checkpoint):
        return f"all {config.total_steps} steps are done; what is left is the mesh"
    done = checkpoint.step + sum(stage.total_steps for stage in config.stages[: checkpoint.stage])
    return f"going on from step {done} of {config.total_steps}"


def _threads_of(environment: dict[str, Any] | None) -> int | None:
    """What a run of before `threads` was a setting began with."""
    number = (environment or {}).get("threads")
    return number if isinstance(number, int) and 1 <= number <= 1024 else None
