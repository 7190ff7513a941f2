"""Jobs: submit, list, follow, fetch, cancel, and try again; and the pictures that are sent for them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from dreamlab.server.files import servable
from dreamlab.server.jobs import OVER, Job, JobEvent, State
from dreamlab.server.pictures import PictureFacts, PictureId, Pictures, sent_picture
from dreamlab.server.requests import (
    JobFacts,
    JobList,
    JobRequest,
    Problem,
    addresses,
    facts_of,
    orders_of,
)  # fmt: skip
from dreamlab.server.store import Store

router = APIRouter(prefix="/v1", tags=["jobs"])
_NO_JOB: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "there is no such job"}}
_REFUSED: dict[int | str, dict[str, Any]] = {
    422: {"model": Problem, "description": "it cannot be made; the line says why, and what to do"},
    429: {"model": Problem, "description": "the queue is full"},
}


def store_of(request: Request) -> Store:
    return request.app.state.store


def job_of(request: Request, job_id: str) -> Job:
    """The job that an address names."""
    job = store_of(request).job(job_id)
    if job is None:
        raise HTTPException(404, "there is no such job")
    return job


def pictures_of(request: Request) -> Pictures:
    return request.app.state.pictures


async def body_of(request: Request) -> bytes:
    return await request.body()


AnyStore = Annotated[Store, Depends(store_of)]
AnyPictures = Annotated[Pictures, Depends(pictures_of)]
OneJob = Annotated[Job, Depends(job_of)]
Since = Annotated[int | None, Header(alias="last-event-id", ge=0)]


_ANY_PICTURE = {
    "requestBody": {
        "required": True,
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_NOT_TAKEN: dict[int | str, dict[str, Any]] = {
    413: {"model": Problem, "description": "it has too many bytes"},
    422: {"model": Problem, "description": "a run could not use it; the line says why, and what to do"},
    429: {"model": Problem, "description": "too many come at once"},
}


@router.post(
    "/pictures",
    status_code=201,
    response_model=PictureFacts,
    responses=_NOT_TAKEN,
    openapi_extra=_ANY_PICTURE,
    tags=["pictures"],
)
def send_picture(data: Annotated[bytes, Depends(body_of)], pictures: AnyPictures) -> PictureFacts:
    """Keep a picture for jobs that name it in `images`. The body is the file itself: PNG, JPEG, WebP, ... One
    that was sent before is the same picture, with the same id."""
    return pictures.take(data)


@router.get(
    "/pictures/{picture}",
    response_class=FileResponse,
    responses={
        200: {"content": {"image/png": {}}},
        404: {"model": Problem, "description": "there is no such picture"},
    },
    tags=["pictures"],
)
def shown_picture(picture: PictureId, pictures: AnyPictures) -> FileResponse:
    """The object as a run is shown it: cut out, in a square, as PNG."""
    path = pictures.shown(picture)
    if path is None:
        raise HTTPException(404, "there is no such picture")
    return FileResponse(path, media_type="image/png", headers={"cache-control": "private, max-age=3600"})


@router.post("/jobs", status_code=201, response_model=JobFacts | JobList, responses=_REFUSED)
def submit(
    asked: JobRequest,
    request: Request,
    store: AnyStore,
    idempotency_key: Annotated[str | None, Header(min_length=8, max_length=100)] = None,
) -> JobFacts | JobList:
    """Queue a job; with `variations` above 1, a list of jobs. A request with an `Idempotency-Key` that was
    taken before gets the jobs of that time."""
    settings = request.app.state.settings
    orders = orders_of(asked, store.root, settings.offer, settings.limits)
    jobs = [
        facts_of(job, store.root) for job in store.submit(orders, idempotency_key, settings.limits.waiting)
    ]
    return jobs[0] if asked.variations == 1 else JobList(jobs=jobs)


@router.get("/jobs", response_model=JobList)
def jobs(
    store: AnyStore,
    state: State | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: str | None = None,
) -> JobList:
    """The newest first; `after`: those older than the job of that id."""
    return JobList(jobs=[facts_of(job, store.root) for job in store.jobs(state, limit, after)])


@router.get("/jobs/{job_id}", response_model=JobFacts, responses=_NO_JOB)
def one(job: OneJob, store: AnyStore) -> JobFacts:
    return facts_of(job, store.root)


@router.delete("/jobs/{job_id}", response_model=JobFacts, responses=_NO_JOB)
def cancel(job: OneJob, store: AnyStore) -> JobFacts:
    """Take a job out of the queue, or stop it at its next step, where its run keeps a checkpoint. A job that
    is over stays as it is."""
    return facts_of(store.cancel(job.id) or job, store.root)


@router.post("/jobs/{job_id}/retry", response_model=JobFacts, responses=_NO_JOB | _REFUSED)
def retry(job: OneJob, request: Request, store: AnyStore) -> JobFacts:
    """Queue a failed or cancelled job once more; it goes on from its run's checkpoint."""
    most = request.app.state.settings.limits.waiting
    if job.run is None:  # a run has copies of its own
        for image in job.images:
            sent_picture(store.root, image["picture"])
    return facts_of(store.retry(job.id, most) or job, store.root)


def following(job: OneJob, store: AnyStore, since: Since = None) -> int:
    """After which event to go on. 204 tells a browser that there will be nothing more."""
    if since and job.state in OVER and not store.events(since, job.id, 1):
        raise HTTPException(204)
    return since or 0


def told(event: JobEvent) -> str:
    """What an event says, as JSON; files by their addresses."""
    facts = dict(event.facts)
    if "files" in facts:
        facts["files"] = addresses(event.job, facts["files"])
    return json.dumps(facts)


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse, responses=_NO_JOB)
async def events_of_job(
    job: OneJob, request: Request, after: Annotated[int, Depends(following)]
) -> AsyncIterator[ServerSentEvent]:
    """What happened to the job and what happens: queued, running, phase, step, note, finished, failed,
    cancelled. Ends when the job is over."""
    async for event in request.app.state.feed.of_job(job.id, after, told):
        yield event


@router.get("/events", response_class=EventSourceResponse)
async def events_of_all(
    request: Request, store: AnyStore, since: Since = None
) -> AsyncIterator[ServerSentEvent]:
    """Changes of state of all jobs from now on, or since `Last-Event-ID`: queued, running, finished, failed,
    cancelled, each with the job."""

    def facts(job_id: str) -> str | None:
        job = store.job(job_id)
        return job and facts_of(job, store.root).model_dump_json()

    after = store.newest_event() if since is None else since
    async for event in request.app.state.feed.of_all(after, facts):
        yield event


@router.get("/jobs/{job_id}/files/{name}", response_class=FileResponse, responses=_NO_JOB)
def file(job: OneJob, store: AnyStore, name: str) -> FileResponse:
    """A file of the job's run."""
    found = job.run and servable(store.root, job.run, name)
    if not found:
        raise HTTPException(404, "there is no such file")
    return found.response(Path(job.run or "").name)
