"""The values of a step that the settings let change over a stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from dreamlab.core.schedules import Ramp
from dreamlab.guidance import NoiseConfig
from dreamlab.stages.base import OptimiseConfig


def schedules(stage: OptimiseConfig, step: int, noise: NoiseConfig) -> list[tuple[str, str]]:
    """Name and value, as text, of every ramp of a stage in its step number `step` (from 1); of those that
    move, where they come from and go to. noise: the run's, for a stage that has none of its own."""
    progress = (step - 1) / max(1, stage.steps - 1)
    rows = [("progress", f"{100 * progress:.0f} %")]
    own = getattr(stage, "noise", None)
    for name, ramp in [*_ramps(stage, ""), *([] if own is not None else _ramps(noise, "noise."))]:
        ends = f"  ({ramp.start:.3g} to {_last(ramp):.3g})" if _moves(ramp) else ""
        rows.append((name, f"{ramp(progress):.3g}{ends}"))
    return rows


def _ramps(value: Any, path: str) -> Iterator[tuple[str, Ramp]]:
    if isinstance(value, Ramp):
        yield path.rstrip("."), value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _ramps(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, tuple):
        for number, part in enumerate(value):
            yield from _ramps(part, f"{path}{getattr(part, 'kind', number)}.")


def _moves(ramp: Ramp) -> bool:
    return ramp.start != ramp.end or ramp.then is not None


def _last(ramp: Ramp) -> float:
    return ramp.end if ramp.then is None else _last(ramp.then)
