"""A new run: what is decided when it begins is written into its settings, which its folder keeps, with its
pictures and its shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamlab.priors.protocols import Prior
from dreamlab.run.config import RunConfig
from dreamlab.run.expansion import with_expansion
from dreamlab.run.machine import environment, pick_device, with_threads
from dreamlab.run.origin import given_facts, prior_facts
from dreamlab.run.pictures import asked_of, files_of, prepared
from dreamlab.run.run_dir import RunDir
from dreamlab.run.start_shape import checked_shape, copy_of


def new_run(
    config: RunConfig,
    out: Path,
    prior: Prior | None = None,
    chosen: Mapping[str, Any] | None = None,
    said: Sequence[str] = (),
) -> RunDir:
    """The folder of a new run in `out`, with what its prior hears and how many threads it has in its config.

    prior: instead of `config.prior`. chosen: how the settings came about, such as the preset's name, for
    environment.json. said: what is to be said of the pictures beside what their preparation says.

    Raises before anything is written for a device that is not there, a shape that has no inside and a picture
    that cannot be used.
    """
    for name in (config.device, *config.prior_devices):
        pick_device(name)
    pictures, shape = prepared(config.images), checked_shape(config)
    config = with_threads(with_expansion(config, prior))  # before the environment is written down
    facts: dict[str, Any] = {"prior": given_facts(prior) if prior is not None else prior_facts(config.prior)}
    if pictures:
        facts["pictures"] = [*said, *(line for picture in pictures for line in picture.said)]
        facts["shown"] = asked_of(config.images, pictures)
    kept = files_of(pictures) | copy_of(shape)
    return RunDir.create(out, config, environment() | facts | dict(chosen or {}), kept)
