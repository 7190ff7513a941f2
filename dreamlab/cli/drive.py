"""Consume a run's events: show them, and stop cleanly when asked to."""

from __future__ import annotations

import signal

from dreamlab.cli.console import Mode, open_view
from dreamlab.cli.stopping import Interrupted, StopRequest
from dreamlab.run.config import RunConfig
from dreamlab.run.events import Note, Phase
from dreamlab.run.pipeline import generate
from dreamlab.run.run_dir import RunDir


def drive(config: RunConfig, run: RunDir, mode: Mode) -> int:
    """Work on a run and show it; the exit code: 0, or 128 + the signal that stopped it."""
    with StopRequest() as stop, open_view(mode, config.prompt) as view:
        events = generate(config, run)
        try:
            for event in events:
                if isinstance(event, Phase):
                    stop.patient = event.steps > 0
                view.show(event)
                if stop.signal is not None:
                    break
            else:
                return 0
        except Interrupted:
            pass
        finally:
            events.close()  # keeps a checkpoint if the optimisation was under way
        view.show(Note(f"stopped; go on with: dreamlab resume {run.path}"))
    return 128 + (stop.signal or signal.SIGINT)
