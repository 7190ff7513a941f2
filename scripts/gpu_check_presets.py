"""gpu_check, every preset: its first steps at its largest size, with a network of real shape and random
weights."""

from __future__ import annotations

import statistics
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

from gpu_check_random import random_prior
from gpu_check_real import require_room
from gpu_check_record import Check, Setting, measured
from priors import tiny  # pyright: ignore[reportMissingImports]

from dreamlab.cli.dry_run import _ball
from dreamlab.core.schedules import Ramp
from dreamlab.priors.protocols import Prior
from dreamlab.run.config import RunConfig
from dreamlab.run.context import RunContext
from dreamlab.run.pipeline import work_of
from dreamlab.run.presets import preset_names
from dreamlab.run.resolve import resolve
from dreamlab.stages import DistilConfig, FitViewsConfig
from dreamlab.stages.optimise import StepEvent
from dreamlab.stages.protocol import SurfaceMesh

_STEPS = 6
_SHAPE_OF = {"sd-turbo": "sd21-base"}  # tuned from it
_PROMPT = "a red mushroom"
_TETRAHEDRON = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"


def presets_checks(setting: Setting) -> list[Check]:
    return [
        Check(f"{preset}: {stage.name}", lambda p=preset, s=stage.name: _first_steps(p, s, setting))
        for preset in preset_names()
        for stage in _config(preset, setting).optimisations
    ]


def _config(preset: str, setting: Setting) -> RunConfig:
    """The preset with what it needs of a user: a picture, a mesh."""
    settings: dict[str, Any] = {"device": str(setting.device)}
    folder = Path(tempfile.mkdtemp())
    if preset in ("zero123", "imagedream"):
        settings["prior"] = {"image": str(tiny.picture(folder / "image.png"))}
    if preset == "pretrained":
        settings["prior"] = {"kind": "stable-diffusion", "model": "sd21-base"}
    if preset.startswith(("refine", "texture")):
        settings["begin"] = str(folder / "mesh.obj")
        (folder / "mesh.obj").write_text(_TETRAHEDRON)
    return resolve(_PROMPT, preset=preset, settings=settings)


def _first_steps(preset: str, name: str, setting: Setting) -> dict[str, Any]:
    config = _config(preset, setting)
    stage, kind = next(found for found in config.optimisations_on() if found[0].name == name)
    prior: Prior | None = None
    if config.prior.kind != "embedded":
        side = None if setting.quick else config.prior.resolution
        more = {} if side is None else {"resolution": side}
        shape = _SHAPE_OF.get(config.prior.model, config.prior.model)
        require_room(shape, setting)
        prior = random_prior(shape, setting, **more)
    stage, config = _shrunk(_largest(stage), config, setting)
    context = RunContext(config, setting.device, prior)
    steps = 2 if setting.quick else _STEPS
    done: list[StepEvent] = []

    def job() -> None:
        scene = SurfaceMesh(_ball(), context.field()) if kind == "mesh" else None
        events = work_of(stage).run(scene, context)
        done.extend(event for event in islice(events, steps) if isinstance(event, StepEvent))
        events.close()

    found = measured(setting, job)
    assert len(done) == steps, f"{len(done)} steps"
    for event in done:
        assert {"loss", "parameter_grad_norm"} <= event.metrics.keys(), f"not a number at step {event.step}"
    laps = [sum(event.seconds.values()) for event in done[1:]]
    return found | {
        "pixels": stage.side(1.0, context.prior),
        "views": stage.views,
        "step seconds": round(statistics.median(laps), 4),
        "phases of the last": {phase: round(value, 4) for phase, value in done[-1].seconds.items()},
    }


def _largest(stage: DistilConfig | FitViewsConfig) -> DistilConfig | FitViewsConfig:
    """The stage at its largest size from its first step on."""
    sizes, size = [], stage.size
    while size is not None:
        sizes, size = [*sizes, size.start, size.end], size.then
    return stage.model_copy(update={"size": Ramp.constant(max(sizes))}) if sizes else stage


def _shrunk(
    stage: DistilConfig | FitViewsConfig, config: RunConfig, setting: Setting
) -> tuple[DistilConfig | FitViewsConfig, RunConfig]:
    """Of a size that a CPU does in seconds, for a rehearsal."""
    if not setting.quick:
        return stage, config
    less: dict[str, Any] = {"sampling_steps": 2} if isinstance(stage, FitViewsConfig) else {}
    if config.prior.kind != "embedded":
        less["size"] = Ramp.constant(32)
    renderer = config.renderer.model_copy(update={"samples": 16})
    field = config.field
    if field.kind == "hashgrid":
        field = field.model_copy(update={"levels": 4, "log2_table_size": 10, "finest_resolution": 64})
    return stage.model_copy(update=less), config.model_copy(update={"renderer": renderer, "field": field})
