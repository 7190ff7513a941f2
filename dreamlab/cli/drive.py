"""Consume a run's events: show them, and stop cleanly when asked to."""

from __future__ import annotations

import signal

from dreamlab.cli.console import Mode, open_view
from dreamlab.cli.memory import explained
from dreamlab.cli.stopping import Interrupted, StopRequest
from dreamlab.core.memory import out_of_memory
from dreamlab.run.config import RunConfig
from dreamlab.run.events import Note, Phase
from dreamlab.run.pipeline import generate
from dreamlab.run.prior_cache import Build, build_prior
from dreamlab.run.run_dir import RunDir


def drive(config: RunConfig, run: RunDir, mode: Mode, build: Build = build_prior) -> int:
    """Work on a run and show it; the exit code: 0, or 128 + the signal that stopped it.

    build: how priors are made, as for dreamlab.run.pipeline.generate.
    """
    with StopRequest() as stop:
        try:
            if _shown(config, run, mode, stop, build):
                return 0
        except OSError:  # a closed terminal takes no words; what it was to tell is on disk
            if stop.signal is None:
                raise
    return 128 + (stop.signal or signal.SIGINT)


def _shown(config: RunConfig, run: RunDir, mode: Mode, stop: StopRequest, build: Build) -> bool:
    """Whether the run came to its end."""
    phase = ""
    with open_view(mode, config.prompt) as view:
        events = generate(config, run, build=build)
        try:
            for event in events:
                if isinstance(event, Phase):
                    stop.patient, phase = event.steps > 0, event.name
                view.show(event)
                if stop.signal is not None:
                    break
            else:
                return True
        except Interrupted:
            pass
        except Exception as error:
            if out_of_memory(error):
                raise explained(error, config, phase, run.path) from error
            raise
        finally:
            events.close()  # keeps a checkpoint if the optimisation was under way
        view.show(Note(f"stopped; go on with: dreamlab resume {run.path}"))
    return False
