"""Where runs lie: numbered folders, found by name, and locked while they are worked on. Loads no torch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.core.locks import held
from dreamlab.run.presets import did_you_mean

TRASH = ".trash"
"""The folder beside the runs that removed ones wait in; see dreamlab.run.trash."""

_NAME = re.compile(r"(\d{4,})-(.+)")
_PATIENCE = 0.35  # seconds for a lock: whoever only looks at it holds it for less


def number_of(name: str) -> int:
    """The number of a run's folder; 0 for one that was given another name."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else 0


def is_plain(name: str) -> bool:
    """Whether it names something directly in a folder, and nothing hidden."""
    return Path(name).name == name and not name.startswith(".") and "\0" not in name


def runs_in(root: Path, links: bool = True) -> list[Path]:
    """The runs of a folder by name: what has a config.yaml. links: those that lie elsewhere, too."""
    if not root.is_dir():
        return []
    shown = (p for p in root.iterdir() if not p.name.startswith(".") and (links or not p.is_symlink()))
    return sorted(p for p in shown if (p / "config.yaml").is_file())


def age(run: Path) -> tuple[int, float]:
    """Runs in the order of their numbers, after those that were given names without one."""
    return number_of(run.name), (run / "config.yaml").stat().st_mtime


def run_called(root: Path, name: str, links: bool = True) -> Path | None:
    """The run in a folder of that name (its own or one that it was given later), of that number, or "latest";
    None if there is none. `links` as in `runs_in`; a path names nothing."""
    runs = runs_in(root, links)
    if name == "latest" and runs:
        return max(runs, key=age)
    number = int(name) if name.isdecimal() and len(name) < 20 else 0
    named = [run for run in runs if run.name == name]
    return next(iter([*named, *(run for run in runs if number and number_of(run.name) == number)]), None)


def find_run(root: Path, name: str) -> Path:
    """A run by path, or as `run_called` finds it.

    Raises InputError if there is none.
    """
    if name != "latest" and (Path(name) / "config.yaml").is_file():
        return Path(name)
    found = run_called(root, name)
    if found is not None:
        return found
    raise InputError(
        f"there is no run {name!r}" if name != "latest" else f"there are no runs in {root}",
        expected=f"a run's folder, its number or its name in {root}",
        mend=did_you_mean(name, [run.name for run in runs_in(root)])
        or "Start one with `dreamlab run PROMPT`",
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
    with ExitStack() as stack:
        try:
            mine = stack.enter_context(held(folder / ".lock", _PATIENCE, 0o644))
        except UnavailableError:  # Windows: two processes on one run are not noticed there
            mine = True
        except OSError as error:
            raise InputError(f"cannot write to {folder}", got=error.strerror or str(error)) from error
        if not mine:
            raise InputError(f"another process is working on {folder}", mend="Wait for it, or stop it")
        yield


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
