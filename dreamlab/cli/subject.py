"""The RUN|MESH argument: a run on disk or a mesh file."""

from __future__ import annotations

from pathlib import Path

from dreamlab.run.config import RunConfig
from dreamlab.run.run_dir import RunDir
from dreamlab.stages.protocol import SurfaceMesh


def mesh_and_home(subject: str, runs: Path, config: RunConfig | None) -> tuple[SurfaceMesh, Path, str]:
    """A mesh, the folder that belongs to it and its name without suffix.

    A file is loaded. A run's mesh is the one it has written, or with a `config` made anew from its newest
    checkpoint.
    """
    from dreamlab.mesh.io.load import load

    path = Path(subject)
    if path.is_file():
        return SurfaceMesh(load(path)), path.parent, path.stem
    run = RunDir.find(runs, subject)
    written = run.path / "mesh.glb"
    if config is None and written.is_file():
        return SurfaceMesh(load(written)), run.path, "mesh"
    from dreamlab.run.pipeline import surface_of_run

    return surface_of_run(run, config or run.config()), run.path, "mesh"


def run_config(subject: str, runs: Path) -> RunConfig | None:
    """The settings that a run was started with; None for a mesh file."""
    return None if Path(subject).is_file() else RunDir.find(runs, subject).config()
