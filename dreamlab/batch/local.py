"""Jobs on this machine: one after another in this process, or side by side in processes of their own.

Workers keep their priors from job to job. One that dies loses no job: another goes on from the checkpoint.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from multiprocessing import connection, get_context, parent_process
from typing import Any

from dreamlab.batch.events import BatchEvent, Ended, Idle, Remark, Stepped, of_run
from dreamlab.batch.jobs import Job
from dreamlab.batch.work import RunsByConfig, Terms, lost, work
from dreamlab.run.events import Event
from dreamlab.run.prior_cache import Build, PriorCache

MOST_DEATHS = 3  # of workers, over one and the same job, after which it has failed
_TICK = 0.2  # seconds without news until the watcher is asked
_SPACING = 0.5  # seconds between the steps that a worker tells of


def in_turn(
    jobs: Sequence[Job], terms: Terms, runs: RunsByConfig, build: Build | None = None
) -> Generator[BatchEvent, None, None]:
    """One job after another. Closed, the run that is under way keeps a checkpoint."""
    build = build or PriorCache()
    for job in jobs:
        yield from told(job, work(job, terms, build, runs.of(job, terms.retries)))


def told(job: Job, events: Generator[Event, None, Any]) -> Generator[BatchEvent, None, None]:
    """A job's events as those of the batch, the last of which is how it ended."""
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            yield Ended(job, end.value)
            return
        try:
            yield of_run(job, event)
        except GeneratorExit:
            events.close()
            raise


def side_by_side(
    jobs: Sequence[Job], terms: Terms, runs: RunsByConfig, workers: int
) -> Generator[BatchEvent, None, None]:
    """As many jobs at once as there are workers. Closed, every run that is under way keeps a checkpoint."""
    crew = _Crew(terms, runs, min(workers, len(jobs)))
    try:
        yield from crew.run(deque(jobs))
    finally:
        crew.end()


class _Crew:
    """The workers, and which job each has."""

    def __init__(self, terms: Terms, runs: RunsByConfig, size: int) -> None:
        self.terms, self.runs = terms, runs
        self._context = get_context("spawn")
        self._stop = self._context.Event()
        self._deaths: Counter[str] = Counter()
        self.workers = [_Worker(self._context, terms, self._stop, number) for number in range(size)]

    def run(self, waiting: deque[Job]) -> Iterator[BatchEvent]:
        while waiting or any(worker.job for worker in self.workers):
            for worker in self.workers:
                if worker.job is None and waiting:
                    job = waiting.popleft()
                    worker.take(job, self.runs.of(job, self.terms.retries))
            if not connection.wait([worker.pipe for worker in self.workers if worker.job], _TICK):
                yield Idle()
                continue
            for number, worker in enumerate(self.workers):
                yield from worker.news()
                if worker.dead:
                    self.workers[number] = _Worker(self._context, self.terms, self._stop, number)
                    if worker.job is not None:
                        yield self._after_death(worker.job, waiting)

    def _after_death(self, job: Job, waiting: deque[Job]) -> BatchEvent:
        self.runs.refresh()  # among them the run that the dead one worked on
        self._deaths[job.key] += 1
        if self._deaths[job.key] < MOST_DEATHS:
            waiting.appendleft(job)
            return Remark(job, "its process was killed; another goes on from the last checkpoint")
        why = f"{MOST_DEATHS} processes were killed over it; is there too little memory?"
        return Ended(job, lost(job, why))

    def end(self) -> None:
        """Have every worker keep a checkpoint and end; those that have not after a minute are killed."""
        self._stop.set()
        for worker in self.workers:
            worker.dismiss()
        until = time.monotonic() + 60.0
        try:
            for worker in self.workers:
                worker.process.join(max(0.0, until - time.monotonic()))
        finally:  # also where a second request to stop comes meanwhile
            for worker in self.workers:
                worker.process.kill()
                worker.process.join()
                worker.pipe.close()


class _Worker:
    def __init__(self, context: Any, terms: Terms, stop: Any, number: int) -> None:
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, terms, stop, number), daemon=True)
        self.process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        self.job: Job | None = None
        self.dead = False

    def take(self, job: Job, before: dict[int, str]) -> None:
        self.job = job
        try:
            self.pipe.send((job, before))
        except OSError:  # it has died; `news` will find out
            pass

    def news(self) -> Iterator[BatchEvent]:
        """What the worker has told since."""
        try:
            while not self.dead and self.pipe.poll():
                event = self.pipe.recv()
                if isinstance(event, Ended):
                    self.job = None
                yield event
        except (EOFError, OSError):
            self.dead = True

    def dismiss(self) -> None:
        try:
            self.pipe.send(None)
        except OSError:
            pass


# ---- in a worker ----


def _serve(pipe: Any, terms: Terms, stop: Any, number: int) -> None:
    """Work on jobs until there are none. What is told to whoever started the batch is for that process."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _take_device(number)
    build = PriorCache()
    while not stop.is_set():
        try:
            order = pipe.recv()
        except (EOFError, OSError):
            return
        if order is None:
            return
        job, before = order
        _tell(pipe, told(job, work(job, terms, build, before)), stop)


def _tell(pipe: Any, events: Generator[BatchEvent, None, None], stop: Any) -> None:
    told_at = 0.0
    try:
        for event in events:
            now = time.monotonic()
            if not isinstance(event, Idle) and (not isinstance(event, Stepped) or now - told_at > _SPACING):
                pipe.send(event)
                told_at = now
            if stop.is_set() and not isinstance(event, Ended):
                return
    except OSError:  # nobody is left to be told
        pass
    finally:
        events.close()  # keeps a checkpoint


def _end_with_parent() -> None:
    """Without the process that gives out jobs a worker would hold its run, which then nobody could go on
    with."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _take_device(number: int) -> None:
    """One GPU for each worker where there are several."""
    import torch

    count = torch.cuda.device_count()
    if count > 1 and "CUDA_VISIBLE_DEVICES" not in os.environ:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(number % count)
