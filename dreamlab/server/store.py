"""The queue on disk: one SQLite file beside the runs, which any number of processes may use at once.

Every change is one transaction, on the disk before it is answered; whoever is killed leaves the state before
or the state after. What workers do to jobs is in dreamlab.server.claims.
"""

from __future__ import annotations

import json
import math
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from dreamlab.core.errors import DamagedError, DreamlabError, InputError
from dreamlab.core.locks import held
from dreamlab.server.jobs import CHANGES, COLUMNS, OVER, STATES, Job, JobEvent, Order, State, job_of

FILE, FOLDER = ".workshop.sqlite", ".workshop"
"""The store, and the folder of locks and logs, in the folder of all runs."""
VERSION = 2
_SCHEMA = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    key TEXT UNIQUE,                          -- of the request, and which of its jobs
    prompt TEXT NOT NULL, preset TEXT NOT NULL, seed INTEGER NOT NULL, negative TEXT NOT NULL,
    formats TEXT NOT NULL, settings TEXT NOT NULL, config TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    turn REAL NOT NULL,                       -- the smaller, the sooner
    submitted REAL NOT NULL, started REAL, finished REAL,
    phase TEXT, step INTEGER NOT NULL DEFAULT 0, steps INTEGER NOT NULL, seconds_left REAL,
    error TEXT, run TEXT, files TEXT NOT NULL DEFAULT '{}',
    worker TEXT, cancelling INTEGER NOT NULL DEFAULT 0,
    deaths INTEGER NOT NULL DEFAULT 0, furthest INTEGER NOT NULL DEFAULT 0,
    images TEXT NOT NULL DEFAULT '[]', notes TEXT NOT NULL DEFAULT '[]',
    CHECK ((state = 'running') = (worker IS NOT NULL))
);
CREATE INDEX jobs_by_turn ON jobs (state, turn, number);
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL REFERENCES jobs (id),
    name TEXT NOT NULL, facts TEXT NOT NULL
);
CREATE INDEX events_by_job ON events (job, number);
"""
_SINCE = {
    1: "ALTER TABLE jobs ADD COLUMN images TEXT NOT NULL DEFAULT '[]';"
    "ALTER TABLE jobs ADD COLUMN notes TEXT NOT NULL DEFAULT '[]';",
}
"""What makes a store of an older version one of the next."""


class QueueFullError(DreamlabError):
    """No more jobs are taken until some are done."""


class Store:
    """The jobs of a folder of runs. Safe in threads, each of which gets a connection of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / FOLDER
        self._local = threading.local()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write to {root}", got=error.strerror or str(error)) from error
        with held(self.folder / "store.lock", math.inf):
            self._prepare()

    def _prepare(self) -> None:
        path = self.root / FILE
        try:
            (version,) = self.db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self.db.execute("PRAGMA journal_mode = WAL")
                self.db.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {VERSION};COMMIT;")
                version = VERSION
            while version in _SINCE:
                self.db.executescript(f"BEGIN;{_SINCE[version]}PRAGMA user_version = {version + 1};COMMIT;")
                version += 1
        except sqlite3.DatabaseError as error:
            raise DamagedError(f"{path} cannot be used", got=str(error), mend="Move it away") from error
        if version != VERSION:
            raise DamagedError(
                f"{path} is of another dreamlab",
                expected=f"version {VERSION}",
                got=str(version),
                mend="Use the newest dreamlab, or move the file away",
            )

    @property
    def db(self) -> sqlite3.Connection:
        """This thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "db", None)
        if connection is None:
            connection = sqlite3.connect(self.root / FILE, timeout=60, isolation_level=None)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            self._local.db = connection
        return connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that nobody else writes during; undone by an error."""
        db = self.db
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    # ---- asking for jobs ----

    def submit(self, orders: Sequence[Order], key: str | None = None, most: int | None = None) -> list[Job]:
        """Queue all of them or none; a request that was taken before, by its key, is answered again.

        Raises QueueFullError where more than `most` would wait.
        """
        keys = [None if key is None else f"{key}.{k}" for k in range(len(orders))]
        with self.writing() as db:
            known = [job for each in keys if each and (job := self._one(db, "key = ?", each))]
            if known:
                return known
            (waiting,) = db.execute("SELECT count(*) FROM jobs WHERE state = 'queued'").fetchone()
            if most is not None and waiting + len(orders) > most:
                raise QueueFullError(
                    "the queue is full",
                    expected=f"at most {most} jobs waiting",
                    got=f"{waiting} and {len(orders)} more",
                    mend="Try again when some are done",
                )
            ids = [self._insert(db, order, each) for order, each in zip(orders, keys, strict=True)]
            return [job for each in ids if (job := self._one(db, "id = ?", each))]

    def _insert(self, db: sqlite3.Connection, order: Order, key: str | None) -> str:
        now = time.time()
        values = {
            "id": secrets.token_hex(6), "key": key, "prompt": order.prompt, "preset": order.preset,
            "seed": order.seed, "negative": order.negative, "formats": json.dumps(order.formats),
            "settings": json.dumps(dict(order.settings)), "config": json.dumps(dict(order.config)),
            "turn": now, "submitted": now, "steps": order.steps,
            "images": json.dumps([dict(image) for image in order.images]), "notes": json.dumps(order.notes),
        }  # fmt: skip
        names = ", ".join(values)
        db.execute(f"INSERT INTO jobs ({names}) VALUES ({', '.join('?' * len(values))})", [*values.values()])
        tell(db, values["id"], "queued")
        for line in order.notes:
            tell(db, values["id"], "note", text=line)
        return values["id"]

    def cancel(self, job: str) -> Job | None:
        """Take a job out of the queue, or ask its worker to stop; None where there is no such job."""
        with self.writing() as db:
            found = self._one(db, "id = ?", job)
            if found is not None and found.state == "queued":
                db.execute(
                    "UPDATE jobs SET state = 'cancelled', finished = ? WHERE id = ?", (time.time(), job)
                )
                tell(db, job, "cancelled")
            elif found is not None and found.state == "running":
                db.execute("UPDATE jobs SET cancelling = 1 WHERE id = ?", (job,))
            return self._one(db, "id = ?", job)

    def retry(self, job: str, most: int | None = None) -> Job | None:
        """Queue a failed or cancelled job once more, at the end; it goes on from its run's checkpoint. None
        where there is no such job.

        Raises InputError for a job that is not over or that is done.
        """
        with self.writing() as db:
            found = self._one(db, "id = ?", job)
            if found is None:
                return None
            if found.state not in OVER - {"done"}:
                raise InputError(f"the job is {found.state}", expected="one that failed or was cancelled")
            (waiting,) = db.execute("SELECT count(*) FROM jobs WHERE state = 'queued'").fetchone()
            if most is not None and waiting >= most:
                raise QueueFullError("the queue is full", mend="Try again when some are done")
            db.execute(
                "UPDATE jobs SET state = 'queued', turn = ?, finished = NULL, error = NULL, phase = NULL,"
                " seconds_left = NULL, deaths = 0 WHERE id = ?",
                (time.time(), job),
            )
            tell(db, job, "queued")
            return self._one(db, "id = ?", job)

    # ---- looking ----

    def job(self, job: str) -> Job | None:
        return self._one(self.db, "id = ?", job)

    def jobs(self, state: State | None = None, limit: int = 100, after: str | None = None) -> list[Job]:
        """The newest first; `after`: only those submitted before the job of that id."""
        where, values = ["1"], []
        if state is not None:
            where.append("state = ?")
            values.append(state)
        if after is not None:
            where.append("number < coalesce((SELECT number FROM jobs WHERE id = ?), 0)")
            values.append(after)
        query = f"SELECT {COLUMNS} FROM jobs WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?"
        return [job_of(row) for row in self.db.execute(query, [*values, limit])]

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        rows = self.db.execute("SELECT state, count(*) AS n FROM jobs GROUP BY state")
        return dict.fromkeys(STATES, 0) | {row["state"]: row["n"] for row in rows}

    def seconds(self) -> dict[str, float]:
        """From beginning to end of jobs that are done, by preset: medians of up to 20."""
        rows = self.db.execute(
            "SELECT preset, finished - started AS seconds FROM jobs WHERE state = 'done' ORDER BY number DESC"
            " LIMIT 200"
        ).fetchall()
        took = {row["preset"]: [r["seconds"] for r in rows if r["preset"] == row["preset"]] for row in rows}
        return {preset: median(seconds[:20]) for preset, seconds in took.items()}

    def durations(self) -> list[sqlite3.Row]:
        """Of jobs that are done, by preset: how many `jobs`, and the seconds that they `took` together."""
        return self.db.execute(
            "SELECT preset, count(*) AS jobs, sum(finished - started) AS took FROM jobs WHERE state = 'done'"
            " GROUP BY preset ORDER BY preset"
        ).fetchall()

    def waits(self) -> sqlite3.Row:
        """How many `jobs` have begun, and the seconds that they `waited` together."""
        return self.db.execute(
            "SELECT count(*) AS jobs, coalesce(sum(started - submitted), 0) AS waited FROM jobs"
            " WHERE started IS NOT NULL"
        ).fetchone()

    def events(self, after: int, job: str | None = None, limit: int = 500) -> list[JobEvent]:
        """What happened since event number `after`: to one job, or of all jobs the changes of state."""
        if job is not None:
            where, values = "job = ?", [job]
        else:
            where, values = f"name IN ({', '.join('?' * len(CHANGES))})", [*CHANGES]
        query = f"SELECT * FROM events WHERE number > ? AND {where} ORDER BY number LIMIT ?"
        rows = self.db.execute(query, [after, *values, limit])
        return [JobEvent(row["number"], row["job"], row["name"], json.loads(row["facts"])) for row in rows]

    def newest_event(self) -> int:
        """The number of the latest event; 0 where nothing has happened yet."""
        (number,) = self.db.execute("SELECT coalesce(max(number), 0) FROM events").fetchone()
        return number

    def pictures_needed(self) -> set[str]:
        """The ids of pictures of jobs that wait or run."""
        rows = self.db.execute(
            "SELECT images FROM jobs WHERE state IN ('queued', 'running') AND images != '[]'"
        )
        return {image["picture"] for row in rows for image in json.loads(row["images"])}

    def data_version(self) -> int:
        """Another number whenever another connection than this thread's has written."""
        (number,) = self.db.execute("PRAGMA data_version").fetchone()
        return number

    def _one(self, db: sqlite3.Connection, where: str, value: str) -> Job | None:
        row = db.execute(f"SELECT {COLUMNS} FROM jobs WHERE {where}", (value,)).fetchone()
        return None if row is None else job_of(row)


def tell(db: sqlite3.Connection, job: str, name: str, **facts: Any) -> None:
    """Write an event down, as a part of the transaction that it belongs to."""
    db.execute("INSERT INTO events (job, name, facts) VALUES (?, ?, ?)", (job, name, json.dumps(facts)))
