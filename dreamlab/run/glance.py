"""What a run's folder says of itself at a glance: state, how far, when, how long. Loads no torch.

Only a little of each file is read, and nothing is believed to be there.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dreamlab.core.errors import ConfigError, DamagedError
from dreamlab.core.files import read_mapping
from dreamlab.run.folders import at_work_on, number_of
from dreamlab.run.presets import parse_yaml

State = Literal["running", "done", "failed", "stopped"]

_MOST_BYTES, _TAIL = 1_000_000, 8192
_OPTIMISATIONS = ("distil", "fit-views")  # as dreamlab.run.stage_list, by which settings are written
_RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ (?P<level>\w+) (?P<name>\S+): (?P<text>.*)")
_NESTED = re.compile(r"(?:[-?] ){40}|^ {200}|<<:", re.MULTILINE)
_BRACKETS = 200  # more of them may be nested too deeply
_FOLLOWED = {"prompt": str, "stages": list}  # what a run's settings need at the least


@dataclass(frozen=True)
class Glance:
    """A run as a list shows it. What is not known is None.

    step, steps: of all optimisations, done and in all. stage: the one that it stands in, unless it is done.
    started: ISO 8601, UTC. seconds: of work, where it has come to its end. why: what it failed of.
    begins_with: the run or mesh that it begins with.
    """

    path: Path
    prompt: str
    preset: str | None
    state: State
    step: int | None
    steps: int
    stage: str | None
    started: str | None
    seconds: float | None
    faces: int | None
    why: str | None
    begins_with: str | None

    @property
    def number(self) -> int:
        """0 for a folder that was given another name."""
        return number_of(self.path.name)


def glance(run: Path) -> Glance:
    """Look at a run. Raises DamagedError where its settings cannot be read; whatever else is missing or
    damaged is not known."""
    settings = _settings(run / "config.yaml")
    environment = read_mapping(run / "environment.json") or {}
    summary = read_mapping(run / "summary.json") or {}
    measures, seconds = (_mapping(summary, key) for key in ("measures", "seconds"))
    steps = _steps(settings)
    last = _last_row(run / "metrics.jsonl")
    step = _whole(last.get("step"))
    state, why = _state(run, bool(summary) and (step is None or step >= steps))
    begin = settings.get("begin")
    stage = last.get("stage")
    started = environment.get("started")
    return Glance(
        path=run,
        prompt=settings["prompt"],
        preset=preset_of(environment),
        state=state,
        step=step,
        steps=steps,
        stage=stage if isinstance(stage, str) and state != "done" else None,
        started=started if isinstance(started, str) else None,
        seconds=_total(seconds) if state == "done" else None,
        faces=_whole(measures.get("faces")) if state == "done" else None,
        why=why,
        begins_with=begin if isinstance(begin, str) else None,
    )


def matches(run: Glance, words: Iterable[str], *more: str) -> bool:
    """Whether all the words are in its folder's name, prompt, preset, state or what `more` says of it."""
    text = " ".join([run.path.name, run.prompt, run.preset or "", run.state, *more]).casefold()
    return all(word.casefold() in text for word in words)


def _settings(path: Path) -> dict[str, Any]:
    """The settings as plain values, not checked but for what is looked at here."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode()
        settings = quick_yaml(text, str(path))
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "got", "") or "it is not UTF-8 text"
        raise DamagedError("config.yaml cannot be read", got=str(reason)) from error
    for key, kind in _FOLLOWED.items():
        if not isinstance(settings.get(key), kind):
            raise DamagedError(f"config.yaml says no {key}")
    return settings


def quick_yaml(text: str, name: str) -> dict[str, Any]:
    """As `parse_yaml`, by libyaml where it is there: five times as fast. That ends the process on what is
    nested too deeply, so a text that may be goes the slow way, which refuses it."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", None)
    if loader is None or _NESTED.search(text) or text.count("[") + text.count("{") > _BRACKETS:
        return parse_yaml(text, name)
    try:
        value = yaml.load(text, Loader=loader)
    except Exception:  # PyYAML lets many kinds through; parse_yaml says what is wrong
        return parse_yaml(text, name)
    return value if isinstance(value, dict) else parse_yaml(text, name)


def _steps(settings: Mapping[str, Any]) -> int:
    stages = [stage for stage in settings["stages"] if isinstance(stage, dict)]
    total = 0
    for stage in stages:
        steps, cut = _whole(stage.get("steps")), _whole(stage.get("stop_after"))
        if stage.get("kind") in _OPTIMISATIONS and steps is not None:
            total += steps if cut is None else min(steps, cut)
    return total


def _last_row(path: Path) -> dict[str, Any]:
    """The last whole line of metrics.jsonl."""
    for line in reversed(_tail(path).splitlines()):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            return row
    return {}


def _state(run: Path, finished: bool) -> tuple[State, str | None]:
    if at_work_on(run):
        return "running", None
    if finished:
        return "done", None
    records = [found for line in _tail(run / "log.txt").splitlines() if (found := _RECORD.fullmatch(line))]
    last = records[-1] if records else None
    if last and last["level"] == "ERROR" and last["text"].startswith("failed: "):
        return "failed", last["text"].removeprefix("failed: ")
    return "stopped", None


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            return file.read(_TAIL).decode(errors="replace")
    except OSError:
        return ""


def preset_of(environment: Mapping[str, Any]) -> str | None:
    """The preset that a run began with, by its environment.json; of an older one by its command line."""
    named = environment.get("preset")
    if isinstance(named, str):
        return named
    words = environment.get("arguments")
    if not isinstance(words, list) or words[:1] != ["run"]:
        return None
    words = [str(word) for word in words]
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--preset":
            return following
        if word.startswith("--preset="):
            return word.removeprefix("--preset=")
    return None


def _mapping(holder: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = holder.get(key)
    return found if isinstance(found, dict) else {}


def _total(seconds: Mapping[str, Any]) -> float | None:
    """Of phases; those with a point in their names are parts of others."""
    values = [v for key, v in seconds.items() if "." not in key and isinstance(v, int | float)]
    return float(sum(values)) if values else None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        return None
    return int(value)
