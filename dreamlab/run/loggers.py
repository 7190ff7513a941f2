"""Programs that collect what runs measure, beside the run's own metrics.jsonl: TensorBoard, Weights & Biases.

They only listen. One that fails is told of and left out from then on, and the run goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from jaxtyping import UInt8
from torch import Tensor

from dreamlab.core.errors import UnavailableError
from dreamlab.core.extras import importable
from dreamlab.run.config import RunConfig
from dreamlab.run.log_tensorboard import TensorBoardLogger
from dreamlab.run.log_wandb import WandbLogger
from dreamlab.run.run_dir import RunDir

log = logging.getLogger(__name__)


class RunLogger(Protocol):
    """Collects one run. Steps count over all stages, from 1."""

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """What a step measured, by name."""
        ...

    def picture(self, step: int, image: UInt8[Tensor, "H W 3"]) -> None:
        """A preview of the object."""
        ...

    def close(self) -> None: ...


class Loggers:
    """The loggers of a run, as one that never raises. `complaints` is what has gone wrong and was not told
    yet."""

    def __init__(self, made: Mapping[str, Callable[[], RunLogger]]) -> None:
        self.complaints: list[str] = []
        self._open: dict[str, RunLogger] = {}
        for name, make in made.items():
            self._try(name, lambda name=name, make=make: self._open.update({name: make()}))

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        for name, logger in list(self._open.items()):
            self._try(name, lambda logger=logger: logger.figures(step, values))

    def picture(self, step: int, image: UInt8[Tensor, "H W 3"]) -> None:
        for name, logger in list(self._open.items()):
            self._try(name, lambda logger=logger: logger.picture(step, image))

    def close(self) -> None:
        for name, logger in list(self._open.items()):
            self._try(name, logger.close)
        self._open.clear()

    def told(self) -> list[str]:
        """The complaints, each once."""
        told, self.complaints = self.complaints, []
        return told

    def _try(self, name: str, call: Callable[[], Any]) -> None:
        try:
            call()
        except Exception as error:
            self._open.pop(name, None)
            log.warning("%s failed", name, exc_info=error)
            why = " ".join(str(error).split()) or type(error).__name__
            self.complaints.append(f"nothing more is logged to {name}, and the run goes on: {why}")


def check_loggers(names: Sequence[str]) -> None:
    """UnavailableError for a logger whose package is not installed."""
    for name in names:
        if not importable(name):
            raise UnavailableError(
                f"logging to {name} needs its package, which is not installed",
                mend=f"pip install 'dreamlab[{name}]', or go on without: --set saving.log=[]",
            )


@contextmanager
def open_loggers(config: RunConfig, run: RunDir, done: int) -> Iterator[Loggers]:
    """The loggers that `saving.log` names, closed at the end. done: steps that were made before."""
    kinds: dict[str, Callable[[RunConfig, RunDir, int], RunLogger]] = {
        "tensorboard": TensorBoardLogger,
        "wandb": WandbLogger,
    }
    loggers = Loggers(
        {name: (lambda kind=kinds[name]: kind(config, run, done)) for name in config.saving.log}
    )
    try:
        yield loggers
    finally:
        loggers.close()
