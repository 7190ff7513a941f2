"""Files that are locked as long as a process lives: a sign of life that no clock is needed for."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dreamlab.core.errors import UnavailableError

_PAUSE = 0.05  # seconds between two tries


@contextmanager
def held(path: Path, seconds: float = 0.0, mode: int = 0o600) -> Iterator[bool]:
    """Whether the lock was got; if so it is this process's until the block or the process ends, however it
    ends.

    seconds: to try for, where another has it; math.inf: until it is free. mode: of a file that is made.

    Raises UnavailableError where the system has no such locks, OSError where the file cannot be had.
    """
    try:
        import fcntl
    except ImportError as error:
        raise UnavailableError(
            "there are no file locks that end with their process",
            got="Windows, which has none",
            mend="Use it under Linux, macOS or WSL",
        ) from error
    handle = os.open(path, os.O_CREAT | os.O_RDWR, mode)
    try:
        yield _got(fcntl, handle, seconds)
    finally:
        os.close(handle)


def _got(fcntl: Any, handle: int, seconds: float) -> bool:
    if seconds == math.inf:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return True
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
        time.sleep(_PAUSE)
