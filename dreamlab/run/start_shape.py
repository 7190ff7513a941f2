"""The shape that a run's field begins as. The run keeps a copy, and needs the user's file only once."""

from __future__ import annotations

from pathlib import Path

from dreamlab.core.types import Mesh
from dreamlab.mesh.io.export import ply_bytes
from dreamlab.mesh.io.load import load
from dreamlab.run.config import RunConfig, StartShapeConfig
from dreamlab.scenes.start_shape import StartShape, start_shape

KEPT = "shape.ply"
"""The copy's name in the run's folder."""


def checked_shape(config: RunConfig) -> Mesh | None:
    """The shape of a run that is about to begin; None if it begins as a ball. Raises as `start_shape`, and as
    dreamlab.mesh.io.load.load."""
    if config.shape is None:
        return None
    mesh = load(config.shape.file)
    start_shape(mesh)
    return Mesh(mesh.vertices, mesh.faces)


def copy_of(shape: Mesh | None) -> dict[str, bytes]:
    """What a run's folder keeps of it, by name."""
    return {} if shape is None else {KEPT: ply_bytes(shape)}


def shape_of(config: StartShapeConfig, folder: Path) -> StartShape:
    """By the copy in the run's folder; by the file itself where there is none, as before a run has begun.
    Raises as `checked_shape`."""
    kept = folder / KEPT
    return start_shape(load(kept if (folder / "config.yaml").is_file() and kept.is_file() else config.file))
