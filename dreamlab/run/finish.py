"""No more steps: a run's settings changed so that what it has come to is made into files."""

from __future__ import annotations

from dreamlab.core.errors import InputError
from dreamlab.run.checkpoints import Checkpoint
from dreamlab.run.config import RunConfig
from dreamlab.run.resolve import from_values
from dreamlab.run.restore import newest
from dreamlab.run.run_dir import RunDir


def finish_here(run: RunDir) -> RunConfig:
    """Have a run make no step after its newest checkpoint; its config from now on.

    The stages say so in `stop_after`, and the schedules stay what they were: a new run of these settings has
    the same bytes. `dreamlab.run.pipeline.generate` then makes the files without a prior.

    Raises InputError if there is no checkpoint yet, or none with a step; DamagedError if none can be trusted.
    """
    with run.at_work():
        config = cut_short(run.config(), newest(run))
        run.change(config)
    return config


def cut_short(config: RunConfig, checkpoint: Checkpoint) -> RunConfig:
    """The config with no step after the checkpoint. InputError where nothing would be left."""
    if checkpoint.step == 0 and checkpoint.stage == 0:
        raise InputError("the run has made no step yet", mend="Let `dreamlab resume` get further first")
    values = config.model_dump(mode="json", by_alias=True)
    for index, stage in enumerate(config.stages):
        made = checkpoint.step if index == checkpoint.stage else 0
        if stage.total_steps > made and index >= checkpoint.stage:
            values["stages"][index]["stop_after"] = made
    return from_values(values)
