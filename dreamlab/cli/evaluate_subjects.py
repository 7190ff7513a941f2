"""The subjects of `dreamlab evaluate`: runs, folders of runs, mesh files and folders of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dreamlab.cli.subject import is_mesh_file
from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.mesh.io.load import READABLE, Axis
from dreamlab.run.evaluating import Subject, subject_of_file, subject_of_run
from dreamlab.run.folders import runs_in
from dreamlab.run.run_dir import RunDir


class Found(NamedTuple):
    """passed: what cannot be evaluated, with the reason."""

    subjects: list[Subject]
    passed: list[tuple[str, str]]


def find_subjects(
    names: Sequence[str], runs: Path, prompt: str | None = None, up: Axis | None = None
) -> Found:
    """What the names mean, each file once; without names, all runs. A run that cannot be evaluated is passed
    over; a name that is nothing at all is an InputError, and so is a mesh file whose prompt nobody said."""
    found = Found([], [])
    for name in names or [str(runs)]:
        path = Path(name)
        if path.is_dir() and not (path / "config.yaml").is_file():
            _folder(path, found, prompt, up)
        elif is_mesh_file(name):
            found.subjects.append(_file(path, prompt, up))
        else:
            _run(RunDir.find(runs, name), found)
    distinct = {subject.mesh.resolve(): subject for subject in found.subjects}
    return Found(list(distinct.values()), found.passed)


def _folder(folder: Path, found: Found, prompt: str | None, up: Axis | None) -> None:
    """The runs in a folder; where there are none, its mesh files."""
    homes = runs_in(folder)
    if homes:
        for home in homes:
            _run(RunDir(home), found)
        return
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in READABLE and p.is_file())
    if not files:
        raise InputError(
            f"{folder} holds neither runs nor meshes", mend="Start a run with `dreamlab run PROMPT`"
        )
    for path in files:
        try:
            found.subjects.append(_file(path, prompt, up))
        except DreamlabError as error:
            found.passed.append((path.name, str(error)))


def _run(run: RunDir, found: Found) -> None:
    try:
        found.subjects.append(subject_of_run(run))
    except DreamlabError as error:
        found.passed.append((run.path.name, str(error)))


def _file(path: Path, prompt: str | None, up: Axis | None) -> Subject:
    """A mesh file's prompt: the one that was given; else the first line of chair.txt beside chair.glb; else,
    for the mesh of a run, the run's."""
    if prompt is not None:
        return subject_of_file(path, prompt, up)
    if path.name == "mesh.glb" and (path.parent / "config.yaml").is_file():
        return subject_of_run(RunDir(path.parent))
    beside = path.with_suffix(".txt")
    try:
        first = next((line.strip() for line in beside.read_text("utf-8").splitlines() if line.strip()), "")
    except (OSError, UnicodeDecodeError):
        first = ""
    if not first:
        raise InputError(
            f"it is not known what {path.name} should be",
            mend=f'Say it with --prompt "a red mushroom", or in the first line of {beside.name} beside it',
        )
    return subject_of_file(path, first, up)
