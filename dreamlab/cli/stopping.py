"""Ctrl-C, SIGTERM and a closed terminal as requests that wait for a good moment."""

from __future__ import annotations

import errno
import signal
from types import FrameType, TracebackType

from typing_extensions import Self

_HANG_UP = getattr(signal, "SIGHUP", None)  # Windows has none


class Interrupted(BaseException):
    """A request to stop came at a moment at which nothing need be saved."""


class StopRequest:
    """Notes Ctrl-C, SIGTERM and SIGHUP. While `patient`, the first is only remembered; else, and at the
    second, it raises.

    A terminal that closes sends SIGHUP more than once, and others after it: beside one, nothing counts as a
    second request. What is ignored already, as under nohup, stays ignored.
    """

    def __init__(self, patient: bool = False) -> None:
        self.signal: int | None = None
        self.patient = patient
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, _HANG_UP):
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.patient = True  # what comes in this moment raises no more
        # A terminal that has closed may send more while the process ends. Python takes its own handlers away
        # before its last steps and leaves the default, which kills; what is ignored stays ignored.
        closed = self.signal == _HANG_UP or getattr(error, "errno", None) in (errno.EIO, errno.EPIPE)
        for number, handler in self._before.items():
            after = signal.SIG_IGN if closed and number == _HANG_UP else handler
            signal.signal(number, after)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        again = self.signal is not None and _HANG_UP not in (self.signal, number)
        self.signal = number if self.signal is None else self.signal
        if again or not self.patient:
            raise Interrupted
