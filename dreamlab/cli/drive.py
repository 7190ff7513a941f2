"""Consume a run's events: show them, and stop cleanly when asked to."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import Literal

from dreamlab.cli.console import Mode, View, open_view
from dreamlab.cli.memory import explained
from dreamlab.cli.stopping import Interrupted, StopRequest
from dreamlab.cli.watching import Watch, Watcher, watching
from dreamlab.core.memory import out_of_memory
from dreamlab.run.config import RunConfig
from dreamlab.run.events import Begun, Note, Phase, Step
from dreamlab.run.finish import finish_here
from dreamlab.run.pipeline import generate
from dreamlab.run.prior_cache import Build, build_prior
from dreamlab.run.run_dir import RunDir

Outcome = Literal["done", "stopped", "enough"]


def drive(
    config: RunConfig, run: RunDir, mode: Mode, build: Build = build_prior, watch: Watch | None = None
) -> int:
    """Work on a run and show it, with `watch` also in a browser; the exit code: 0, or 128 + the signal that
    stopped it.

    build: how priors are made, as for dreamlab.run.pipeline.generate.
    """
    with StopRequest() as stop:
        try:
            if _shown(config, run, mode, stop, build, watch):
                return 0
        except OSError:  # a closed terminal takes no words; what it was to tell is on disk
            if stop.signal is None:
                raise
    return 128 + (stop.signal or signal.SIGINT)


def _shown(
    config: RunConfig, run: RunDir, mode: Mode, stop: StopRequest, build: Build, watch: Watch | None
) -> bool:
    """Whether the run came to its end."""
    with watching(watch, config, lambda: stop.signal is not None) as watcher:
        with open_view(mode, config.prompt) as view:
            watcher.begin(view.show)
            outcome = _worked(config, run, view, watcher, stop, build)
            if outcome == "enough":
                view.show(Note("no more steps were wanted: the files are made of what there is"))
                outcome = _worked(finish_here(run), run, view, watcher, stop, build, again=True)
            if outcome == "stopped":
                view.show(Note(f"stopped; go on with: dreamlab resume {run.path}"))
        if outcome == "done":
            stop.patient = True
            with suppress(Interrupted):
                watcher.linger()
    return outcome == "done"


def _worked(
    config: RunConfig,
    run: RunDir,
    view: View,
    watcher: Watcher,
    stop: StopRequest,
    build: Build,
    again: bool = False,
) -> Outcome:
    """How the work on a run ended. `again`: it goes on in the same breath."""
    phase = ""
    events = generate(config, run, build=build)
    try:
        for event in events:
            if isinstance(event, Phase):
                stop.patient, phase = event.steps > 0, event.name
            if not (again and isinstance(event, Begun)):
                view.show(event)
            watcher.show(event)
            if stop.signal is not None:
                return "stopped"
            if isinstance(event, Step) and event.event.state.step > 0 and watcher.finish():
                return "enough"
        return "done"
    except Interrupted:
        return "stopped"
    except Exception as error:
        if out_of_memory(error):
            raise explained(error, config, phase, run.path) from error
        raise
    finally:
        events.close()  # keeps a checkpoint if the optimisation was under way
