"""The field that a run has learned so far, from its checkpoints."""

from __future__ import annotations

import torch

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.run.checkpoints import Checkpoint, load_latest
from dreamlab.run.config import RunConfig
from dreamlab.run.run_dir import RunDir
from dreamlab.stages.base import Optimisable


def field_of(run: RunDir) -> Optimisable:
    """The field of a run's newest good checkpoint, on the CPU.

    Raises InputError if the run has none yet, DamagedError if none can be trusted.
    """
    checkpoint, complaints = load_latest(run.path / "checkpoints")
    if checkpoint is None:
        if complaints:
            raise DamagedError(f"no checkpoint of {run.path} can be trusted", got=complaints[0])
        raise InputError(f"{run.path} has no checkpoint yet", mend="Let `dreamlab resume` get further first")
    return field_in(checkpoint, run.config())


def field_in(checkpoint: Checkpoint, config: RunConfig) -> Optimisable:
    """The field of a checkpoint, on the CPU. Raises DamagedError if it is not of this config."""
    field = config.field.build(torch.Generator().manual_seed(config.seed))
    learned = {k.removeprefix("field."): v for k, v in checkpoint.state.items() if k.startswith("field.")}
    try:
        field.load_state_dict(learned)
    except RuntimeError as error:
        raise DamagedError(
            "the checkpoint does not fit the run's config", got=str(error).splitlines()[0]
        ) from error
    return field
