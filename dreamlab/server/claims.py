"""What workers do to jobs: claim one, tell how it goes, end it or put it back; and what becomes of a dead
worker's jobs.

A claim names its worker, and everything that is written to a job later only counts while the claim stands:
who has lost a job cannot change it any more. A worker lives as long as it holds its lock.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dreamlab.core.locks import held
from dreamlab.server.jobs import COLUMNS, Job, State, job_of
from dreamlab.server.store import Store, tell

MOST_DEATHS = 5
"""Workers that may die at a job, one after another and without getting further, until it counts as failed."""


class Claims:
    """A worker's side of the store. Make one with `working`."""

    def __init__(self, store: Store, worker: str) -> None:
        self.store, self.worker = store, worker

    def claim(self) -> Job | None:
        """The job whose turn it is, now this worker's alone; None where none waits."""
        db = self.store.db
        if db.execute("SELECT 1 FROM jobs WHERE state = 'queued' LIMIT 1").fetchone() is None:
            return None
        with self.store.writing() as db:
            row = db.execute(
                "UPDATE jobs SET state = 'running', worker = ?, started = coalesce(started, ?) WHERE number ="
                " (SELECT number FROM jobs WHERE state = 'queued' ORDER BY turn, number LIMIT 1)"
                f" RETURNING {COLUMNS}",
                (self.worker, time.time()),
            ).fetchone()
            if row is None:
                return None
            tell(db, row["id"], "running")
            return job_of(row)

    def began(self, job: Job, run: str | None) -> None:
        """Which folder the job has; None: it has none any more."""
        with self.store.writing() as db:
            self._set(db, job, run=run)

    def phase(self, job: Job, name: str, detail: str, steps: int) -> bool:
        """A part of the run begins; whether the job was asked to stop."""
        with self.store.writing() as db:
            asked = self._set(db, job, phase=name, seconds_left=None)
            tell(db, job.id, "phase", phase=name, detail=detail, steps=steps)
        return asked

    def step(self, job: Job, step: int, steps: int, left: float | None, figures: Mapping[str, float]) -> bool:
        """How far it is; whether the job was asked to stop."""
        with self.store.writing() as db:
            asked = self._set(db, job, step=step, steps=steps, seconds_left=left)
            db.execute(
                "UPDATE jobs SET furthest = ?, deaths = 0 WHERE id = ? AND furthest < ?", (step, job.id, step)
            )
            finite = {name: value for name, value in figures.items() if math.isfinite(value)}
            tell(db, job.id, "step", step=step, steps=steps, seconds_left=left, metrics=finite)
        return asked

    def note(self, job: Job, text: str) -> None:
        with self.store.writing() as db:
            tell(db, job.id, "note", text=text)

    def finish(self, job: Job, files: Mapping[str, str], seconds: Mapping[str, float]) -> None:
        """It is done; files by kind, as names in its folder."""
        self._end(
            job, "done", "finished", {"files": dict(files), "seconds": dict(seconds)}, files=dict(files)
        )

    def fail(self, job: Job, error: str) -> None:
        self._end(job, "failed", "failed", {"error": error}, error=error)

    def cancelled(self, job: Job) -> None:
        self._end(job, "cancelled", "cancelled", {})

    def put_back(self, job: Job) -> None:
        """Into the queue, where it was, because this worker stops; unless the job was to stop, too."""
        with self.store.writing() as db:
            if self._set(db, job, phase=None, seconds_left=None):
                self._set(db, job, state="cancelled", worker=None, cancelling=0, finished=time.time())
                tell(db, job.id, "cancelled")
            else:
                self._set(db, job, state="queued", worker=None)
                tell(db, job.id, "queued")

    def _end(self, job: Job, state: State, name: str, told: Mapping[str, Any], **values: Any) -> None:
        values |= {"state": state, "worker": None, "cancelling": 0, "finished": time.time()}
        with self.store.writing() as db:
            self._set(db, job, phase=None, seconds_left=None, **values)
            db.execute("DELETE FROM events WHERE job = ? AND name = 'step'", (job.id,))
            tell(db, job.id, name, **told)

    def _set(self, db: Any, job: Job, **values: Any) -> bool:
        """Write to the job if it is still this worker's; whether it was asked to stop.

        Raises LostError if it is not.
        """
        values = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in values.items()}
        names = ", ".join(f"{name} = ?" for name in values)
        row = db.execute(
            f"UPDATE jobs SET {names} WHERE id = ? AND worker = ? RETURNING cancelling",
            [*values.values(), job.id, self.worker],
        ).fetchone()
        if row is None:
            raise LostError(job.id)
        return bool(row["cancelling"])


class LostError(Exception):
    """The job is no longer this worker's."""


@contextmanager
def working(store: Store) -> Iterator[Claims]:
    """A new worker, alive until the block or the process ends."""
    worker = secrets.token_hex(8)
    path = _lock(store, worker)
    with held(path) as own:
        assert own  # nobody else knows the name
        try:
            yield Claims(store, worker)
        finally:
            path.unlink(missing_ok=True)  # nobody will ask for it again


def take_back(store: Store) -> list[str]:
    """Put the jobs of dead workers back into the queue; their ids. May be called by anyone at any time."""
    rows = store.db.execute("SELECT DISTINCT worker FROM jobs WHERE worker IS NOT NULL").fetchall()
    taken: list[str] = []
    for (worker,) in rows:
        path = _lock(store, worker)
        with held(path) as dead:
            if dead:
                taken += _taken(store, worker)
                path.unlink(missing_ok=True)
    return taken


def _taken(store: Store, worker: str) -> list[str]:
    with store.writing() as db:
        rows = db.execute("SELECT id, deaths, cancelling FROM jobs WHERE worker = ?", (worker,)).fetchall()
        for job, deaths, cancelling in rows:
            state, name, error = "queued", "queued", None
            if cancelling:
                state = name = "cancelled"
            elif deaths + 1 >= MOST_DEATHS:
                state = name = "failed"
                error = (
                    f"{deaths + 1} workers died at it, one after another; their logs lie in {store.folder}"
                )
            db.execute(
                "UPDATE jobs SET state = ?, error = ?, worker = NULL, cancelling = 0, deaths = deaths + 1,"
                " phase = NULL, seconds_left = NULL, finished = ? WHERE id = ?",
                (state, error, None if state == "queued" else time.time(), job),
            )
            tell(db, job, name, **({"error": error} if error else {}))
        return [row["id"] for row in rows]


def _lock(store: Store, worker: str) -> Path:
    return store.folder / f"worker-{worker}.lock"
