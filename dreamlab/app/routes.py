"""The library over HTTP: /v1/runs and what is done with one, as JSON and files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from dreamlab.app.exporting import BusyError, Exporter, ExportOptions
from dreamlab.app.library import Entry, Library, NotThereError
from dreamlab.app.pictures import thumbnail, turning
from dreamlab.app.repeating import recipe_of
from dreamlab.core.errors import DamagedError, DreamlabError
from dreamlab.run.compare import compare
from dreamlab.views.figures import figure

KINDS = {".webp": "image/webp", ".png": "image/png", ".mp4": "video/mp4", ".glb": "model/gltf-binary"}
_REPORT = (
    "sandbox allow-scripts; default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; frame-ancestors 'none'"
)
"""A report is a page of its own: it may run its script, and is a stranger to the app's pages and routes."""
_FRESH = {"Cache-Control": "no-cache"}  # asked for again, answered by 304 while it is the same


class Change(BaseModel):
    """What is said of a run; what is not given stays."""

    model_config = ConfigDict(extra="forbid")

    favourite: bool | None = None
    tags: list[Annotated[str, Field(max_length=200)]] | None = Field(None, max_length=100)


def library_router(library: Library, exporter: Exporter) -> APIRouter:
    """Routes over a library, for `dreamlab.server.api.create_app`."""
    router = APIRouter(prefix="/v1", tags=["runs"])

    @router.get("/runs")
    def runs(
        words: Annotated[str, Query(max_length=500)] = "",
        tag: str | None = None,
        favourite: bool = False,
        limit: Annotated[int, Query(ge=1, le=500)] = 60,
        after: str | None = None,
    ) -> dict[str, Any]:
        with told():
            shelf = library.search(words, tag=tag, favourite=favourite, limit=limit, after=after)
        return {
            "runs": [facts_of(entry) for entry in shelf.entries],
            "after": shelf.more,
            "total": shelf.total,
            "tags": shelf.tags,
            "damaged": shelf.damaged,
        }

    @router.get("/trash")
    def trash() -> dict[str, Any]:
        with told():
            return {"runs": [facts_of(entry) for entry in library.trashed()]}

    @router.get("/runs/{name}")
    def run(name: str) -> dict[str, Any]:
        with told():
            entry = library.entry(name)
            return facts_of(entry) | details_of(library, entry)

    @router.get("/runs/{name}/recipe")
    def recipe(name: str) -> dict[str, Any]:
        with told():
            found = asdict(recipe_of(library.folder(name)))
        found["images"] = [
            {"url": f"/v1/runs/{quote(name)}/files/{image.pop('file')}", **image} for image in found["images"]
        ]
        return plain(found)

    @router.patch("/runs/{name}")
    def change(name: str, said: Change) -> dict[str, Any]:
        with told():
            return facts_of(library.mark(name, said.favourite, said.tags))

    @router.delete("/runs/{name}")
    def discard(name: str) -> dict[str, Any]:
        with told():
            return {"trashed": library.discard(name)}

    @router.post("/runs/{name}/restore")
    def restore(name: str) -> dict[str, Any]:
        with told():
            return facts_of(library.bring_back(name))

    @router.get("/runs/{name}/thumbnail")
    def picture(name: str, turn: bool = False) -> Response:
        with told():
            folder = library.folder(name)
            film = turning(folder) if turn else None
            if film is not None:
                return FileResponse(film, media_type="image/webp", headers=_FRESH)
            return Response(thumbnail(folder), media_type="image/webp", headers=_FRESH)

    @router.get("/runs/{name}/files/{file:path}")
    def file(name: str, file: str) -> FileResponse:
        with told():
            path = library.file(name, file)
        if path.suffix == ".html":
            return FileResponse(path, media_type="text/html", headers={"Content-Security-Policy": _REPORT})
        kind = KINDS.get(path.suffix, "application/octet-stream")
        where = "inline" if kind.startswith(("image/", "video/")) else "attachment"
        saved = f"{name}{path.name.removeprefix('mesh')}" if path.name.startswith("mesh.") else path.name
        return FileResponse(
            path, media_type=kind, filename=saved, content_disposition_type=where, headers=_FRESH
        )

    @router.get("/runs/{a}/diff/{b}")
    def diff(a: str, b: str) -> dict[str, Any]:
        with told():
            found = compare([library.folder(a), library.folder(b)])
        rows = {"settings": found.settings, "environment": found.environment, "figures": found.figures}
        called = {key: figure(key).name for key in found.figures}
        return plain({"runs": [*found.runs], "unfinished": [*found.unfinished], "called": called, **rows})

    @router.post("/runs/{name}/export")
    async def export(name: str, options: ExportOptions) -> FileResponse:
        with told():
            folder = library.folder(name)
            made = await exporter.write(folder, options, stem=folder.name)
        return _Passing(made.file, filename=made.file.name, close=made.close)

    return router


class _Passing(FileResponse):
    """A file that goes once it was sent, or could not be."""

    def __init__(self, *args: Any, close: Callable[[], None], **kwargs: Any) -> None:
        super().__init__(*args, media_type="application/octet-stream", **kwargs)
        self.close = close

    async def __call__(self, *args: Any, **kwargs: Any) -> None:
        try:
            await super().__call__(*args, **kwargs)
        finally:
            self.close()


@contextmanager
def told() -> Iterator[None]:
    """What a person can mend becomes an answer with its one line."""
    try:
        yield
    except NotThereError as error:
        raise HTTPException(404, str(error)) from error
    except BusyError as error:
        raise HTTPException(429, str(error)) from error
    except DamagedError as error:
        raise HTTPException(409, str(error)) from error
    except DreamlabError as error:
        raise HTTPException(422, str(error)) from error


def facts_of(entry: Entry) -> dict[str, Any]:
    """A run in a list."""
    shown = {key: value for key, value in vars(entry.run).items() if key != "path"}
    place = f"/v1/runs/{quote(entry.name)}"
    return plain(
        {"name": entry.name, "number": entry.run.number, **shown}
        | {"favourite": entry.mark.favourite, "tags": list(entry.mark.tags), "url": place}
        | {"thumbnail": f"{place}/thumbnail", "turns": turning(entry.run.path) is not None}
    )


def details_of(library: Library, entry: Entry) -> dict[str, Any]:
    """What is shown of one run alone."""
    place = f"/v1/runs/{quote(entry.name)}/files"
    files = {
        kind: {name: f"{place}/{quote(name)}" for name in names}
        for kind, names in library.files(entry.name).items()
    }
    return plain({"files": files, "figures": figures_of(entry.run.path)})


def figures_of(run: Path) -> list[dict[str, Any]]:
    """Measures and seconds of a finished run, with the words that people know them by."""
    rows = compare([run]).figures
    return [
        figure(key)._asdict() | {"key": key, "value": value}
        for key, of_run in rows.items()
        for value in of_run.values()
    ]


def plain(value: Any) -> Any:
    """Values that JSON has; numbers that it has not, in words."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value
