"""Files that are locked as long as a process lives: a sign of life that no clock is needed for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dreamlab.core.errors import UnavailableError


@contextmanager
def held(path: Path, wait: bool = False) -> Iterator[bool]:
    """Whether the lock was got; if so it is this process's until the block or the process ends, however it
    ends. wait: until it is free.

    Raises UnavailableError where the system has no such locks.
    """
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        yield _locked(handle, wait)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Take away a lock that this process holds and that nobody will ask for again."""
    with suppress(FileNotFoundError):
        path.unlink()


def _locked(handle: int, wait: bool) -> bool:
    try:
        import fcntl
    except ImportError as error:
        raise UnavailableError(
            "the queue needs file locks that end with their process",
            got="Windows, which has none",
            mend="Use it under Linux, macOS or WSL",
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
