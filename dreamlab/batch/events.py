"""What a batch tells whoever watches it. Plain values: they come from other processes."""

from __future__ import annotations

from dataclasses import dataclass

from dreamlab.batch.jobs import Job
from dreamlab.batch.ledger import Row
from dreamlab.run import events as run_events


@dataclass(frozen=True)
class Opened:
    """The batch begins, or goes on: `done` and `failed` of `total` jobs have ended before."""

    total: int
    done: int
    failed: int


@dataclass(frozen=True)
class Begun:
    """Work on a job begins, or goes on, in this folder."""

    job: Job
    folder: str


@dataclass(frozen=True)
class Phase:
    """A part of a job's run begins. steps: how many it has, after each of which it may be stopped."""

    job: Job
    name: str
    steps: int


@dataclass(frozen=True)
class Stepped:
    """`done` of `total` steps of a job's run, over all its stages."""

    job: Job
    done: int
    total: int


@dataclass(frozen=True)
class Remark:
    """Something worth saying once. job: None where it is about all of them."""

    job: Job | None
    text: str


@dataclass(frozen=True)
class Ended:
    """A job has ended, well or not."""

    job: Job
    row: Row


@dataclass(frozen=True)
class Idle:
    """Nothing has happened for a moment, in which the watcher may want to look up."""


BatchEvent = Opened | Begun | Phase | Stepped | Remark | Ended | Idle


def of_run(job: Job, event: run_events.Event) -> BatchEvent:
    """A run's event as one of the batch."""
    if isinstance(event, run_events.Begun):
        return Begun(job, str(event.folder))
    if isinstance(event, run_events.Phase):
        return Phase(job, event.name, event.steps)
    if isinstance(event, run_events.Step):
        return Stepped(job, event.done, event.total)
    return Remark(job, event.text) if isinstance(event, run_events.Note) else Idle()
