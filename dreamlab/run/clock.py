"""How long a run's parts take."""

from __future__ import annotations

import logging
import time

from dreamlab.run.events import Phase

log = logging.getLogger(__name__)


class Clock:
    """Wall `seconds` by phase, and those of a loop's own parts as "phase.part"."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name, self._since = "", time.perf_counter()

    def phase(self, name: str, detail: str = "", steps: int = 0) -> Phase:
        """End the phase before, and begin this one."""
        self.stop()
        self._name = name
        log.info("%s %s", name, detail)
        return Phase(name, "" if detail == name else detail, steps)

    def add(self, seconds: dict[str, float]) -> None:
        """What parts of the present phase took."""
        for part, value in seconds.items():
            key = f"{self._name}.{part}"
            self.seconds[key] = self.seconds.get(key, 0.0) + value

    def stop(self) -> None:
        now = time.perf_counter()
        if self._name:
            self.seconds[self._name] = now - self._since
        self._name, self._since = "", now
