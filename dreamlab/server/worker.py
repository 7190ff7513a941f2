"""A worker: a process that takes one job after another and works on its run.

    python -m dreamlab.server.worker outputs

It ends, and keeps a checkpoint of what it is at, when it gets SIGTERM or when its standard input is closed,
as it is when the process that started it is gone.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from dreamlab.core.errors import DreamlabError
from dreamlab.core.memory import out_of_memory, reason_of
from dreamlab.run.begin import new_run
from dreamlab.run.events import Event, Finished, Note, Phase, Step
from dreamlab.run.folders import runs_in
from dreamlab.run.migrate import migrated
from dreamlab.run.pipeline import generate
from dreamlab.run.prior_cache import PriorCache
from dreamlab.run.resolve import from_values
from dreamlab.run.run_dir import RunDir
from dreamlab.server.claims import Claims, LostError, working
from dreamlab.server.jobs import Job
from dreamlab.server.pace import Pace
from dreamlab.server.store import Store

log = logging.getLogger(__name__)
_IDLE_SECONDS = 0.3


class Worker:
    """Works on the jobs of a store, until it is to stop; keeps its prior from one to the next."""

    def __init__(self, claims: Claims, stop: threading.Event) -> None:
        self.claims, self.stop, self.priors = claims, stop, PriorCache(size=1)
        self.root = claims.store.root

    def work(self) -> None:
        while not self.stop.is_set():
            job = self.claims.claim()
            if job is None:
                self.stop.wait(_IDLE_SECONDS)
                continue
            self.work_on(job)

    def work_on(self, job: Job) -> None:
        """Bring a job that was claimed to its end, or as far as it goes until it is to stop."""
        try:
            if not self._driven(job):
                self.claims.put_back(job)  # which cancels it if that was why it stopped
        except LostError:
            log.warning("the job %s is another's now", job.id)
        except DreamlabError as error:
            self.claims.fail(job, str(error))
        except Exception as error:
            log.exception("the job %s failed", job.id)
            self.claims.fail(job, _told(error))

    def _driven(self, job: Job) -> bool:
        """Whether the run came to its end; if not, it was asked to stop."""
        run = self._run_of(job)
        self.claims.began(job, run.path.name)
        pace = Pace()
        try:
            with run.unless_stillborn():
                events = generate(run.config(), run, build=self.priors)
                try:
                    for event in events:
                        if self._show(job, event, pace) or self.stop.is_set():
                            return isinstance(event, Finished)
                finally:
                    events.close()  # keeps a checkpoint if an optimisation was under way
        finally:
            if not run.path.exists():
                self.claims.began(job, None)
        return True

    def _run_of(self, job: Job) -> RunDir:
        """The job's folder: the one that it has, or that a worker made before it died, or a new one."""
        if job.run is not None and (self.root / job.run / "config.yaml").is_file():
            return RunDir(self.root / job.run)
        for path in reversed(runs_in(self.root)):
            run = RunDir(path)
            if (run.environment() or {}).get("job") == job.id:
                return run
        config = from_values(migrated(job.config))
        chosen = {"preset": job.preset, "job": job.id}
        return new_run(config, self.root, chosen=chosen, said=job.notes)

    def _show(self, job: Job, event: Event, pace: Pace) -> bool:
        """Tell the store; whether the job is to stop."""
        if isinstance(event, Phase):
            pace.begin()
            return self.claims.phase(job, event.name, event.detail, event.steps)
        if isinstance(event, Step):
            left = pace.step(event.done, event.total)
            if pace.due(event.done == event.total):
                return self.claims.step(job, event.done, event.total, left, event.event.metrics)
        elif isinstance(event, Note):
            self.claims.note(job, event.text)
        elif isinstance(event, Finished):
            files = {kind: path.name for kind, path in event.files.items()}
            self.claims.finish(job, files, event.seconds)
        return False


def _told(error: Exception) -> str:
    if out_of_memory(error):
        return f"there was not enough memory; {reason_of(error)}."
    return f"this is a bug in dreamlab: {type(error).__name__}: {reason_of(error)}"


def main(arguments: Sequence[str]) -> int:
    """Work on the jobs of a folder of runs until told to stop."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    (root,) = arguments
    stop = threading.Event()

    def stopped(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, stopped)
    threading.Thread(target=_watch, args=(stop,), daemon=True).start()
    with working(Store(Path(root))) as claims:
        Worker(claims, stop).work()
    return 0


def _watch(stop: threading.Event) -> None:
    """Wait for the end of whoever holds the other end of our standard input."""
    while os.read(0, 4096):  # not by sys.stdin, whose lock would be missed at exit
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
