"""How fast the steps of a run go, and when it is worth telling."""

from __future__ import annotations

import time

_SECONDS = 0.5  # between two steps that are told


class Pace:
    """Counts from the first step after `begin`: what came before was done at another hour."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A part of the run begins, or goes on."""
        self._since, self._before, self._told = time.monotonic(), -1, 0.0

    def step(self, done: int, total: int) -> float | None:
        """Seconds that the steps left would take; None while that is not known."""
        now = time.monotonic()
        if self._before < 0:
            self._before, self._since = done, now
            return None
        return (total - done) * (now - self._since) / max(done - self._before, 1)

    def due(self, last: bool) -> bool:
        """Whether to tell this step: the last one, and others every so often."""
        now = time.monotonic()
        if not last and now - self._told < _SECONDS:
            return False
        self._told = now
        return True
