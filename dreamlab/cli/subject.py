"""The RUN|MESH argument: a run on disk or a mesh file."""

from __future__ import annotations

from pathlib import Path

from dreamlab.core.types import Mesh
from dreamlab.run.config import MeshConfig
from dreamlab.run.run_dir import RunDir


def mesh_and_home(subject: str, runs: Path, config: MeshConfig | None) -> tuple[Mesh, Path, str]:
    """A mesh, the folder that belongs to it and its name without suffix.

    A file is loaded. A run's mesh is the one it has written, or with a `config` made anew from its field.
    """
    from dreamlab.mesh.io.load import load

    path = Path(subject)
    if path.is_file():
        return load(path), path.parent, path.stem
    run = RunDir.find(runs, subject)
    written = run.path / "mesh.glb"
    if config is None and written.is_file():
        return load(written), run.path, "mesh"
    from dreamlab.run.pipeline import mesh_of
    from dreamlab.run.restore import field_of

    mesh, _ = mesh_of(field_of(run), config or run.config().mesh)
    return mesh, run.path, "mesh"


def mesh_config(subject: str, runs: Path) -> MeshConfig | None:
    """The mesh settings that a run was started with; None for a mesh file."""
    return None if Path(subject).is_file() else RunDir.find(runs, subject).config().mesh
