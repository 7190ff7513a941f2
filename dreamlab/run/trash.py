"""Runs that were removed wait in a folder beside the others, until they are wanted back or it is emptied.

Nothing here follows a link, or touches what lies elsewhere.
"""

from __future__ import annotations

import os
import shutil
from itertools import count
from pathlib import Path

from dreamlab.core.errors import InputError
from dreamlab.run.folders import TRASH, age, find_run, locked, runs_in


def trashed(root: Path) -> list[Path]:
    """The runs in the trash, oldest first."""
    trash = root / TRASH
    return [] if trash.is_symlink() else sorted(runs_in(trash), key=age)


def removable(root: Path, name: str) -> Path:
    """The run of that name, if it may go to the trash of `root`.

    Raises InputError if there is none, and for a link or a run of another folder.
    """
    run = find_run(root, name)
    if run.is_symlink():
        raise InputError(f"{run} is a link, and what it leads to is left alone", mend="Take the link away")
    run = run.resolve()
    if run.parent != root.resolve():
        raise InputError(
            f"{run} does not lie in {root}",
            expected="a run of that folder",
            mend=f"Name its folder: --out {run.parent}",
        )
    return root / run.name


def discard(root: Path, run: Path) -> Path:
    """Move a run, as `removable` gives it, to the trash; where it lies now.

    Raises InputError while it is worked on, and where it cannot be moved.
    """
    trash = _made(root)
    with locked(run):
        return _moved(run, trash)


def bring_back(root: Path, name: str) -> Path:
    """Move a run out of the trash, by its folder name, number or "latest"; where it lies now.

    Raises InputError if the trash does not hold it, and where its name is taken.
    """
    runs = {run.name: run for run in trashed(root)}
    if not runs:
        raise InputError(f"the trash of {root} is empty")
    run = runs.get(find_run(root / TRASH, Path(name).name).name)
    if run is None:  # such a path is a run's that lies elsewhere
        raise InputError(f"there is no run {name!r} in the trash", expected=", ".join(runs))
    target = root / run.name.partition("~")[0]
    if os.path.lexists(target):
        raise InputError(f"{target} is there again", mend="Give that one another name first")
    return _renamed(run, target)


def empty(root: Path) -> int:
    """Delete for good what lies in the trash; how many runs that were. What they link to stays."""
    runs = trashed(root)
    for run in runs:
        if run.is_symlink():
            run.unlink()
        else:
            _delete(run)
    return len(runs)


def size_of(run: Path) -> int:
    """Bytes of a run's files; what it links to does not count."""
    files = (Path(folder) / name for folder, _, names in os.walk(run) for name in names)
    return sum(os.lstat(file).st_size for file in files)


def _made(root: Path) -> Path:
    trash = root / TRASH
    if trash.is_symlink() or (trash.exists() and not trash.is_dir()):
        raise InputError(f"{trash} is not a folder of dreamlab's own", mend="Take it away")
    try:
        trash.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make {trash}", got=error.strerror or str(error)) from error
    return trash


def _moved(run: Path, trash: Path) -> Path:
    """Under its own name, or where that is taken with ~2, ~3, ... behind it."""
    names = (run.name if n == 1 else f"{run.name}~{n}" for n in count(1))
    return _renamed(run, next(t for name in names if not os.path.lexists(t := trash / name)))


def _renamed(run: Path, target: Path) -> Path:
    try:
        return run.rename(target)
    except OSError as error:
        raise InputError(f"cannot move {run} to {target}", got=error.strerror or str(error)) from error


def _delete(run: Path) -> None:
    try:
        shutil.rmtree(run)
    except OSError as error:
        what = error.filename or run
        raise InputError(f"cannot delete {what}", got=error.strerror or str(error)) from error
