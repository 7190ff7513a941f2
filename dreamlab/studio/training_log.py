"""What a training tells of its steps, and the file that keeps it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.files import write_atomic


@dataclass(frozen=True)
class TrainEvent:
    """One step done. What it lost is fetched from the device when it is asked for: a GPU goes on meanwhile.

    seconds: since the step before, the wait for its pictures included.
    """

    step: int
    by_level: Float[Tensor, " 4"]
    seconds: float

    @cached_property
    def loss_by_level(self) -> tuple[float, ...]:
        """The mean v-loss of four bands of the noise level, least noise first, NaN where none was drawn;
        while only mean pictures are learned, it is theirs, whatever the level."""
        return tuple(self.by_level.tolist())

    @property
    def loss(self) -> float:
        """The mean of the bands."""
        return float(np.nanmean(self.loss_by_level))


def forget(path: Path, step: int) -> None:
    """Take lines of steps after `step` out of a log."""
    if path.exists():
        lines = path.read_text().splitlines(keepends=True)
        write_atomic(path, "".join(line for line in lines if json.loads(line)["step"] <= step).encode())


def log(path: Path, events: list[TrainEvent]) -> None:
    """Append a line: the last step, mean losses, and the median of its seconds."""
    levels = np.nanmean(np.array([e.loss_by_level for e in events]), axis=0)
    line = {
        "step": events[-1].step,
        "loss": round(float(np.mean([e.loss for e in events])), 5),
        "by_level": [round(float(level), 5) for level in levels],
        "seconds": round(float(np.median([e.seconds for e in events])), 4),
    }
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
