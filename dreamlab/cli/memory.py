"""Memory that ran out: what needs less of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dreamlab.core.errors import UnavailableError
from dreamlab.core.memory import reason_of

if TYPE_CHECKING:
    from dreamlab.run.config import RunConfig

_LOWER: dict[int | None, int] = {None: 12, 24: 12, 12: 8, 8: 6}  # of prior.vram; the embedded prior has none
FEWER = "Close other programs, or ask for less: fewer or smaller views, a lower resolution, --preset fast"


def explained(error: BaseException, config: RunConfig, phase: str, folder: object) -> UnavailableError:
    """The error that tells which part of a run had too little memory, and how the run goes on with less."""
    mend = FEWER
    if phase in ("load", "embed"):
        mend = "Close other programs, or take a smaller prior; --vram makes a pretrained one fit"
    less = _less(config, phase)
    if less:
        mend = f"Close other programs, or go on with less: dreamlab resume {folder} --set {less}"
    where = "loading the prior" if phase in ("load", "embed") else f"the stage {phase!r}"
    return UnavailableError(f"there is not enough memory for {where}", got=reason_of(error), mend=mend)


def _less(config: RunConfig, phase: str) -> str:
    """The setting that lowers a stage's memory most; "" where there is none.

    A pretrained prior takes most of a step (a render is cut into chunks until it fits), then views count,
    then their size.
    """
    from dreamlab.core.schedules import Ramp

    stage = next((stage for stage in config.stages if stage.name == phase), None)
    if stage is None:
        return ""
    steps = stage.total_steps > 0
    tier = getattr(config.prior, "vram", 0)
    if steps and tier in _LOWER:
        return f"prior.vram={_LOWER[tier]}"
    settings = (("views", 1), ("size", 32)) if steps else (("resolution", 32), ("size", 32))
    for name, least in settings:
        value = getattr(stage, name, None)
        if isinstance(value, Ramp) and value.start == value.end and value.then is None:
            value = int(value.start)
        if isinstance(value, int) and value // 2 >= least:
            return f"stages.{phase}.{name}={value // 2}"
    return ""
