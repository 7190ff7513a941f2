"""What a run tells whoever watches it. The loop's own StepEvents travel inside Step."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dreamlab.stages.optimise import StepEvent


@dataclass(frozen=True)
class Begun:
    """Work on a run begins, or goes on, in this folder."""

    folder: Path


@dataclass(frozen=True)
class Phase:
    """A part of the run begins: "load" (the prior), "embed" (the prompt), or a stage by its name. `steps` is
    how many steps it has, after each of which the run may be stopped; 0 for what is over in seconds."""

    name: str
    detail: str = ""
    steps: int = 0


@dataclass(frozen=True)
class Note:
    """Something worth saying once: a fallback, a restart, a damaged file that was passed over."""

    text: str


@dataclass(frozen=True)
class Step:
    """One optimisation step; `done` of `total` steps counted over all stages."""

    event: StepEvent
    done: int
    total: int


@dataclass(frozen=True)
class Finished:
    """The files of the run by kind (glb, obj, mp4, ...), wall seconds by phase, and what was measured of the
    mesh.
    """

    folder: Path
    files: dict[str, Path]
    seconds: dict[str, float]
    measures: dict[str, float] = field(default_factory=dict)


Event = Begun | Phase | Note | Step | Finished
