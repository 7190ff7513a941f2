"""Priors that are loaded once and serve many runs.

A run whose priors come from a cache is the one that it would have been with priors of its own: same bytes,
same environment.json. What a program makes itself and hands over with `prior=` is another thing: nobody can
tell where it came from, and `dreamlab resume` cannot make it again.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from dreamlab.priors import PriorConfig
from dreamlab.priors.protocols import CarriesOver, Prior
from dreamlab.run.origin import prior_facts

Build = Callable[[PriorConfig, torch.device], Prior]
"""How a run comes by the priors that its settings name."""


def build_prior(config: PriorConfig, device: torch.device) -> Prior:
    """A prior that nobody else has."""
    return config.build(device)


class PriorCache:
    """A `Build` that keeps the `size` priors used last, for runs that come one after another.

    A prior is built anew where its settings, the device or a file that the settings name is another than when
    it was built, and where a run has left it other than it was.

    Example:
        >>> priors = PriorCache()
        >>> for run in runs:
        ...     events = list(generate(run.config(), run, build=priors))
    """

    def __init__(self, size: int = 2) -> None:
        self.size = size
        self._kept: OrderedDict[str, Prior] = OrderedDict()
        self._lock = Lock()

    def __call__(self, config: PriorConfig, device: torch.device) -> Prior:
        with self._lock:
            prior = self._kept.pop(_key(config, device), None)
            if prior is None or (isinstance(prior, CarriesOver) and not prior.begin_anew()):
                prior = None  # let go of first: two may not fit
                while len(self._kept) >= self.size:
                    self._kept.popitem(last=False)
                prior = config.build(device)
            self._kept[_key(config, device)] = prior  # a download may have come in between
            return prior


def _key(config: PriorConfig, device: torch.device) -> str:
    """Everything that decides what is built."""
    settings = config.model_dump(mode="json")
    return json.dumps([str(device), settings, prior_facts(config), *_states(settings)])


def _states(value: Any) -> Iterator[tuple[str, int, int]]:
    """Sizes and times of the files, and of those in the folders, that settings name."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _states(part)
    elif isinstance(value, str) and value:
        path = Path(value).expanduser()
        for file in (path, *sorted(path.rglob("*"))) if path.is_dir() else (path,):
            if file.is_file():
                known = file.stat()
                yield str(file.resolve()), known.st_size, known.st_mtime_ns
