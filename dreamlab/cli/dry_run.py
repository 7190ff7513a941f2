"""dreamlab run --dry-run: the resolved settings and what they would cost."""

from __future__ import annotations

import json
import resource
import statistics
import sys
from typing import Any

import torch

from dreamlab.core.errors import DreamlabError
from dreamlab.run.config import RunConfig

_STEPS = 4  # of each stage; the first warms up and does not count


def show(config: RunConfig, as_json: bool) -> int:
    """Print settings and cost; writes nothing to disk. The time comes from a few real steps of each stage."""
    cost, notes = _cost(config)
    if as_json:
        facts = {"event": "dry-run", "config": config.model_dump(mode="json", by_alias=True), "cost": cost}
        facts["notes"] = notes
        sys.stdout.write(json.dumps(facts) + "\n")
        return 0
    sys.stdout.write(config.yaml())
    sys.stdout.write("\n# cost\n")
    for key, value in cost.items():
        sys.stdout.write(f"# {key}: {value}\n")
    for note in notes:
        sys.stdout.write(f"# note: {note}\n")
    return 0


def _cost(config: RunConfig) -> tuple[dict[str, Any], list[str]]:
    """What it would cost, and what is to be said of the prompt."""
    images = sum(stage.steps * stage.views for stage in config.stages)
    cost: dict[str, Any] = {"steps": config.total_steps, "rendered images": images}
    try:
        seconds, notes = _measured(config)
    except DreamlabError as error:
        return cost | {"optimisation": f"unknown: {error}"}, []
    cost["optimisation"] = (
        f"about {sum(seconds):.0f} s, from {_STEPS - 1} timed steps of each stage; the mesh comes on top"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cost["memory"] = f"{peak / 2**30:.1f} GiB at least, the peak while timing"
    if torch.cuda.is_available():
        cost["GPU memory"] = (
            f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB at least, the peak while timing"
        )
    return cost, notes


def _measured(config: RunConfig) -> tuple[list[float], list[str]]:
    """Seconds of each stage, on a field that is thrown away; and the prompt's limits.

    A stage takes as long as its median step, times its steps. Where whole sets of views are drawn, a single
    denoising of one is timed, and counted as often as the stage will do it.
    """
    from dreamlab.guidance import DatasetUpdateConfig
    from dreamlab.run.machine import pick_device
    from dreamlab.run.setup import Setup
    from dreamlab.stages.distil import optimise

    setup = Setup(config, pick_device(config.device))
    prior, prompts, field, renderer = setup.prior, setup.prompts, setup.field(), config.renderer.build()
    found = []
    for stage in config.stages:
        method, denoisings = stage.guidance or config.guidance, 0
        if isinstance(method, DatasetUpdateConfig):
            denoisings = method.denoisings(stage.steps, stage.noise or config.noise)
            stage = stage.model_copy(update={"guidance": method.model_copy(update={"drawing_steps": 1})})
        steps = optimise(stage, field, renderer, prior, setup.guidance(stage), prompts, config.seed)
        laps = [event.seconds for _, event in zip(range(_STEPS), steps, strict=False)]
        seconds = [sum(lap.values()) for lap in laps]
        median = statistics.median(seconds[1:] or seconds)
        found.append(median * stage.steps + laps[0]["prior"] * denoisings)
    return found, setup.notes()
