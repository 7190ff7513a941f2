"""What a job is, and how it lies in the store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

State = Literal["queued", "running", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
OVER: frozenset[State] = frozenset({"done", "failed", "cancelled"})
"""States that a job leaves only when it is asked for again."""

CHANGES = ("queued", "running", "finished", "failed", "cancelled")
"""Events that are a change of state; the others are step, phase and note."""

_AS_JSON = ("settings", "formats", "config", "files", "images", "notes")


@dataclass(frozen=True)
class Order:
    """A job as it is submitted. config: every setting, as plain values. steps: of all stages together.
    images: pictures by their ids, with cameras. notes: what is to be said of the request."""

    prompt: str
    preset: str
    seed: int
    config: Mapping[str, Any]
    steps: int
    negative: str = ""
    formats: tuple[str, ...] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    images: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """A job as it stands.

    number: its place in the order of submission. submitted, started, finished: seconds since 1970.
    step, steps: done and in all. seconds_left: of steps, at the present speed. run: the name of its folder.
    files: names in that folder, by kind. worker: who works on it. deaths: of workers at it, since it last got
    further. cancelling: it was asked to stop, and has not yet. images: pictures by their ids, with cameras.
    notes: what is to be said of the request.
    """

    number: int
    id: str
    prompt: str
    preset: str
    seed: int
    negative: str
    formats: list[str] | None
    settings: dict[str, Any]
    config: dict[str, Any]
    state: State
    submitted: float
    started: float | None
    finished: float | None
    phase: str | None
    step: int
    steps: int
    seconds_left: float | None
    error: str | None
    run: str | None
    files: dict[str, str]
    worker: str | None
    deaths: int
    cancelling: bool
    images: list[dict[str, Any]]
    notes: list[str]


COLUMNS = ", ".join(item.name for item in fields(Job))
"""Of the table of jobs, in the order of a Job."""


def job_of(row: sqlite3.Row) -> Job:
    """A row of the table, read with `COLUMNS`."""
    values: dict[str, Any] = dict(row)
    for name in _AS_JSON:
        values[name] = json.loads(values[name])
    values["cancelling"] = bool(values["cancelling"])
    return Job(**values)


@dataclass(frozen=True)
class JobEvent:
    """Something that happened to a job; numbers only ever grow."""

    number: int
    job: str
    name: str
    facts: dict[str, Any]
