"""What the server answers: jobs, events, files, and refusals in one form."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, Request
from fastapi.testclient import TestClient
from known import small_values

from dreamlab.priors.embedded.prior import SHIPPED
from dreamlab.run import expansion
from dreamlab.run.run_dir import RunDir
from dreamlab.server.api import create_app
from dreamlab.server.claims import working
from dreamlab.server.limits import Limits
from dreamlab.server.requests import Offer
from dreamlab.server.store import Store
from tests.cli.shelf import make_run, picture
from tests.server.desk import HERE, SMALL, client, settings, submitted


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[TestClient]:
    with client(tmp_path) as found:
        yield found


def post(desk: TestClient, **asked: Any) -> Any:
    return desk.post("/v1/jobs", json={"prompt": "a red ball", "preset": "fast"} | asked)


def store_of(desk: TestClient) -> Store:
    return desk.app.state.store  # type: ignore[attr-defined]


def told(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    """Events of a stream: id, name, facts."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append((int(lines["id"]), lines["event"], json.loads(lines["data"])))
    return found


def test_a_job_is_taken_shown_and_listed(desk: TestClient) -> None:
    answer = post(desk, seed=5, settings={"stages.shape.steps": 2})
    job = answer.json()
    assert answer.status_code == 201 and job["state"] == "queued" and job["steps"] == 6
    assert (job["prompt"], job["preset"], job["seed"]) == ("a red ball", "fast", 5)
    assert job["settings"] == {"stages.shape.steps": 2} and job["files"] == {} and job["run"] is None
    assert job["submitted"].endswith("Z") and job["started"] is None
    assert desk.get(f"/v1/jobs/{job['id']}").json() == job
    assert desk.get("/v1/jobs").json() == {"jobs": [job]}
    assert desk.get("/v1/jobs?state=done").json() == {"jobs": []}


def test_variations_are_a_list_of_jobs(desk: TestClient) -> None:
    answer = post(desk, seed=5, variations=3)
    assert answer.status_code == 201 and [job["seed"] for job in answer.json()["jobs"]] == [5, 6, 7]


def test_the_same_request_sent_twice_is_one_job(desk: TestClient) -> None:
    asked, key = {"prompt": "a red ball", "variations": 2}, {"Idempotency-Key": "abcdefgh"}
    first, again = (desk.post("/v1/jobs", json=asked, headers=key).json() for _ in range(2))
    assert first == again and len(desk.get("/v1/jobs").json()["jobs"]) == 2


def test_what_cannot_be_made_is_refused_in_one_line_with_a_mend(desk: TestClient) -> None:
    for asked, line, mend in (
        ({"settings": {"stages.shape.stepz": 3}}, "stepz", "The nearest is steps"),
        ({"preset": "dreamfusion"}, "not offered", ""),
        ({"prompt": ""}, "the prompt is empty", "Say in a few words"),
        ({"prompt": 5}, "prompt: Input should be", "openapi"),
        ({"surprise": 5}, "surprise: Extra inputs", "openapi"),
        ({"seed": -1}, "seed: Input should be", "openapi"),
        ({"settings": {"a=b": 1}}, "settings.a=b", "openapi"),
    ):
        answer = post(desk, **asked)
        body = answer.json()
        assert answer.status_code == 422 and set(body) == {"error", "mend"}, body
        assert line in body["error"] and mend in body["mend"] and "\n" not in body["error"]
    assert desk.get("/v1/jobs").json() == {"jobs": []}


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", '{"prompt": NaN}', '{"prompt": "\\ud800"}', "[" * 5000]
)
def test_no_body_makes_the_server_stumble(desk: TestClient, body: str) -> None:
    answer = desk.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422) and set(answer.json()) == {"error", "mend"}


def test_a_full_queue_says_so_and_takes_nothing(tmp_path: Path) -> None:
    with client(tmp_path, limits=Limits(waiting=2)) as desk:
        assert post(desk, variations=3).status_code == 429
        assert post(desk, variations=2).status_code == 201
        answer = post(desk)
        assert answer.status_code == 429 and "the queue is full" in answer.json()["error"]
        assert int(answer.headers["retry-after"]) > 0


def test_a_job_is_cancelled_and_tried_again(desk: TestClient) -> None:
    job = post(desk).json()["id"]
    assert desk.post(f"/v1/jobs/{job}/retry", json={}).status_code == 422
    assert desk.delete(f"/v1/jobs/{job}").json()["state"] == "cancelled"
    assert desk.delete(f"/v1/jobs/{job}").json()["state"] == "cancelled"
    assert desk.post(f"/v1/jobs/{job}/retry", json={}).json()["state"] == "queued"


def test_what_is_not_there_is_404(desk: TestClient) -> None:
    for method, path in (
        ("GET", "/v1/jobs/nobody"),
        ("DELETE", "/v1/jobs/nobody"),
        ("POST", "/v1/jobs/nobody/retry"),
        ("GET", "/v1/jobs/nobody/events"),
        ("GET", "/v1/jobs/nobody/files/mesh.glb"),
        ("GET", "/nowhere"),
        ("GET", "/docs"),
    ):
        answer = desk.request(method, path)
        assert answer.status_code == 404 and set(answer.json()) == {"error", "mend"}, path


def test_events_of_a_job_come_in_order_and_end_with_it(desk: TestClient) -> None:
    store = store_of(desk)
    (job,) = submitted(store)
    with working(store) as claims:
        claims.claim()
        claims.phase(job, "shape", "distil", 8)
        claims.note(job, "a note")
        claims.finish(job, {"glb": "mesh.glb"}, {"shape": 1.0})
    events = told(desk.get(f"/v1/jobs/{job.id}/events").text)
    assert [name for _, name, _ in events] == ["queued", "running", "phase", "note", "finished"]
    assert events[2][2] == {"phase": "shape", "detail": "distil", "steps": 8}
    assert events[-1][2]["files"] == {"glb": f"/v1/jobs/{job.id}/files/mesh.glb"}
    numbers = [number for number, _, _ in events]
    assert numbers == sorted(set(numbers))


def test_a_stream_goes_on_after_the_last_event_that_came(desk: TestClient) -> None:
    store = store_of(desk)
    (job,) = submitted(store)
    with working(store) as claims:
        claims.claim()
        claims.fail(job, "no luck.")
    path = f"/v1/jobs/{job.id}/events"
    events = told(desk.get(path).text)
    for k, (number, _, _) in enumerate(events[:-1]):
        rest = told(desk.get(path, headers={"Last-Event-ID": str(number)}).text)
        assert rest == events[k + 1 :]
    assert events[-1][1:] == ("failed", {"error": "no luck."})
    end = desk.get(path, headers={"Last-Event-ID": str(events[-1][0])})
    assert end.status_code == 204  # a browser does not ask again
    assert desk.get(path, headers={"Last-Event-ID": "x"}).status_code == 422


def test_a_stream_tells_what_other_processes_write(desk: TestClient) -> None:
    """The test's client gets a stream whole: what is written while it is open must be in it, and end it."""
    store = store_of(desk)
    (job,) = submitted(store)

    def work() -> None:
        with working(Store(store.root)) as claims:
            claims.claim()
            claims.finish(job, {}, {})

    late = threading.Timer(0.5, work)
    late.start()
    events = told(desk.get(f"/v1/jobs/{job.id}/events").text)
    late.join()
    assert [name for _, name, _ in events] == ["queued", "running", "finished"]


def test_changes_of_all_jobs_are_told_with_the_jobs(desk: TestClient) -> None:
    store, feed = store_of(desk), desk.app.state.feed  # type: ignore[attr-defined]
    first = store.newest_event()
    one, other = submitted(store, 2)
    store.cancel(other.id)
    threading.Timer(0.5, feed.end).start()
    events = told(desk.get("/v1/events", headers={"Last-Event-ID": str(first)}).text)
    assert [(name, facts["id"]) for _, name, facts in events] == [
        ("queued", one.id), ("queued", other.id), ("cancelled", other.id),
    ]  # fmt: skip
    assert events[-1][2]["state"] == "cancelled"


def finished_job(desk: TestClient, run: Path) -> str:
    store = store_of(desk)
    (job,) = submitted(store)
    with working(store) as claims:
        claims.claim()
        claims.began(job, run.name)
        claims.finish(job, {"glb": "mesh.glb", "report": "report.html"}, {})
    return job.id


def test_files_of_a_job_are_fetched_by_their_addresses(desk: TestClient, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    picture(run / "previews" / "000100.png", (0, 0, 0))
    job = desk.get(f"/v1/jobs/{finished_job(desk, run)}").json()
    answer = desk.get(job["files"]["glb"])
    assert answer.content == b"glTF" and answer.headers["content-type"] == "model/gltf-binary"
    assert job["preview"].endswith("/000100.png")
    assert desk.get(job["preview"]).content == (run / "previews" / "000100.png").read_bytes()
    report = desk.get(job["files"]["report"])
    assert "sandbox" in report.headers["content-security-policy"]  # its script is nobody's here
    assert "default-src 'none'" in answer.headers["content-security-policy"]


NAMES = r"""
environment.json log.txt .lock checkpoints %2e%2e %2e%2e%2fsecret.glb ..%2f..%2fsecret.glb ..\secret.glb
%2fetc%2fpasswd mesh.glb%00.png link.glb nothing.glb previews%2f000010.png ../secret.glb ....//secret.glb
mesh.glb/ ~root.glb -x.glb folder.glb
"""


@pytest.mark.parametrize("name", [*NAMES.split(), "a" * 300 + ".glb"])
def test_no_name_leads_out_of_the_run_or_to_what_is_no_result(
    desk: TestClient, tmp_path: Path, name: str
) -> None:
    run = make_run(tmp_path)
    (tmp_path / "secret.glb").write_bytes(b"secret")
    (run / "link.glb").symlink_to(tmp_path / "secret.glb")
    (run / "folder.glb").mkdir()
    answer = desk.get(f"/v1/jobs/{finished_job(desk, run)}/files/{name}")
    assert answer.status_code in (404, 422) and b"secret" not in answer.content


def test_a_run_that_is_a_link_or_another_folder_is_not_served(desk: TestClient, tmp_path: Path) -> None:
    other = make_run(tmp_path / "elsewhere")
    (tmp_path / "0007-link").symlink_to(other)
    for run in (tmp_path / "0007-link", tmp_path / ".trash", tmp_path / ".."):
        assert desk.get(f"/v1/jobs/{finished_job(desk, run)}/files/mesh.glb").status_code == 404


def test_what_was_removed_is_404(desk: TestClient, tmp_path: Path) -> None:
    job = finished_job(desk, tmp_path / "0009-gone")
    assert desk.get(f"/v1/jobs/{job}/files/mesh.glb").status_code == 404
    assert desk.get(f"/v1/jobs/{job}").json()["preview"] is None


def test_the_server_says_what_it_is_and_offers(desk: TestClient) -> None:
    assert desk.get("/v1/health").json()["status"] == "ok"
    presets = desk.get("/v1/presets").json()
    assert presets["usual"] == "fast" and {"fast", "default", "quality"} <= {
        p["name"] for p in presets["presets"]
    }
    assert all(preset["about"] for preset in presets["presets"])
    assert presets["presets"][0]["measured"] == "elsewhere"
    assert {"mushroom", "car"} <= set(desk.get("/v1/vocabulary").json()["nouns"])
    assert "/v1/jobs/{job_id}/events" in desk.get("/v1/openapi.json").json()["paths"]


def test_the_vocabulary_is_that_of_the_prior_that_the_server_works_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Learned:
        def __init__(self, path: Path) -> None:
            self.path = path

        def learned(self) -> tuple[str, ...]:
            return (str(self.path),)

    monkeypatch.setattr(expansion, "read_vocabulary", Learned)
    for prior, nouns in (
        ({"kind": "embedded"}, [str(SHIPPED)]),
        ({"kind": "embedded", "weights": "mine.safetensors"}, ["mine.safetensors"]),
        ({"kind": "stable-diffusion", "model": "mine"}, []),
    ):
        offer = Offer(defaults=SMALL | {"prior": prior}, usual="fast")
        with client(tmp_path, offer=offer) as web:
            assert web.get("/v1/vocabulary").json() == {"nouns": nouns}


def test_seconds_of_a_preset_are_those_of_this_server_once_it_has_some(
    desk: TestClient, tmp_path: Path
) -> None:
    finished_job(desk, make_run(tmp_path))
    store_of(desk).db.execute("UPDATE jobs SET started = 100, finished = 142")
    row = next(p for p in desk.get("/v1/presets").json()["presets"] if p["name"] == "fast")
    assert (row["seconds"], row["measured"]) == (42, "here")


def test_metrics_count_jobs_and_requests_but_not_what_is_asked_for(desk: TestClient, tmp_path: Path) -> None:
    finished_job(desk, make_run(tmp_path))
    post(desk)
    desk.get("/v1/jobs/nobody")
    desk.get("/secret-path")
    desk.request("BREW", "/v1/jobs")
    lines = desk.get("/metrics").text.splitlines()
    for line in (
        'dreamlab_jobs{state="done"} 1.0',
        'dreamlab_jobs{state="queued"} 1.0',
        "dreamlab_workers 0.0",
        'dreamlab_job_seconds_count{preset="fast"} 1.0',
        "dreamlab_job_waiting_seconds_count 1.0",
        'dreamlab_http_requests_total{method="POST",route="/v1/jobs",status="201"} 1.0',
        'dreamlab_http_requests_total{method="GET",route="/v1/jobs/{job_id}",status="404"} 1.0',
    ):
        assert line in lines
    assert not any("nobody" in line or "secret" in line or "BREW" in line for line in lines)


def test_further_routers_and_pages_have_the_same_security(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.html").write_text("<title>workshop</title>")
    router = APIRouter()

    @router.get("/v1/runs")
    def runs(request: Request) -> int:
        return len(request.app.state.store.jobs())

    app = create_app(settings(tmp_path / "runs", pages=pages), [router])
    with TestClient(app, base_url=HERE) as desk:
        assert desk.get("/v1/runs").json() == 0 and "workshop" in desk.get("/").text
        for path in ("/v1/runs", "/"):
            assert "default-src 'none'" in desk.get(path).headers["content-security-policy"]
            assert desk.get(path, headers={"host": "evil.example"}).status_code == 421
        assert desk.get("/../secret").status_code == 404


def test_settings_of_a_queued_job_are_those_of_its_submission(desk: TestClient) -> None:
    job = store_of(desk).job(post(desk).json()["id"])
    assert job is not None
    assert job.config["stages"][0]["steps"] == small_values()["stages"][0]["steps"]
    assert RunDir.create(store_of(desk).root, _config(job.config), {}).config().prompt == "a red ball"


def _config(values: dict[str, Any]) -> Any:
    from dreamlab.run.resolve import from_values

    return from_values(values)
