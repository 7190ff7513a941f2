"""Tools over MCP, asked through the package's own client in memory."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
import pytest
from known import red_ball_prior

mcp = pytest.importorskip("mcp", reason="the tools are there where the extra `mcp` is installed")

from dreamlab.priors.embedded.prior import EmbeddedPriorConfig  # noqa: E402
from dreamlab.run.pipeline import generate  # noqa: E402
from dreamlab.run.run_dir import RunDir  # noqa: E402
from dreamlab.server.claims import working  # noqa: E402
from dreamlab.server.limits import Limits  # noqa: E402
from dreamlab.server.store import Store  # noqa: E402
from dreamlab.server.tools import create_tools  # noqa: E402
from dreamlab.server.worker import Worker  # noqa: E402
from tests.cli.shelf import config_of, make_run  # noqa: E402
from tests.server.desk import settings  # noqa: E402
from tests.test_pictures_run import ball_picture  # noqa: E402


@asynccontextmanager
async def tools(root: Path, pictures: Path | None = None, **changes: Any) -> AsyncIterator[Any]:
    async with mcp.Client(create_tools(settings(root, **changes), pictures)) as client:
        yield client


def asked(root: Path, work: Callable[[Any], Coroutine[Any, Any, Any]], **changes: Any) -> Any:
    """What `work` makes of a client."""

    async def main() -> Any:
        async with tools(root, **changes) as client:
            return await work(client)

    return anyio.run(main)


def call(root: Path, name: str, arguments: dict[str, Any] | None = None, **changes: Any) -> Any:
    """The result of one tool, as plain values."""

    async def work(client: Any) -> Any:
        return await client.call_tool(name, arguments or {})

    result = asked(root, work, **changes)
    assert not result.is_error, result.content
    found = result.structured_content
    return found["result"] if found is not None and set(found) == {"result"} else found


def refused(root: Path, name: str, arguments: dict[str, Any], **changes: Any) -> str:
    async def work(client: Any) -> Any:
        return await client.call_tool(name, arguments)

    result = asked(root, work, **changes)
    assert result.is_error
    return result.content[0].text


@pytest.fixture
def worked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose jobs are worked off in this process meanwhile."""
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    return tmp_path


@asynccontextmanager
async def worker(root: Path) -> AsyncIterator[None]:
    stop = threading.Event()

    def work() -> None:
        with working(Store(root)) as claims:
            Worker(claims, stop).work()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        await anyio.to_thread.run_sync(thread.join)


def test_the_tools_say_what_they_take(tmp_path: Path) -> None:
    async def work(client: Any) -> Any:
        return (await client.list_tools()).tools

    found = {tool.name: tool for tool in asked(tmp_path, work)}
    assert set(found) == {"make", "job", "cancel", "list_runs", "describe", "render", "export"}
    assert all(tool.description for tool in found.values())
    make = found["make"].input_schema
    assert "required" not in make and "context" not in make["properties"]
    assert "glb" in json.dumps(make["properties"]["formats"])


def test_make_waits_and_tells_its_progress(worked: Path) -> None:
    heard: list[tuple[float, float | None]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        heard.append((done, total))

    async def work(client: Any) -> Any:
        async with worker(worked):
            return await client.call_tool("make", {"prompt": "a red ball"}, progress_callback=progress)

    result = asked(worked, work)
    job = result.structured_content
    assert job["state"] == "done" and Path(job["files"]["glb"]).is_file()
    assert heard[0][0] == 0 and heard[-1] == (12, 12)


def test_make_returns_a_job_that_is_asked_for_and_cancelled(tmp_path: Path) -> None:
    job = call(tmp_path, "make", {"prompt": "a red ball", "wait": False, "seed": 7})
    assert (job["state"], job["seed"], job["files"]) == ("queued", 7, {})
    assert call(tmp_path, "job", {"job_id": job["id"]}) == job
    assert call(tmp_path, "cancel", {"job_id": job["id"]})["state"] == "cancelled"
    assert call(tmp_path, "job", {"job_id": job["id"], "wait": True})["state"] == "cancelled"
    assert "there is no job" in refused(tmp_path, "job", {"job_id": "nobody"})


def test_pictures_are_sent_in_base64_or_named_in_the_folder_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "toys").mkdir()
    file = ball_picture(tmp_path / "toys" / "ball.png")
    root, toys = tmp_path / "runs", tmp_path / "toys"
    data = base64.b64encode(file.read_bytes()).decode()
    for image in ({"data": data, "azimuth": 30}, {"file": "ball.png", "azimuth": 30}):
        asked = {"prompt": "a red ball", "images": [image], "wait": False}
        job = Store(root).job(call(root, "make", asked, pictures=toys)["id"])
        assert job is not None and job.config["images"][0]["azimuth"] == 30
        assert job.images[0]["picture"] == sha256(file.read_bytes()).hexdigest()[:32]


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ({"data": "no base64!"}, "no base64"),
        ({"data": "AAAA"}, "cannot be read"),
        ({}, "either data or file"),
        ({"data": "AAAA", "file": "ball.png"}, "either data or file"),
        ({"file": "/etc/passwd"}, "there is no picture"),
        ({"file": "../ball.png"}, "there is no picture"),
        ({"file": "link.png"}, "there is no picture"),
        ({"file": "large.png"}, "too many bytes"),
        ({"data": "A" * 2000}, "too many bytes"),
        ({"path": "/etc/passwd"}, "path"),
    ],
)
def test_a_picture_that_cannot_be_used_is_told_and_no_path_is_taken(
    tmp_path: Path, image: dict[str, Any], told: str
) -> None:
    (tmp_path / "toys").mkdir()
    ball_picture(tmp_path / "ball.png")
    (tmp_path / "toys" / "link.png").symlink_to(tmp_path / "ball.png")
    (tmp_path / "toys" / "large.png").write_bytes(bytes(1500))
    asked, limits = {"prompt": "a ball", "images": [image]}, Limits(picture=1400)
    assert told in refused(tmp_path / "runs", "make", asked, pictures=tmp_path / "toys", limits=limits)
    if "file" in image and "data" not in image:
        assert "no folder of pictures" in refused(tmp_path / "runs", "make", asked, limits=limits)


def test_who_no_longer_waits_cancels(tmp_path: Path) -> None:
    async def work(client: Any) -> None:
        with anyio.move_on_after(0.5):
            await client.call_tool("make", {"prompt": "a red ball"})
        with anyio.fail_after(20):
            while Store(tmp_path).counts()["cancelled"] != 1:
                await anyio.sleep(0.05)

    asked(tmp_path, work)


def test_what_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    assert "stepz" in refused(tmp_path, "make", {"prompt": "a ball", "settings": {"stages.shape.stepz": 1}})
    assert "the prompt is empty" in refused(tmp_path, "make", {"prompt": " "})
    assert "not for requests" in refused(
        tmp_path, "make", {"prompt": "a", "settings": {"prior.weights": "/x"}}
    )
    assert "seed cannot be used" in refused(tmp_path, "make", {"prompt": "a", "seed": -1})
    full = Limits(waiting=1)
    call(tmp_path, "make", {"prompt": "a red ball", "wait": False}, limits=full)
    assert "the queue is full" in refused(tmp_path, "make", {"prompt": "a red ball"}, limits=full)


def test_runs_are_listed_newest_first_and_found_by_words(tmp_path: Path) -> None:
    make_run(tmp_path, "a red mushroom")
    make_run(tmp_path, "a blue car", steps=7, finished=False)
    (make_run(tmp_path, "a damaged one") / "config.yaml").write_text("[")
    rows = call(tmp_path, "list_runs")
    assert [row["run"] for row in rows] == ["0002-a-blue-car", "0001-a-red-mushroom"]
    assert (rows[0]["state"], rows[0]["step"], rows[1]["faces"]) == ("stopped", 7, 300)
    assert [row["run"] for row in call(tmp_path, "list_runs", {"words": "mushroom done"})] == [
        "0001-a-red-mushroom"
    ]
    assert len(call(tmp_path, "list_runs", {"last": 1})) == 1
    assert "last" in refused(tmp_path, "list_runs", {"last": 10**6})


def test_a_run_is_described_with_its_files_and_measures(tmp_path: Path) -> None:
    make_run(tmp_path, "a red mushroom")
    facts = call(tmp_path, "describe", {"run": "latest"})
    assert facts["prompt"] == "a red mushroom" and facts["measures"]["silhouette_iou"] == 0.97
    assert "mesh.glb" in facts["files"] and "environment.json" not in facts["files"]


@pytest.mark.parametrize(
    "name", ["..", "../elsewhere/0001-a-red-ball", "/etc", ".trash", "", "0002-link", "9"]
)
def test_names_lead_to_no_run_of_another_folder(tmp_path: Path, name: str) -> None:
    root = tmp_path / "runs"
    make_run(root)
    other = make_run(tmp_path / "elsewhere")
    (root / "0002-link").symlink_to(other)
    for tool in ("describe", "render"):
        assert "there is no run" in refused(root, tool, {"run": name})
    assert "there is no run" in refused(root, "describe", {"run": str(other)})


def test_a_run_is_rendered_and_exported(worked: Path) -> None:
    run = RunDir.create(worked, config_of("a red ball"), {})
    list(generate(run.config(), run, prior=red_ball_prior()))

    async def work(client: Any) -> Any:
        picture = await client.call_tool("render", {"run": "1", "size": 64})
        same = await client.call_tool("export", {"run": "1", "format": "glb"})
        fewer = await client.call_tool("export", {"run": "1", "format": "stl", "faces": 100, "size": "3cm"})
        return picture, same, fewer

    picture, same, fewer = asked(worked, work)
    assert picture.content[0].type == "image" and picture.content[0].mime_type == "image/png"
    assert same.structured_content["result"] == [str(run.path / "mesh.glb")]
    (path,) = fewer.structured_content["result"]
    assert path == str(run.path / "mesh-100-3cm.stl") and Path(path).stat().st_size > 84
    assert "cannot be" in refused(worked, "export", {"run": "1", "format": "stl", "size": "../x"})
    assert "format" in refused(worked, "export", {"run": "1", "format": "exe"})


def test_an_unfinished_run_has_no_picture(tmp_path: Path) -> None:
    make_run(tmp_path, finished=False)
    assert "has no mesh.glb" in refused(tmp_path, "render", {"run": "1"})
