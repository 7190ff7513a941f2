"""A new run: what is decided when it begins is written into its settings, which its folder keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamlab.priors.protocols import Prior
from dreamlab.run.config import RunConfig
from dreamlab.run.expansion import with_expansion
from dreamlab.run.machine import environment, pick_device, with_threads
from dreamlab.run.origin import given_facts, prior_facts
from dreamlab.run.run_dir import RunDir
from dreamlab.run.start_shape import checked_shape, keep_shape


def new_run(
    config: RunConfig, out: Path, prior: Prior | None = None, chosen: Mapping[str, Any] | None = None
) -> RunDir:
    """The folder of a new run in `out`, with what its prior hears and how many threads it has in its config.

    prior: instead of `config.prior`. chosen: how the settings came about, such as the preset's name, for
    environment.json. Raises before anything is written for a device that is not there, or a shape that has no
    inside.
    """
    for name in (config.device, *config.prior_devices):
        pick_device(name)
    shape = checked_shape(config)
    config = with_threads(with_expansion(config, prior))  # before the environment is written down
    facts = {"prior": given_facts(prior) if prior is not None else prior_facts(config.prior)}
    run = RunDir.create(out, config, environment() | facts | dict(chosen or {}))
    if shape is not None:
        keep_shape(shape, run.path)
    return run
