"""The workers of a server: started with it, started anew when one dies, stopped with it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from dreamlab.server.claims import take_back
from dreamlab.server.store import Store

log = logging.getLogger(__name__)
COMMAND = (sys.executable, "-m", "dreamlab.server.worker")
_LOOK_SECONDS = 0.5
_SOON = 5.0  # seconds of life below which a worker's death counts as a failure to start
_SHORTEST_WAIT, _LONGEST_WAIT = 1.0, 60.0
_LARGEST_LOG = 1_000_000


class Workers:
    """Keeps `count` processes at work on a store.

    command: what a worker is, without the folder of runs, which follows it.
    """

    def __init__(self, store: Store, count: int, command: Sequence[str] = COMMAND) -> None:
        self.store, self.command = store, tuple(command)
        self.restarts = 0
        self._slots = [_Slot(store.folder / f"worker-{k + 1}.log") for k in range(count)]
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="workers", daemon=True)

    @property
    def alive(self) -> int:
        return sum(slot.alive for slot in self._slots)

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float = 20.0) -> None:
        """Have all keep a checkpoint, put their jobs back and end; who does not within `patience` seconds is
        killed, and goes on from the checkpoint before."""
        self._ending.set()
        self._thread.join()
        for slot in self._slots:
            slot.ask_to_end()
        end = time.monotonic() + patience
        for slot in self._slots:
            slot.wait(max(0.0, end - time.monotonic()))
        take_back(self.store)

    def _watch(self) -> None:
        while not self._ending.is_set():
            try:
                self._look()
            except Exception:  # such as a full disk: who watches must not end of it
                log.exception("the workers cannot be looked after; trying again")
            self._ending.wait(_LOOK_SECONDS)

    def _look(self) -> None:
        for job in take_back(self.store):
            log.warning("a worker died at the job %s", job)
        for slot in self._slots:
            if slot.alive or self._ending.is_set():
                continue
            again = slot.starts > 0
            self.restarts += slot.start_when_due([*self.command, str(self.store.root)]) and again


class _Slot:
    """One worker after another."""

    def __init__(self, log_file: Path) -> None:
        self.log_file, self.starts = log_file, 0
        self._process: subprocess.Popen[bytes] | None = None
        self._since = self._wait = 0.0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start_when_due(self, command: list[str]) -> bool:
        """Start it, and say whether it was: one that keeps failing at once waits twice as long each time."""
        now = time.monotonic()
        if self._process is not None:
            self._wait = self._next_wait(self._process.returncode, now - self._since)
            self._forget()
            self._since = now
        if now - self._since < self._wait:
            return False
        how = "wb" if self.log_file.exists() and self.log_file.stat().st_size > _LARGEST_LOG else "ab"
        with self.log_file.open(how) as told:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=told, stderr=told, start_new_session=True, env=_env()
            )
        self.starts += 1
        self._since = now
        return True

    def _next_wait(self, code: int, lived: float) -> float:
        if lived > _SOON:
            return 0.0
        killed = code < 0
        return _SHORTEST_WAIT if killed else min(max(_SHORTEST_WAIT, 2 * self._wait), _LONGEST_WAIT)

    def ask_to_end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait(self, seconds: float) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _forget(self) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.close()
        self._process = None


def _env() -> dict[str, str]:
    """A worker imports dreamlab from where this process has it."""
    package = str(Path(__file__).resolve().parents[2])
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    }
