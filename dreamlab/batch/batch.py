"""A batch from its first job to its last, in a folder that remembers which have ended."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from dreamlab.batch.events import BatchEvent, Ended, Opened, Remark
from dreamlab.batch.jobs import Job
from dreamlab.batch.ledger import Ledger, Row
from dreamlab.batch.local import in_turn, side_by_side
from dreamlab.batch.work import RunsByConfig, Terms
from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.run.folders import locked

FAILURES_IN_A_ROW = 10
Crew = Callable[[Sequence[Job], Terms, RunsByConfig], Generator[BatchEvent, None, None]]
"""Whoever works on jobs, and tells of it."""


@dataclass(frozen=True)
class Standing:
    """How a batch stands: jobs left to do, in their order, and the rows of those that have ended."""

    left: list[Job]
    done: list[Row]
    failed: list[Row]


def standing(jobs: Sequence[Job], ledger: Ledger, terms: Terms, again: bool = False) -> Standing:
    """What the table says of jobs. Those whose run is no longer there are to be done again; and with `again`
    those that have failed."""
    left, done, failed = [], [], []
    for job in jobs:
        row = ledger.rows.get(job.key)
        if row is not None and row.state == "done" and (terms.folder / row.run).is_dir():
            done.append(row)
        elif row is not None and row.state == "failed" and not again:
            failed.append(row)
        else:
            left.append(job)
    return Standing(left, done, failed)


def run_batch(
    jobs: Sequence[Job], terms: Terms, workers: int = 1, again: bool = False, crew: Crew | None = None
) -> Generator[BatchEvent, None, None]:
    """Work on every job that has not ended yet. Closed early, or killed, the same call goes on; jobs that
    have ended are not begun again, and runs go on from their checkpoints.

    Args:
        workers: processes; with one, the work is done in this.
        again: whether jobs that have failed are tried once more.
        crew: whoever does the work, instead of processes on this machine.

    Raises InputError where another batch works in the folder, it cannot be written to, or ten jobs have
    failed one after another: what they lack, the next would lack too.
    """
    try:
        terms.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make {terms.folder}", got=error.strerror or str(error)) from error
    with locked(terms.folder):
        ledger = Ledger(terms.folder)
        now = standing(jobs, ledger, terms, again)
        yield Opened(len(jobs), len(now.done), len(now.failed))
        if ledger.damaged:
            yield Remark(None, f"{ledger.damaged} lines of {ledger.path} are damaged and passed over")
        if not now.left:
            return
        with closing(_worked(now.left, terms, ledger, workers, crew)) as events:
            yield from events


def _worked(
    jobs: Sequence[Job], terms: Terms, ledger: Ledger, workers: int, crew: Crew | None
) -> Generator[BatchEvent, None, None]:
    done = frozenset(row.run for row in ledger.rows.values() if row.state == "done")
    runs = RunsByConfig(terms.folder, done)
    if crew is not None:
        events = crew(jobs, terms, runs)
    else:
        events = side_by_side(jobs, terms, runs, workers) if workers > 1 else in_turn(jobs, terms, runs)
    failures = 0
    with closing(events):
        for event in events:
            if isinstance(event, Ended):
                ledger.append(event.row)
                failures = failures + 1 if event.row.state == "failed" else 0
            yield event
            if failures == FAILURES_IN_A_ROW and isinstance(event, Ended):
                raise DreamlabError(
                    f"{failures} jobs have failed one after another", got=event.row.error.rstrip("."),
                    mend="Mend that, then go on with --failed",
                )  # fmt: skip
