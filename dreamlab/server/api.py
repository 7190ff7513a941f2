"""The application: what it is asked over HTTP, and how the parts hang together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from dreamlab import __version__
from dreamlab.core.errors import DreamlabError
from dreamlab.server import about, metrics, pictures, routes
from dreamlab.server.feed import Feed
from dreamlab.server.limits import Limits
from dreamlab.server.metrics import Measured, Metrics
from dreamlab.server.requests import Offer
from dreamlab.server.security import Guard, Security, refusal
from dreamlab.server.store import QueueFullError, Store
from dreamlab.server.workers import COMMAND, Workers


class ServerSettings(BaseModel):
    """Everything that decides what a server does.

    root: the folder of all runs. workers: processes that work off the queue; 0: none of this server's.
    command: what a worker is. pages: a folder of static pages, shown at /.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path
    workers: int = 1
    command: tuple[str, ...] = COMMAND
    guard: Guard = Guard()
    limits: Limits = Limits()
    offer: Offer = Offer()
    pages: Path | None = None


def create_app(settings: ServerSettings, extra_routers: Iterable[APIRouter] = ()) -> FastAPI:
    """The application, which any ASGI server runs. Its workers live from the start to the shutdown of it.

    extra_routers: more to ask for, behind the same security; they find `Store`, `Feed`, `Workers` and
    `ServerSettings` in `request.app.state.store`, `.feed`, `.workers` and `.settings`.

    Raises InputError, DamagedError for a folder or store that cannot be used.
    """
    app = FastAPI(
        title="dreamlab",
        version=__version__,
        description="Text and pictures to 3D: submit jobs, follow them, fetch files.",
        openapi_url="/v1/openapi.json",
        docs_url=None,  # that page would load its scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    state = app.state
    state.settings, state.store = settings, Store(settings.root)
    state.pictures = pictures.Pictures(state.store, settings.limits)
    state.feed = Feed(state.store)
    state.workers = Workers(state.store, settings.workers, settings.command)
    state.metrics = Metrics(state.store, state.workers)
    for router in (routes.router, about.router, metrics.router, *extra_routers):
        app.include_router(router)
    if settings.pages is not None:
        app.mount("/", StaticFiles(directory=settings.pages, html=True), "pages")
    for kind, answer in _ANSWERS.items():
        app.add_exception_handler(kind, answer)
    uploads = {pictures.PATH: settings.limits.picture} | settings.guard.uploads
    app.add_middleware(Security, guard=settings.guard.model_copy(update={"uploads": uploads}))
    app.add_middleware(Measured, metrics=state.metrics)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    state.workers.start()
    async with state.feed.running():
        yield
    state.workers.stop()


# ---- answers that are no success, all in one form ----


def _mendable(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DreamlabError)
    if isinstance(error, QueueFullError):
        return refusal(429, str(error), error.mend, {"retry-after": "10"})
    return refusal(422, str(error), error.mend)


def _no_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return refusal(422, f"{where or 'the request'}: {first['msg']}", "See /v1/openapi.json")


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, str(error.detail), "", error.headers)


_ANSWERS = {
    DreamlabError: _mendable,
    RequestValidationError: _no_request,
    HTTPException: _http,
}
