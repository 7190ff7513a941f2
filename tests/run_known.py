"""`dreamlab` with the red ball's prior in the place of the embedded one, for tests that need a real process.

usage: run_known.py SIGNAL STEP ARGUMENTS...   SIGNAL (INT, TERM, KILL or NONE) is sent at STEP.
"""

from __future__ import annotations

import os
import signal
import sys

from known import red_ball_prior

from dreamlab.cli import console, main
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run.events import Event, Step

name, step, *arguments = sys.argv[1:]
EmbeddedPriorConfig.build = lambda self, device="cpu": red_ball_prior()  # type: ignore[method-assign]
show = console.JsonView.show


def show_and_strike(self: console.JsonView, event: Event) -> None:
    show(self, event)
    if name != "NONE" and isinstance(event, Step) and event.done == int(step):
        os.kill(os.getpid(), getattr(signal, f"SIG{name}"))


console.JsonView.show = show_and_strike  # type: ignore[method-assign]
sys.exit(main(arguments))
