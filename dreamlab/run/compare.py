"""What differs between runs: settings by dotted name, environment, and their figures. Loads no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamlab.core.errors import ConfigError, DamagedError
from dreamlab.core.files import read_mapping
from dreamlab.run.migrate import migrated
from dreamlab.run.presets import load_yaml

Rows = dict[str, dict[str, Any]]
"""By what is compared; in it the values by run. A run that has none is not in it."""

_OF_THE_MOMENT = ("arguments", "started")  # of the environment: never the same, and decide nothing


@dataclass(frozen=True)
class Comparison:
    """settings, environment: what is not the same in all runs. figures: measures and seconds, all of them.

    runs: by the names that the rows call them by. unfinished: those that have no figures yet.
    """

    runs: dict[str, Path]
    settings: Rows
    environment: Rows
    figures: Rows
    unfinished: tuple[str, ...]


def compare(runs: Sequence[Path]) -> Comparison:
    """Raises DamagedError for a run whose settings cannot be read."""
    named = _named(runs)
    summaries = {name: read_mapping(run / "summary.json") or {} for name, run in named.items()}
    settings = {name: _settings(run) for name, run in named.items()}
    environments = {name: _environment(run) for name, run in named.items()}
    return Comparison(
        runs=named,
        settings=_different(settings),
        environment=_different(environments),
        figures=_rows({name: _figures(summary) for name, summary in summaries.items()}),
        unfinished=tuple(name for name, summary in summaries.items() if not summary),
    )


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by the dotted names that `--set` takes: items of lists by name or kind, where these
    tell them apart, else by number."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        nested = value
        if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            nested = dict(zip(_words(value), value, strict=True))
        if isinstance(nested, Mapping) and nested:
            out |= flat(nested, f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = value
    return out


def _words(items: list[Mapping[str, Any]]) -> list[str]:
    words = [str(item.get("name", item.get("kind", ""))) for item in items]
    return words if all(words) and len(set(words)) == len(words) else [str(n) for n in range(len(items))]


def _named(runs: Sequence[Path]) -> dict[str, Path]:
    """By folder name; by whole path where two are called the same."""
    names = [run.resolve().name for run in runs]
    return {str(run) if names.count(name) > 1 else name: run for name, run in zip(names, runs, strict=True)}


def _settings(run: Path) -> dict[str, Any]:
    try:
        return flat(migrated(load_yaml(run / "config.yaml")))
    except ConfigError as error:
        raise DamagedError(f"the settings of {run} cannot be read", got=error.got or str(error)) from error


def _environment(run: Path) -> dict[str, Any]:
    found = read_mapping(run / "environment.json") or {}
    return flat({key: value for key, value in found.items() if key not in _OF_THE_MOMENT})


def _figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Measures, then the seconds of phases and their sum; those with a point are parts of others."""
    measures, seconds = (
        found if isinstance(found := summary.get(key), Mapping) else {} for key in ("measures", "seconds")
    )
    measures = {name: value for name, value in measures.items() if isinstance(value, int | float)}
    phases = {
        f"seconds.{name}": value
        for name, value in seconds.items()
        if "." not in name and isinstance(value, int | float)
    }
    closed = {"watertight": measures["watertight"] > 0} if "watertight" in measures else {}
    return {**measures, **closed, **phases, **({"seconds": sum(phases.values())} if phases else {})}


def _rows(values: Mapping[str, Mapping[str, Any]]) -> Rows:
    keys = dict.fromkeys(key for of_run in values.values() for key in of_run)
    return {key: {name: own[key] for name, own in values.items() if key in own} for key in keys}


def _different(values: Mapping[str, Mapping[str, Any]]) -> Rows:
    return {
        key: row
        for key, row in _rows(values).items()
        if len(row) < len(values) or len({json.dumps(value, default=str) for value in row.values()}) > 1
    }
