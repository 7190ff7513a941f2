"""Events as they happen: one look at the store for all who listen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi.sse import ServerSentEvent

from dreamlab.server.jobs import OVER, JobEvent
from dreamlab.server.store import Store

_LOOK_SECONDS = 0.2


class Feed:
    """Wakes its listeners when anything was written to the store, by whatever process."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._changed = asyncio.Event()
        self._ended = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self.end()
            task.cancel()

    def end(self) -> None:
        """Let all who listen go."""
        self._ended = True
        self._changed.set()

    async def _look(self) -> None:
        seen = self.store.data_version()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = self.store.data_version()
            if now != seen:
                seen = now
                changed, self._changed = self._changed, asyncio.Event()
                changed.set()

    async def of_job(
        self, job: str, after: int, told: Callable[[JobEvent], str]
    ) -> AsyncIterator[ServerSentEvent]:
        """What happened to a job since event number `after`, and what will, until it is over."""
        async for event in self._events(after, job):
            yield _sent(event, told(event))

    async def of_all(self, after: int, facts: Callable[[str], str | None]) -> AsyncIterator[ServerSentEvent]:
        """Every change of a job's state since event number `after`, with the job's facts as JSON."""
        async for event in self._events(after, None):
            told = await asyncio.to_thread(facts, event.job)
            if told is not None:
                yield _sent(event, told)

    async def _events(self, after: int, job: str | None) -> AsyncIterator[JobEvent]:
        while not self._ended:
            changed = self._changed  # before the look: what comes in between wakes us again
            events = await asyncio.to_thread(self.store.events, after, job)
            for event in events:
                after = event.number
                yield event
            if events:
                continue
            if job is not None and await asyncio.to_thread(self._is_over, job):
                return
            await changed.wait()

    def _is_over(self, job: str) -> bool:
        found = self.store.job(job)
        return found is None or found.state in OVER


def _sent(event: JobEvent, data: str) -> ServerSentEvent:
    return ServerSentEvent(event=event.name, id=str(event.number), raw_data=data)
