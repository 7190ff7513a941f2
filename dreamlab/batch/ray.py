"""Jobs on a Ray cluster that is there already: actors hold priors, and their machines may vanish."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from importlib import import_module  # so that types are checked the same with and without it
from typing import Any

from dreamlab.batch.batch import Crew
from dreamlab.batch.events import BatchEvent, Ended, Idle, Remark
from dreamlab.batch.jobs import Job
from dreamlab.batch.remote import fetch, work_remotely
from dreamlab.batch.storage import Storage
from dreamlab.batch.work import RunsByConfig, Terms, lost
from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.run.prior_cache import Build, PriorCache

MOST_DEATHS = 20  # of actors over one job, after which it has failed; machines that are lent vanish often
_STOPPING = 60.0  # seconds for actors to keep a checkpoint


def on_ray(
    address: str, url: str, actors: int | None = None, make_build: Callable[[], Build] = PriorCache
) -> Crew:
    """Whoever works on a batch's jobs as actors of a cluster.

    address: "auto" or as ray.init takes it; a program that has called it already has chosen. url: of storage
    that every machine reaches. actors: how many at once; None: as many as there is room for now.
    make_build: called in each actor.

    Raises UnavailableError without ray, InputError where no cluster answers or the storage cannot be used.
    """
    ray = _connected(address)
    storage = Storage(url)
    storage.check()

    def crew(jobs: Sequence[Job], terms: Terms, runs: RunsByConfig) -> Generator[BatchEvent, None, None]:
        fleet = _Fleet(ray, jobs, terms, storage, actors, make_build)
        try:
            yield from fleet.run()
        finally:
            fleet.end()

    return crew


def _connected(address: str) -> Any:
    try:
        ray = import_module("ray")
    except ImportError as error:
        raise UnavailableError("ray is not installed", mend='pip install "dreamlab[ray]"') from error
    if not ray.is_initialized():
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = (str(error).splitlines() or [""])[0]
            mend = "Start one with `ray start --head`, or name its address"
            raise InputError(f"no Ray cluster answers at {address!r}", got=reason, mend=mend) from error
    return ray


class Actor:
    """One worker of the cluster: works on a job at a time, and keeps its priors from one to the next."""

    def __init__(self, terms: Terms, url: str, make_build: Callable[[], Build]) -> None:
        self.terms, self.storage, self.build = terms, Storage(url), make_build()
        self._stop = threading.Event()

    def work(self, job: Job) -> Generator[BatchEvent, None, None]:
        events = work_remotely(job, self.terms, self.storage, self.build)
        try:
            for event in events:
                yield event
                if self._stop.is_set():
                    return
        finally:
            events.close()  # keeps a checkpoint, on the storage

    def stop(self) -> None:
        """Have `work` end after its next event."""
        self._stop.set()


class _Fleet:
    """The actors, and the streams of events of those that are at work."""

    def __init__(
        self,
        ray: Any,
        jobs: Sequence[Job],
        terms: Terms,
        storage: Storage,
        actors: int | None,
        make_build: Callable[[], Build],
    ) -> None:
        self.ray, self.terms, self.storage = ray, terms, storage
        config = jobs[0].config()
        cpus, resources = config.threads or terms.threads or 1, ray.cluster_resources()
        gpus = 1 if resources.get("GPU") and config.device != "cpu" else 0
        room = resources["GPU"] if gpus else resources.get("CPU", 1) // cpus
        self.size = actors or max(1, int(room))
        self.waiting = deque(jobs)
        # A second call reaches an actor while it is at work: the one that stops it.
        options = {"num_cpus": cpus, "num_gpus": gpus, "max_concurrency": 2}
        self._make = lambda: ray.remote(**options)(Actor).remote(terms, storage.url, make_build)
        self._idle: list[Any] = []
        self._streams: dict[Any, tuple[Any, Job]] = {}
        self._deaths: Counter[str] = Counter()

    def run(self) -> Iterator[BatchEvent]:
        while self.waiting or self._streams:
            while self.waiting and len(self._streams) < self.size:
                job = self.waiting.popleft()
                try:
                    packed = job.packed()
                except InputError as error:  # a picture that has changed or is gone
                    yield Ended(job, lost(job, str(error)))
                    continue
                actor = self._idle.pop() if self._idle else self._make()
                self._streams[actor.work.options(num_returns="streaming").remote(packed)] = actor, job
            if not self._streams:
                continue
            ready, _ = self.ray.wait(list(self._streams), timeout=0.5)
            if not ready:
                yield Idle()
            for stream in ready:
                yield from self._news(stream)

    def _news(self, stream: Any) -> Iterator[BatchEvent]:
        """One event of an actor, or what is to be done at its end."""
        errors = import_module("ray.exceptions")
        actor, job = self._streams[stream]
        try:
            event = self.ray.get(next(stream))
        except StopIteration:
            del self._streams[stream]
            self._idle.append(actor)
            return
        except errors.RayTaskError as error:
            del self._streams[stream]
            self._idle.append(actor)
            yield Ended(job, lost(job, str(error.cause)))
            return
        except errors.RayError:
            del self._streams[stream]
            yield self._after_death(actor, job)
            return
        if isinstance(event, Ended) and event.row.state == "done":
            fetch(event.row, self.storage, self.terms.folder)
        yield event

    def _after_death(self, actor: Any, job: Job) -> BatchEvent:
        self.ray.kill(actor)  # it may only be out of reach; two at one job would do the same
        self._deaths[job.key] += 1
        if self._deaths[job.key] < MOST_DEATHS:
            self.waiting.appendleft(job)
            return Remark(job, "its machine is gone; another goes on from the last checkpoint")
        return Ended(job, lost(job, f"{MOST_DEATHS} machines have gone while they worked on it"))

    def end(self) -> None:
        """Have the actors keep checkpoints, and let them go."""
        for actor, _ in self._streams.values():
            actor.stop.remote()
        until = time.monotonic() + _STOPPING
        while self._streams and time.monotonic() < until:
            ready, _ = self.ray.wait(list(self._streams), timeout=0.5)
            for stream in ready:
                for _ in self._news(stream):
                    pass
            if self.waiting:
                self.waiting.clear()
        for actor in (*self._idle, *(actor for actor, _ in self._streams.values())):
            self.ray.kill(actor)
