"""The scene that a run has come to so far, from its checkpoints."""

from __future__ import annotations

from dataclasses import replace

import torch

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.core.types import Mesh
from dreamlab.run.checkpoints import Checkpoint, load_latest
from dreamlab.run.config import RunConfig
from dreamlab.run.run_dir import RunDir
from dreamlab.scenes.mesh import MeshScene
from dreamlab.stages import DistilConfig
from dreamlab.stages.base import Optimisable
from dreamlab.stages.distil import surface_of
from dreamlab.stages.protocol import SurfaceMesh


def newest(run: RunDir) -> Checkpoint:
    """A run's newest good checkpoint.

    Raises InputError if the run has none yet, DamagedError if none can be trusted.
    """
    checkpoint, complaints = load_latest(run.path / "checkpoints")
    if checkpoint is None:
        if complaints:
            raise DamagedError(f"no checkpoint of {run.path} can be trusted", got=complaints[0])
        raise InputError(f"{run.path} has no checkpoint yet", mend="Let `dreamlab resume` get further first")
    return checkpoint


def field_of(run: RunDir) -> Optimisable:
    """The field of a run's newest good checkpoint, on the CPU. Within a refinement of the mesh and after it,
    that which the refinement began with: its own has colours alone. Raises as `newest`."""
    checkpoint, config = newest(run), run.config()
    initial = {
        f"scene.{name.removeprefix('scene.initial_appearance.')}": value
        for name, value in checkpoint.state.items()
        if name.startswith("scene.initial_appearance.")
    }
    scene = scene_in(replace(checkpoint, stage=0, state=initial) if initial else checkpoint, config)
    assert not isinstance(scene, SurfaceMesh)
    return scene


def scene_in(checkpoint: Checkpoint, config: RunConfig) -> Optimisable | SurfaceMesh:
    """The scene of a checkpoint, on the CPU. Raises DamagedError if it is not of this config."""
    try:
        return _scene_in(checkpoint, config)
    except (IndexError, KeyError, RuntimeError) as error:
        raise DamagedError(
            "the checkpoint does not fit the run's config", got=str(error).splitlines()[0]
        ) from error


def _scene_in(checkpoint: Checkpoint, config: RunConfig) -> Optimisable | SurfaceMesh:
    field = config.field.build(torch.Generator().manual_seed(config.seed))
    learned = {k.removeprefix("scene."): v for k, v in checkpoint.state.items() if k.startswith("scene.")}
    stage = config.stages[checkpoint.stage]
    if not isinstance(stage, DistilConfig) or config.scene_before(checkpoint.stage) != "mesh":
        field.load_state_dict(learned)
        return field
    scene = MeshScene(Mesh(torch.eye(3), torch.tensor([[0, 1, 2]])), field, stage.mesh)
    scene.load_state_dict(learned)
    return surface_of(scene)
