"""A run that is watched while it works: a consumer of its events, which draws between two steps.

Nothing here reaches into the run. It pauses because nobody asks for its next event, and a watched run has the
bytes of an unwatched one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dreamlab.mesh.io.load import load
from dreamlab.run.config import RunConfig
from dreamlab.run.events import Event, Finished, Note, Phase, Step
from dreamlab.viewer.schedules import schedules
from dreamlab.viewer.sources import MeshSource, SceneSource, Source
from dreamlab.viewer.window import Window

HELD = 0.5  # seconds that a step may be held up by a camera that moves
_OFTEN = 1.0  # seconds between pictures for a camera that rests, and no less than ...
_SHARE = 5.0  # ... so many times what a picture costs
_TOLD = 0.3  # seconds between two words on where the run stands
ALONE = 8.0  # seconds after which a paused run that nobody looks at goes on; a page may be loaded anew


class RunViewer:
    """Shows a run's events on a page. `stopped` says whether the run has been asked to stop."""

    def __init__(self, window: Window, config: RunConfig, stopped: Callable[[], bool]) -> None:
        self.window, self.config, self._stopped = window, config, stopped
        self._source: Source | None = None
        self._version = 0
        self._drawn = self._told = 0.0
        self._cost = 0.0
        window.panel.tell("the run begins")

    def show(self, event: Event) -> None:
        panel = self.window.panel
        if isinstance(event, Phase):
            panel.tell(f"{event.name} {event.detail}".rstrip())
        elif isinstance(event, Note):
            panel.tell(event.text)
        elif isinstance(event, Step):
            self._step(event)
        elif isinstance(event, Finished):
            self._finished(event)

    def finish(self) -> bool:
        """Whether "stop here and export" was clicked since this was last asked."""
        asked, self.window.panel.finish = self.window.panel.finish, False
        return asked

    def linger(self) -> None:
        """Show what was made until nobody looks any more, or the run is asked to stop."""
        gone = time.monotonic()
        while not self._stopped() and self._source is not None:
            if self.window.watched:
                gone = time.monotonic()
            elif time.monotonic() - gone > 1.0:
                return
            self._draw(patient=True)
            self.window.wait(0.1)

    # ---- steps ----

    def _step(self, event: Step) -> None:
        state = event.event.state
        self._source = SceneSource(state.scene, state.renderer, state.background)
        self._version += 1
        self._tell(event)
        until = time.monotonic() + HELD
        if not self.window.moving:
            if time.monotonic() - self._drawn > max(_OFTEN, _SHARE * self._cost):
                self._draw()
        while self.window.moving and time.monotonic() < until and not self._stopped():
            if not self._draw():
                self.window.wait(0.02)
        self._pause(event)

    def _pause(self, event: Step) -> None:
        panel, alone = self.window.panel, time.monotonic()
        if panel.paused:
            self._tell(event, now=True)
        while panel.paused and not panel.stepping and not self._stopped():
            if self.window.watched:
                alone = time.monotonic()
            elif time.monotonic() - alone > ALONE:
                panel.go_on()
            self._draw(patient=True)
            self.window.wait(0.2)
        panel.stepping = False

    def _draw(self, patient: bool = False) -> bool:
        if self._source is None or not self.window.watched:
            return False
        begun = time.monotonic()
        drawn = self.window.draw(self._source, self._version, patient)
        if drawn:
            self._drawn = time.monotonic()
            self._cost = self._drawn - begun
        return drawn

    def _tell(self, event: Step, now: bool = False) -> None:
        if not now and time.monotonic() - self._told < _TOLD and event.done < event.total:
            return
        self._told = time.monotonic()
        step, panel = event.event, self.window.panel
        figures = ", ".join(f"{name} {value:.3g}" for name, value in list(step.metrics.items())[:6])
        panel.tell(f"{step.stage}, step {step.step} of {step.n_steps}", figures)
        panel.progress(event.done, event.total)
        panel.schedules(schedules(step.state.stage, step.step, self.config.noise))

    def _finished(self, event: Finished) -> None:
        panel = self.window.panel
        panel.close_controls()
        faces = event.measures.get("faces")
        panel.tell("done", *([] if faces is None else [f"{faces:.0f} faces"]), str(event.folder))
        if "glb" in event.files:
            self._source = MeshSource(load(event.files["glb"]))
            self._version += 1
            self._draw()
