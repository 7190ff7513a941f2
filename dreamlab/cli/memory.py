"""Memory that runs out: how it shows, and what needs less of it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from dreamlab.core.errors import UnavailableError

if TYPE_CHECKING:
    from dreamlab.run.config import RunConfig

FEWER = "Close other programs, or ask for less: fewer or smaller views, a lower resolution, --preset fast"
_WORDS = ("allocate memory", "not enough memory", "out of memory", "bad_alloc", "DefaultCPUAllocator")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says so: Python's and numpy's own, torch's on any device, C++'s and the system's."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS)


def reason_of(error: BaseException) -> str:
    """The first line of an error's message."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def explained(error: BaseException, config: RunConfig, phase: str, folder: object) -> UnavailableError:
    """The error that tells which part of a run had too little memory, and how the run goes on with less."""
    mend = FEWER
    stage = next((stage for stage in config.stages if stage.name == phase), None)
    if phase in ("load", "embed"):
        mend = "Close other programs, or take a smaller prior; --vram makes a pretrained one fit"
    steps = stage is not None and stage.total_steps > 0
    settings = (("views", 1),) if steps else (("resolution", 32), ("size", 32))
    for name, least in settings:
        value = getattr(stage, name, None)
        if isinstance(value, int) and value // 2 >= least:
            less = f"--set stages.{phase}.{name}={value // 2}"
            mend = f"Close other programs, or go on with less: dreamlab resume {folder} {less}"
            break
    where = "loading the prior" if phase in ("load", "embed") else f"the stage {phase!r}"
    return UnavailableError(f"there is not enough memory for {where}", got=reason_of(error), mend=mend)
