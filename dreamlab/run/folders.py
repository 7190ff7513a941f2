"""Where runs lie: numbered folders, found by name, and locked while they are worked on. Loads no torch."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dreamlab.core.errors import InputError
from dreamlab.run.presets import did_you_mean

TRASH = ".trash"
"""The folder beside the runs that removed ones wait in; see dreamlab.run.trash."""

_NAME = re.compile(r"(\d{4,})-(.+)")
_TRIES = 8  # to get a lock, 50 ms apart: whoever only looks at it holds it for less


def number_of(name: str) -> int:
    """The number of a run's folder; 0 for one that was given another name."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else 0


def is_plain(name: str) -> bool:
    """Whether it names something directly in a folder, and nothing hidden."""
    return Path(name).name == name and not name.startswith(".") and "\0" not in name


def runs_in(root: Path) -> list[Path]:
    """The runs of a folder by name: what has a config.yaml."""
    if not root.is_dir():
        return []
    hidden = (p for p in root.iterdir() if not p.name.startswith("."))
    return sorted(p for p in hidden if (p / "config.yaml").is_file())


def age(run: Path) -> tuple[int, float]:
    """Runs in the order of their numbers, after those that were given names without one."""
    return number_of(run.name), (run / "config.yaml").stat().st_mtime


def find_run(root: Path, name: str) -> Path:
    """A run by path, by folder name (its own or one that it was given later), by number, or "latest".

    Raises InputError if there is none.
    """
    if name != "latest" and (Path(name) / "config.yaml").is_file():
        return Path(name)
    runs = {p.name: p for p in runs_in(root)}
    if name == "latest" and runs:
        return max(runs.values(), key=age)
    matching = [
        p for key, p in runs.items() if key == name or (name.isdigit() and number_of(key) == int(name))
    ]
    if matching:
        return matching[0]
    raise InputError(
        f"there is no run {name!r}" if name != "latest" else f"there are no runs in {root}",
        expected=f"a run's folder, its number or its name in {root}",
        mend=did_you_mean(name, runs) or "Start one with `dreamlab run PROMPT`",
    )


def newest_number(root: Path) -> int:
    """The highest number that a run in this folder, or in its trash, has; 0 where there is none."""
    folders = [root, root / TRASH] if (root / TRASH).is_dir() else [root]
    return max((number_of(p.name) for folder in folders for p in folder.iterdir()), default=0)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process may work on a run: a lock that vanishes with the process.

    Raises InputError where another has it, or the folder cannot be written to.
    """
    try:
        import fcntl
    except ImportError:  # Windows: two processes on one run are not noticed there
        yield
        return
    try:
        handle = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise InputError(f"cannot write to {folder}", got=error.strerror or str(error)) from error
    try:
        for left in reversed(range(_TRIES)):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if not left:
                    raise InputError(
                        f"another process is working on {folder}", mend="Wait for it, or stop it"
                    ) from error
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def at_work_on(folder: Path) -> bool:
    """Whether a process works on a run at this moment; False where that cannot be seen. Changes nothing."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        handle = os.open(folder / ".lock", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:  # no process ever worked on it, or it may not be looked at
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False
