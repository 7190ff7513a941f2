"""Runs of the folder by what requests call them: a name or a number, never a path."""

from __future__ import annotations

from pathlib import Path

from dreamlab.core.errors import InputError
from dreamlab.run.folders import age, number_of, runs_in
from dreamlab.run.presets import did_you_mean


def run_called(root: Path, name: str) -> Path:
    """The run of that folder name or number, or the latest.

    Raises InputError where there is none; what lies elsewhere, a link to it too, is none.
    """
    runs = {path.name: path for path in runs_in(root) if not path.is_symlink()}
    if name == "latest" and runs:
        return max(runs.values(), key=age)
    if name in runs:
        return runs[name]
    numbered = [path for key, path in runs.items() if name.isdecimal() and number_of(key) == int(name)]
    if numbered:
        return numbered[0]
    raise InputError(
        f"there is no run {name!r}",
        expected="a run's name or number, or latest",
        mend=did_you_mean(name, runs) or "See which there are",
    )
