"""Tools for programs that speak MCP: make, look at and cancel jobs; list, describe, render and export runs.

What they are given is never a path: runs are named by their folders in the one folder of all runs, pictures
by their names in the one folder of pictures, if there is any.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from dreamlab import __version__
from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.pictures.read import data_of
from dreamlab.run import folders
from dreamlab.run.folders import age, is_plain, runs_in
from dreamlab.run.glance import glance
from dreamlab.run.presets import did_you_mean
from dreamlab.server import views
from dreamlab.server.api import ServerSettings
from dreamlab.server.jobs import OVER, Job, State
from dreamlab.server.pictures import Pictures
from dreamlab.server.requests import JobRequest, orders_of
from dreamlab.server.store import Store
from dreamlab.server.workers import Workers
from dreamlab.stages.export import MeshFormat

_LOOK_SECONDS = 0.3
_ABOUT = """Makes textured 3D meshes from short prompts by score distillation, on this machine. The embedded
prior knows some 200 nouns of everyday things, toys, animals and vehicles, in colours and materials: "a red
mushroom", "a wooden chair". A mesh takes one to a few minutes; `make` with wait=false returns at once, and
`job` tells how far it is."""


class JobState(BaseModel):
    """A job as it stands. `files` are paths on this machine, by kind."""

    id: str
    prompt: str
    preset: str
    seed: int
    state: State
    phase: str | None
    step: int
    steps: int
    seconds_left: float | None
    error: str | None
    run: str | None
    files: dict[str, str]
    notes: list[str]


class ToolImage(BaseModel):
    """A picture of what is made: `data` or `file`; and where its camera stood, in degrees."""

    model_config = ConfigDict(extra="forbid")

    data: str | None = Field(default=None, description="the file, in base64")
    file: str | None = Field(default=None, description="a name in the folder of pictures, no path")
    azimuth: float | None = Field(
        default=None, ge=-360, le=360, description="0 the front, 90 the side on +X; null: guessed"
    )
    elevation: float | None = Field(default=None, ge=-90, le=90)


class RunFacts(BaseModel):
    """A run, how far it came, and its files by name; `measures` of the mesh where it is finished."""

    run: str
    prompt: str
    preset: str | None
    state: str
    step: int | None
    steps: int
    seconds: float | None
    faces: int | None
    why: str | None = Field(description="what it failed of")
    files: list[str]
    measures: dict[str, JsonValue] = {}


Run = Annotated[str, Field(description="a run's folder name or number, or latest")]


class Desk:
    """The queue of a folder and this process's workers, which start when they are first needed.

    folder: of the pictures that may be named.
    """

    def __init__(self, settings: ServerSettings, folder: Path | None) -> None:
        self.settings, self.store, self.folder = settings, Store(settings.root), folder
        self.pictures = Pictures(self.store, settings.limits)
        self.workers = Workers(self.store, settings.workers, settings.command)
        self._begun = False

    def submit(self, asked: dict[str, Any], images: Sequence[ToolImage]) -> Job:
        """Queue one job, and see to it that somebody works."""
        with told():
            asked = asked | {"images": [self._sent(image) for image in images]}
            request = JobRequest.model_validate(asked)
            orders = orders_of(request, self.store.root, self.settings.offer, self.settings.limits)
            (job,) = self.store.submit(orders, most=self.settings.limits.waiting)
        if not self._begun:
            self._begun = True
            self.workers.start()
        return job

    def _sent(self, image: ToolImage) -> dict[str, Any]:
        camera = image.model_dump(include={"azimuth", "elevation"})
        return {"picture": self.pictures.take(self._data(image)).picture, **camera}

    def _data(self, image: ToolImage) -> bytes:
        most = self.settings.limits.picture
        if (image.data is None) == (image.file is None):
            raise InputError("a picture is either data or file")
        if image.file is not None:
            file = self._named(image.file)
            size, data = file.stat().st_size, b""
            data = data_of(file) if size <= most else b""
        else:
            try:
                data = b64decode(image.data or "", validate=True)
            except binascii.Error as error:
                raise InputError("the data of a picture is no base64", got=str(error)) from error
            size = len(data)
        if size > most:
            raise InputError("the picture has too many bytes", expected=f"at most {most}", got=str(size))
        return data

    def _named(self, name: str) -> Path:
        """A file of the folder of pictures; what lies elsewhere, a link to it too, is none."""
        if self.folder is None:
            raise InputError("no folder of pictures was opened", mend="Start `dreamlab mcp --pictures DIR`")
        file = self.folder / name
        if not is_plain(name) or file.is_symlink() or not file.is_file():
            raise InputError(f"there is no picture {name!r}", expected="a name in the folder of pictures")
        return file

    def job(self, job_id: str) -> Job:
        found = self.store.job(job_id)
        if found is None:
            raise ToolError(f"there is no job {job_id!r}")
        return found

    def state(self, job: Job) -> JobState:
        folder = self.store.root.resolve() / (job.run or "")
        facts = {name: getattr(job, name) for name in JobState.model_fields if name != "files"}
        return JobState(**facts, files={kind: str(folder / name) for kind, name in job.files.items()})

    async def followed(self, job_id: str, context: Context[Any, Any]) -> Job:
        """The job when it is over; its steps are told on the way."""
        seen: tuple[str | None, int] | None = None
        while True:
            job = self.job(job_id)
            if (now := (job.phase, job.step)) != seen:
                seen = now
                await context.report_progress(job.step, job.steps, job.phase or job.state)
            if job.state in OVER:
                return job
            await anyio.sleep(_LOOK_SECONDS)

    def end(self) -> None:
        if self._begun:
            self.workers.stop()


@contextmanager
def told() -> Iterator[None]:
    """What a user can mend is told in its one line."""
    try:
        yield
    except DreamlabError as error:
        raise ToolError(str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ToolError(f"{where} cannot be used: {first['msg']}") from error


def create_tools(settings: ServerSettings, pictures: Path | None = None) -> MCPServer:
    """The server of the tools, which `run("stdio")` starts. Of the settings count root, workers, command,
    limits and offer. pictures: a folder whose pictures may be named."""
    desk = Desk(settings, pictures)

    @asynccontextmanager
    async def lifespan(_: MCPServer) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(desk.end)

    server = MCPServer(
        "dreamlab", instructions=_ABOUT, version=__version__, lifespan=lifespan, log_level="WARNING"
    )
    _add_jobs(server, desk)
    _add_runs(server, settings.root)
    return server


def _add_jobs(server: MCPServer, desk: Desk) -> None:
    presets = ", ".join(desk.settings.offer.presets)

    @server.tool(
        description="Make a mesh from a prompt, from pictures, or from both. "
        f"Presets: {presets} (fast is the soonest look)."
    )
    async def make(
        context: Context,
        prompt: Annotated[
            str | None, Field(description="such as 'a red mushroom'; null: what the first picture shows")
        ] = None,
        images: Annotated[list[ToolImage], Field(max_length=8, description="pictures of it")] = [],  # noqa: B006
        preset: str | None = None,
        seed: Annotated[int, Field(description="same seed, same bytes")] = 0,
        negative: Annotated[str, Field(description="what to keep away from")] = "",
        formats: list[MeshFormat] | None = None,
        settings: Annotated[
            dict[str, Any], Field(description="by dotted names, such as {'stages.simplify.faces': 1000}")
        ] = {},  # noqa: B006 (it is the schema's default)
        wait: Annotated[bool, Field(description="until it is done; false: see `job`")] = True,
    ) -> JobState:
        asked = {"prompt": prompt, "preset": preset, "seed": seed, "negative": negative}
        job = desk.submit(asked | {"formats": formats, "settings": settings}, images)
        if not wait:
            return desk.state(job)
        try:
            return desk.state(await desk.followed(job.id, context))
        except anyio.get_cancelled_exc_class():
            desk.store.cancel(job.id)  # who asked for it wants it no more
            raise

    @server.tool(description="How far a job is; wait=true: when it is over.")
    async def job(context: Context, job_id: str, wait: bool = False) -> JobState:
        return desk.state(await desk.followed(job_id, context) if wait else desk.job(job_id))

    @server.tool(description="Stop a job; its run keeps a checkpoint.")
    def cancel(job_id: str) -> JobState:
        desk.job(job_id)
        return desk.state(desk.store.cancel(job_id) or desk.job(job_id))


def _add_runs(server: MCPServer, root: Path) -> None:
    @server.tool(description="Runs, the newest first; `words`: only those with all of them.")
    def list_runs(words: str = "", last: Annotated[int, Field(ge=1, le=200)] = 20) -> list[RunFacts]:
        found = []
        for path in sorted(runs_in(root, links=False), key=age, reverse=True):
            facts = _facts(path)
            if facts is not None and _has(facts, words):
                found.append(facts)
            if len(found) == last:
                break
        return found

    @server.tool(description="What a run is: prompt, state, files, measures of the mesh.")
    def describe(run: Run) -> RunFacts:
        with told():
            path = run_called(root, run)
            found = _facts(path)
            if found is None:
                raise ToolError(f"the settings of {path.name} cannot be read")
            return found.model_copy(update={"measures": views.measures(path)})

    @server.tool(description="A picture of a finished run's mesh, from any side.", structured_output=False)
    def render(
        run: Run,
        azimuth: Annotated[float, Field(ge=-360, le=360, description="degrees; 0 is the front")] = 30.0,
        elevation: Annotated[float, Field(ge=-90, le=90)] = 17.0,
        size: Annotated[int, Field(ge=64, le=1024, description="pixels of a side")] = 384,
        style: Literal["lit", "albedo", "normal", "clay", "wireframe"] = "lit",
    ) -> Image:
        with told():
            buffer = BytesIO()
            views.picture(run_called(root, run), azimuth, elevation, size, style).save(buffer, "png")
        return Image(data=buffer.getvalue(), format="png")

    @server.tool(
        description="Write a run's mesh in a format, with fewer faces or a real size such as 30cm; the paths "
        "of the files. It is made anew from the run's checkpoint, which takes a while."
    )
    def export(
        run: Run,
        format: MeshFormat,
        faces: Annotated[int | None, Field(ge=20, le=200_000)] = None,
        size: Annotated[str | None, Field(max_length=20)] = None,
    ) -> list[str]:
        with told():
            return [str(path) for path in views.exported(run_called(root, run), format, faces, size)]


def run_called(root: Path, name: str) -> Path:
    """The run of that folder name or number, or the latest.

    Raises InputError where there is none; what lies elsewhere, a link to it too, is none.
    """
    found = folders.run_called(root, name, links=False)
    if found is not None:
        return found
    raise InputError(
        f"there is no run {name!r}",
        expected="a run's name or number, or latest",
        mend=did_you_mean(name, [run.name for run in runs_in(root, links=False)]) or "See which there are",
    )


def _facts(path: Path) -> RunFacts | None:
    """None for a run whose settings cannot be read."""
    try:
        found = glance(path)
    except DreamlabError:
        return None
    facts = {name: getattr(found, name) for name in RunFacts.model_fields.keys() & vars(found).keys()}
    return RunFacts(run=path.name, files=views.result_files(path), **facts)


def _has(facts: RunFacts, words: str) -> bool:
    text = f"{facts.run} {facts.prompt} {facts.preset} {facts.state}".casefold()
    return all(word in text for word in words.casefold().split())
