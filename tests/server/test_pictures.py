"""Pictures that are sent for jobs: checked at the door, kept for the jobs that name them, never by a path."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from known import red_ball_prior
from PIL import Image

from dreamlab.pictures.config import ImageConfig
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run import pictures as run_pictures
from dreamlab.run.run_dir import RunDir
from dreamlab.server import pictures as pictures_module
from dreamlab.server.claims import Claims, working
from dreamlab.server.limits import Limits
from dreamlab.server.pictures import FOLDER, MOST_AT_ONCE, Pictures
from dreamlab.server.requests import JobImage
from dreamlab.server.store import FOLDER as STORE
from dreamlab.server.store import QueueFullError, Store
from dreamlab.server.worker import Worker
from tests.server.desk import client, until
from tests.test_pictures_run import ball_picture


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[TestClient]:
    with client(tmp_path / "runs") as found:
        yield found


def ball(folder: Path, color: tuple[int, int, int] = (230, 26, 26)) -> bytes:
    return ball_picture(folder / "ball.png", color).read_bytes()


def encoded(image: Image.Image, kind: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def on_white(width: int = 80, height: int = 60) -> Image.Image:
    """A red box left of the middle."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    pixels[height // 4 : height // 2, width // 8 : width // 2] = (200, 30, 30)
    return Image.fromarray(pixels)


def send(desk: TestClient, data: bytes) -> Any:
    return desk.post("/v1/pictures", content=data)


def sent(desk: TestClient, data: bytes) -> str:
    answer = send(desk, data)
    assert answer.status_code == 201, answer.text
    return answer.json()["picture"]


def post(desk: TestClient, *images: Any, **asked: Any) -> Any:
    body = {"prompt": "a red ball", "preset": "fast", "images": list(images)} | asked
    return desk.post("/v1/jobs", json={key: value for key, value in body.items() if value is not None})


def kept(desk: TestClient) -> list[str]:
    """Each of them with the copy that is shown."""
    folder = store_of(desk).root / STORE / FOLDER
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    found = [name.removesuffix(".png") for name in names if not name.endswith(".shown.png")]
    assert names == sorted(name + end for name in found for end in (".png", ".shown.png"))
    return found


def store_of(desk: TestClient) -> Store:
    return desk.app.state.store  # type: ignore[attr-defined]


# ---- at the door ----


def test_a_picture_is_taken_told_and_shown_as_its_run_will_be_shown_it(
    desk: TestClient, tmp_path: Path
) -> None:
    data = ball(tmp_path)
    answer = send(desk, data).json()
    assert (answer["width"], answer["height"]) == (64, 48)
    assert answer["notes"] == ["the picture is cut out by its transparency"]
    shown = Image.open(io.BytesIO(desk.get(answer["url"]).content))
    (wanted,) = run_pictures.prepared([ImageConfig(path=tmp_path / "ball.png")])
    assert (np.asarray(shown) == wanted.rgba).all()
    assert send(desk, data).json() == answer and kept(desk) == [answer["picture"]]


def test_what_is_kept_is_upright_and_says_nothing_but_its_pixels(desk: TestClient) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "taken at home"
    answer = send(desk, encoded(on_white(), "JPEG", exif=exif, quality=95)).json()
    assert (answer["width"], answer["height"]) == (60, 80)
    file = store_of(desk).root / STORE / FOLDER / f"{answer['picture']}.png"
    assert b"taken at home" not in file.read_bytes() and not Image.open(file).getexif()


def test_of_an_animation_the_first_frame_is_taken_and_that_is_said(desk: TestClient) -> None:
    frames = [on_white(), Image.new("RGB", (80, 60), "blue")]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert "holds 2 pictures, of which the first is taken" in send(desk, data).json()["notes"][0]


def test_other_modes_are_taken(desk: TestClient) -> None:
    for data in (encoded(on_white().convert("CMYK"), "JPEG"), encoded(on_white().convert("L"), "TIFF")):
        assert send(desk, data).status_code == 201


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (lambda: b"", "cannot be read"),
        (lambda: b"<svg/>", "no format that is known here"),
        (lambda: encoded(noise(), "PNG")[:900], "breaks off or is damaged"),
        (lambda: encoded(Image.new("1", (20000, 20000)), "PNG"), "too large; expected at most 64 million"),
        (lambda: encoded(Image.new("1", (9000, 9000)), "PNG"), "too large; expected at most 64 million"),
        (lambda: encoded(noise(), "PNG"), "no plain background"),
        (lambda: encoded(Image.new("RGB", (40, 40), "red"), "PNG"), "shows no object"),
        (lambda: encoded(Image.fromarray(np.zeros((9, 9), np.float32)), "TIFF"), "floating point"),
    ],
)
def test_what_a_run_could_not_use_is_refused_in_one_line(desk: TestClient, data: Any, told: str) -> None:
    answer = send(desk, data())
    body = answer.json()
    assert answer.status_code == 422 and set(body) == {"error", "mend"}
    assert told in body["error"] and "\n" not in body["error"]
    assert str(store_of(desk).root) not in body["error"] and kept(desk) == []


def test_a_picture_may_be_larger_than_another_request_and_has_its_own_bound(tmp_path: Path) -> None:
    large = encoded(noise().resize((300, 300)), "PNG")
    assert len(large) > 70_000
    with client(tmp_path, limits=Limits(picture=70_000)) as desk:
        assert send(desk, large).status_code == 413
        assert desk.post("/v1/jobs", content=b" " * 66_000).status_code == 413
    with client(tmp_path) as desk:
        assert "no plain background" in send(desk, large).json()["error"]


def test_more_than_a_few_at_once_are_asked_to_come_again(tmp_path: Path) -> None:
    pictures = Pictures(Store(tmp_path / "runs"), Limits())
    data, done = ball(tmp_path), threading.Barrier(MOST_AT_ONCE + 1)

    def take() -> None:
        pictures.take(data)
        done.wait(60)

    with pictures_module._TURN:  # one that takes its time
        threads = [threading.Thread(target=take) for _ in range(MOST_AT_ONCE)]
        for thread in threads:
            thread.start()
        until(lambda: pictures._places._value == 0)
        with pytest.raises(QueueFullError, match="too many pictures"):
            pictures.take(data)
    done.wait(60)
    assert pictures.take(data).width == 64


# ---- jobs ----


def test_a_job_names_its_pictures_and_says_them(desk: TestClient, tmp_path: Path) -> None:
    one, other = sent(desk, ball(tmp_path)), sent(desk, ball(tmp_path, (20, 20, 230)))
    answer = post(desk, {"picture": one, "azimuth": 30}, {"picture": other, "azimuth": 90, "elevation": 5})
    job = answer.json()
    assert answer.status_code == 201 and job["notes"] == []
    assert [(i["picture"], i["azimuth"], i["elevation"]) for i in job["images"]] == [
        (one, 30, None), (other, 90, 5),
    ]  # fmt: skip
    assert desk.get(f"/v1/jobs/{job['id']}").json() == job
    found = store_of(desk).job(job["id"])
    assert found is not None and [image["fill"] for image in found.config["images"]] == [0.9, 0.9]


def test_the_settings_of_a_picture_are_those_of_a_run() -> None:
    ours, theirs = (kind.model_json_schema()["properties"] for kind in (JobImage, ImageConfig))
    assert ours.keys() - {"picture"} == theirs.keys() - {"path"}
    for name in ours.keys() - {"picture"}:
        assert {k: v for k, v in ours[name].items() if k != "description"} == theirs[name]


def test_no_request_names_a_file_of_the_machine(desk: TestClient, tmp_path: Path) -> None:
    ball(tmp_path)
    picture = sent(desk, ball(tmp_path))
    for images in (
        [{"path": "/etc/passwd"}],
        [{"path": str(tmp_path / "ball.png")}],
        [{"picture": picture, "path": "/etc/passwd"}],
        [{"picture": "/etc/passwd"}],
        [{"picture": f"../{picture}"}],
        [{"picture": picture + "\n"}],
        [{"picture": str(tmp_path / "ball.png")}],
    ):
        answer = post(desk, *images)
        assert answer.status_code == 422 and "images.0" in answer.json()["error"], images
    for settings in (
        {"images": [{"path": "/etc/passwd"}]},
        {"images.0.path": "/etc/passwd"},
        {"images": []},
    ):
        for body in ({}, {"images": [{"picture": picture}]}):
            answer = desk.post("/v1/jobs", json={"prompt": "a ball", "settings": settings} | body)
            assert answer.status_code == 422 and "stands beside" in answer.json()["error"]
    assert desk.get("/v1/jobs").json() == {"jobs": []}
    for name in ("..%2f..%2fball", "%2fetc%2fpasswd", "ball.png", picture[:-1]):
        assert desk.get(f"/v1/pictures/{name}").status_code in (404, 422)


def test_a_picture_that_was_not_sent_is_asked_for(desk: TestClient) -> None:
    answer = post(desk, {"picture": "0" * 32})
    assert answer.status_code == 422 and "there is no picture" in answer.json()["error"]
    assert "/v1/pictures" in answer.json()["mend"]
    assert desk.get(f"/v1/pictures/{'0' * 32}").status_code == 404


def test_what_takes_no_pictures_refuses_them_when_the_job_is_sent(desk: TestClient, tmp_path: Path) -> None:
    picture = sent(desk, ball(tmp_path))
    answer = post(desk, *[{"picture": picture}] * 9)
    assert answer.status_code == 422 and "images" in answer.json()["error"]
    stages = [{"kind": "fit-views", "steps": 2}]
    answer = post(desk, {"picture": picture}, settings={"stages": stages})
    assert answer.status_code == 422 and "is shown no picture" in answer.json()["error"]


def mushroom() -> bytes:
    y, x = np.mgrid[0:128, 0:128]
    rgba = np.zeros((128, 128, 4), np.uint8)
    rgba[(np.hypot((x - 64) / 1.3, y - 60) < 40) & (y < 64)] = (200, 30, 30, 255)
    rgba[(abs(x - 64) < 13) & (y >= 64) & (y < 112)] = (235, 225, 200, 255)
    return encoded(Image.fromarray(rgba), "PNG")


def test_without_words_the_picture_is_named_and_that_is_said(
    desk: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = sent(desk, mushroom())
    job = post(desk, {"picture": picture}, prompt=None).json()
    assert job["prompt"] == "a red mushroom"
    assert "the picture is taken for 'a red mushroom'" in job["notes"][0]
    events = store_of(desk).events(0, job["id"])
    assert [(event.name, event.facts.get("text")) for event in events][-1] == ("note", job["notes"][0])
    monkeypatch.setattr(run_pictures, "SURE", 1.1)
    refused = post(desk, {"picture": picture}, prompt=None)
    assert refused.status_code == 422 and "it is not clear what the picture shows" in refused.json()["error"]
    assert 'such as "a red mushroom"' in refused.json()["mend"]
    nothing = post(desk, prompt=None)
    assert nothing.status_code == 422 and "nothing says what to make" in nothing.json()["error"]


def test_the_same_request_sent_twice_is_one_job(desk: TestClient, tmp_path: Path) -> None:
    asked = {"prompt": "a ball", "images": [{"picture": sent(desk, ball(tmp_path))}]}
    first, again = (
        desk.post("/v1/jobs", json=asked, headers={"Idempotency-Key": "abcdefgh"}).json() for _ in range(2)
    )
    assert first == again and len(desk.get("/v1/jobs").json()["jobs"]) == 1


# ---- kept ----


def test_pictures_of_jobs_that_wait_stay_and_of_others_the_latest(tmp_path: Path) -> None:
    with client(tmp_path / "runs", limits=Limits(pictures=1)) as desk:
        needed, idle = (sent(desk, ball(tmp_path, (200, 0, shade))) for shade in (1, 2))
        job = post(desk, {"picture": needed}).json()["id"]
        for number, picture in enumerate((needed, idle)):
            os.utime(store_of(desk).root / STORE / FOLDER / f"{picture}.png", (number, number))
        late = sent(desk, ball(tmp_path, (200, 0, 3)))
        later = sent(desk, ball(tmp_path, (200, 0, 4)))
        assert set(kept(desk)) == {needed, late, later} and idle not in kept(desk)
        desk.delete(f"/v1/jobs/{job}")
        sent(desk, ball(tmp_path, (200, 0, 5)))
        assert needed not in kept(desk)
        answer = desk.post(f"/v1/jobs/{job}/retry", json={})
        assert answer.status_code == 422 and "there is no picture" in answer.json()["error"]
        sent(desk, ball(tmp_path, (200, 0, 1)))
        assert desk.post(f"/v1/jobs/{job}/retry", json={}).json()["state"] == "queued"


def test_a_job_whose_run_has_begun_needs_its_picture_no_more(desk: TestClient, tmp_path: Path) -> None:
    picture = sent(desk, ball(tmp_path))
    job = post(desk, {"picture": picture}).json()["id"]
    with working(store_of(desk)) as claims:
        claimed = claims.claim()
        assert claimed is not None
        claims.began(claimed, "0001-a-red-ball")
        claims.fail(claimed, "no luck.")
    (store_of(desk).root / STORE / FOLDER / f"{picture}.png").unlink()
    assert desk.post(f"/v1/jobs/{job}/retry", json={}).json()["state"] == "queued"


def test_a_queued_job_has_its_picture_after_the_server_was_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    root, steps = tmp_path / "runs", {"stages.shape.steps": 2, "stages.colour.steps": 1}
    with client(root) as desk:
        picture = sent(desk, mushroom())
        job = post(desk, {"picture": picture}, prompt=None, settings=steps).json()
    with client(root) as desk, working(Store(root)) as claims:
        claimed = claims.claim()
        assert claimed is not None and claimed.id == job["id"]
        Worker(Claims(claims.store, claims.worker), threading.Event()).work_on(claimed)
        found = desk.get(f"/v1/jobs/{job['id']}").json()
        assert found["state"] == "done", found["error"]
        run = RunDir(root / found["run"])
        assert run.config().images[0].azimuth == 0.0
        environment = run.environment()
        assert environment is not None and environment["pictures"][0] == job["notes"][0]
        copy = desk.get(f"/v1/jobs/{job['id']}/files/picture-1.png")
        assert copy.content == desk.get(f"/v1/pictures/{picture}").content
