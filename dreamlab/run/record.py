"""A run's stages, put on record while they happen: metrics, previews, checkpoints, files and figures."""

from __future__ import annotations

import logging
from collections.abc import Generator
from pathlib import Path
from typing import Any

from dreamlab.run.clock import Clock
from dreamlab.run.config import RunConfig
from dreamlab.run.events import Event, Note, Step
from dreamlab.run.loggers import Loggers
from dreamlab.run.run_dir import RunDir
from dreamlab.stages.optimise import StepEvent
from dreamlab.stages.protocol import Measured, Scene, StageEvent, Wrote

log = logging.getLogger(__name__)


class Recorder:
    """Follows one stage after another. `files` (by kind) and `measures` are what they made up to now."""

    def __init__(self, config: RunConfig, run: RunDir, loggers: Loggers) -> None:
        self.config, self.run, self.loggers = config, run, loggers
        self.files: dict[str, Path] = {}
        self.measures: dict[str, float] = {}

    def follow(
        self, index: int, events: Generator[StageEvent, None, Scene], clock: Clock
    ) -> Generator[Event, None, Scene]:
        """Stage number `index` to its end; returns its scene. Closed after a step, it keeps the moment."""
        before = sum(stage.total_steps for stage in self.config.stages[:index])
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                return end.value
            if isinstance(event, Measured):
                self.measures |= event.values
            elif isinstance(event, Wrote):
                self.files |= event.files
            else:
                yield from self._step(index, before, event, clock)

    def _step(self, index: int, before: int, event: StepEvent, clock: Clock) -> Generator[Event, None, None]:
        saved = self._record(index, before, event)
        clock.add(event.seconds)
        if event.recovery:
            log.warning(event.recovery.message)
            yield Note(event.recovery.message)
        for line in self.loggers.told():
            yield Note(line)
        try:
            yield Step(event, before + event.step, self.config.total_steps)
        except GeneratorExit:  # whoever watches has had enough: keep the moment
            if not saved:
                self._save(index, before, event)
            raise

    def _record(self, index: int, before: int, event: StepEvent) -> bool:
        """Metrics, preview and checkpoint of one step, where due; whether a checkpoint was written."""
        saving, total = self.config.saving, before + event.step
        row: dict[str, Any] = {"step": total, "stage": event.stage, **event.metrics}
        if event.recovery:
            row["recovery"] = event.recovery.message
        self.run.log_metrics(row)
        self.loggers.figures(total, event.metrics)
        if saving.preview_every and total % saving.preview_every == 0:
            image = event.preview(saving.preview_size)
            self.run.save_preview(total, image)
            self.loggers.picture(total, image)
        last = event.step == event.n_steps
        if last or event.recovery or event.step % saving.checkpoint_every == 0:
            self._save(index, before, event)
            return True
        return False

    def _save(self, index: int, before: int, event: StepEvent) -> None:
        state = event.state  # after a recovery it stands at an earlier step than the event
        self.run.save_checkpoint(index, state.step, before + state.step, state.state_dict(), self.config)
