"""Ctrl-C and SIGTERM as requests that wait for a good moment."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType

from typing_extensions import Self


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM came at a moment at which nothing need be saved."""


class StopRequest:
    """Notes Ctrl-C and SIGTERM. While `patient`, the first is only remembered; else, and at the second, it
    raises.
    """

    def __init__(self, patient: bool = False) -> None:
        self.signal: int | None = None
        self.patient = patient
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
