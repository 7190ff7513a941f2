"""Consume a run's events: show them, and stop cleanly when asked to."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType

from typing_extensions import Self

from dreamlab.config import RunConfig
from dreamlab.console import Mode, open_view
from dreamlab.events import Note, Phase
from dreamlab.pipeline import generate
from dreamlab.run_dir import RunDir


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM came at a moment at which nothing need be saved."""


class StopRequest:
    """Notes Ctrl-C and SIGTERM. While `patient`, the first is only remembered; else, and at the second, it
    raises.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.patient = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        again, self.signal = self.signal is not None, number
        if again or not self.patient:
            raise Interrupted


def drive(config: RunConfig, run: RunDir, mode: Mode) -> int:
    """Work on a run and show it; the exit code: 0, or 128 + the signal that stopped it."""
    with StopRequest() as stop, open_view(mode, config.prompt) as view:
        events = generate(config, run)
        try:
            for event in events:
                if isinstance(event, Phase):
                    stop.patient = event.name == "optimise"
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
