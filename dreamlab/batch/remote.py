"""A job on a machine that may vanish: its run lives on shared storage, and the machine holds a copy."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from dreamlab.batch.events import BatchEvent, Ended, of_run
from dreamlab.batch.jobs import Job
from dreamlab.batch.ledger import Row
from dreamlab.batch.storage import Storage
from dreamlab.batch.work import Terms, work
from dreamlab.run import events as run_events
from dreamlab.run.events import Event
from dreamlab.run.prior_cache import Build
from dreamlab.run.run_dir import slug


def name_of(job: Job) -> str:
    """Where a job's runs lie on the storage, each attempt in a folder of its own number."""
    return f"{slug(job.prompt)}-{job.key}"


def work_remotely(
    job: Job, terms: Terms, storage: Storage, build: Build
) -> Generator[BatchEvent, None, None]:
    """Go on with a job from wherever the storage says that it stands, to its end. Every checkpoint is on the
    storage before the next step begins. Closed, the moment is kept there too. Its pictures come with the job,
    if it is packed, and with the run.

    Raises InputError where the storage cannot be read or written to.
    """
    name, packet, job = name_of(job), job, job.light()
    with TemporaryDirectory(prefix="dreamlab-") as scratch, TemporaryDirectory(prefix="dreamlab-") as shown:
        before = {}
        for place in storage.places(name):
            if place.isdecimal() and storage.pull(f"{name}/{place}", Path(scratch) / place):
                before[int(place)] = place
        here = packet.unpacked(Path(shown))
        events = work(here, replace(terms, folder=Path(scratch)), build, before)
        row = yield from _followed(job, events, storage, max(before, default=0))
    yield Ended(job, replace(row, run=name if row.run else ""))


def fetch(row: Row, storage: Storage, folder: Path) -> None:
    """The files of a job that is done, without its checkpoints. Raises as `Storage.pull`."""
    storage.pull(f"{row.run}/{row.attempts - 1}", folder / row.run, checkpoints=False)


def _followed(
    job: Job, events: Generator[Event, None, Row], storage: Storage, attempt: int
) -> Generator[BatchEvent, None, Row]:
    """A job's events; its run is copied to the storage whenever it has a new checkpoint, and at the end."""
    run: Path | None = None
    saved = ""
    try:
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                return end.value
            if isinstance(event, run_events.Begun):
                if run is not None:  # a collapse: the next attempt begins
                    storage.push(run, _place(job, attempt))
                    attempt += 1
                run, saved = event.folder, _newest(event.folder)
            elif isinstance(event, run_events.Step) and run is not None and (now := _newest(run)) != saved:
                storage.push(run, _place(job, attempt))
                saved = now
            yield of_run(job, event)
    finally:
        events.close()
        if run is not None and run.is_dir():
            storage.push(run, _place(job, attempt))


def _place(job: Job, attempt: int) -> str:
    return f"{name_of(job)}/{attempt}"


def _newest(run: Path) -> str:
    """The name of the newest checkpoint."""
    folder = run / "checkpoints"
    return (
        max((p.name for p in folder.iterdir() if p.name.isdecimal()), default="") if folder.is_dir() else ""
    )
