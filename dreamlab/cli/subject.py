"""The RUN|MESH argument: a run on disk or a mesh file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dreamlab.core.errors import InputError
from dreamlab.mesh.io.load import READABLE, Axis, load
from dreamlab.run.config import RunConfig
from dreamlab.run.presets import did_you_mean
from dreamlab.run.run_dir import RunDir, asset_name
from dreamlab.stages.protocol import SurfaceMesh


def mesh_and_home(
    subject: str, runs: Path, config: RunConfig | None, up: Axis | None = None
) -> tuple[SurfaceMesh, Path, str]:
    """A mesh, the folder that belongs to it and its name without suffix.

    A file is loaded, `up` being the axis that points up in it. A run's mesh is the one it has written, or
    with a `config` made anew from its newest checkpoint.
    """
    path = Path(subject)
    if is_mesh_file(subject):
        return SurfaceMesh(load(path, up)), path.parent, path.stem
    run = RunDir.find(runs, subject)
    written = run.path / "mesh.glb"
    if config is None and written.is_file():
        return SurfaceMesh(load(written)), run.path, "mesh"
    from dreamlab.run.pipeline import surface_of_run

    return surface_of_run(run, config or run.config()), run.path, "mesh"


def run_config(subject: str, runs: Path) -> RunConfig | None:
    """The settings that a run was started with; None for a mesh file."""
    return None if is_mesh_file(subject) else RunDir.find(runs, subject).config()


def asset_of(subject: str, config: RunConfig | None) -> str:
    """What the object is called inside files: as the run of these settings has it; a mesh file's own name, or
    that of the run in whose folder "mesh" lies."""
    path = Path(subject)
    if config is None and path.stem == "mesh" and (path.parent / "config.yaml").is_file():
        config = RunDir(path.parent).config()
    return path.stem if config is None else asset_name(config.prompt)


def made_by_run(subject: str, runs: Path, config: RunConfig) -> dict[str, Any]:
    """What a file of a run's mesh says of its making."""
    from dreamlab.run.origin import recorded_facts

    return recorded_facts(config, RunDir.find(runs, subject).environment())


def check_up(up: Axis | None, config: RunConfig | None) -> None:
    """InputError for an axis of a run's mesh."""
    if up is not None and config is not None:
        raise InputError("--up needs a mesh file: the mesh of a run has +Y up")


def is_mesh_file(subject: str) -> bool:
    """Whether a file is meant, not a run. InputError if it is, and is not there or is none: a name with a
    mesh's suffix is never a run's."""
    path = Path(subject)
    if path.is_file() or (path.exists() and not path.is_dir()):  # a pipe or device: load says so
        return True
    if path.suffix.lower() in READABLE and not (path / "config.yaml").is_file():
        if path.is_dir():
            raise InputError(f"{subject} cannot be read", expected="a file", got="a folder")
        near = ""
        if path.parent.is_dir():
            near = did_you_mean(path.name, sorted(p.name for p in path.parent.iterdir()))
        raise InputError(f"there is no file {subject}", mend=near or "Is it in another folder?")
    return False
