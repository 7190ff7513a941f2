"""Pictures in batches: said in rows, known by their bytes, carried along, found again."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from known import red_ball_prior

from dreamlab.batch.batch import run_batch, standing
from dreamlab.batch.events import Ended, Remark, Stepped
from dreamlab.batch.jobs import BadLinesError, Job, Recipe, read_jobs
from dreamlab.batch.ledger import Ledger
from dreamlab.batch.ray import _Fleet
from dreamlab.batch.remote import fetch, work_remotely
from dreamlab.batch.storage import Storage
from dreamlab.batch.work import RunsByConfig, Terms
from dreamlab.cli import main
from dreamlab.core.errors import InputError
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run import pictures as run_pictures
from dreamlab.run.expansion import with_expansion
from dreamlab.run.prior_cache import PriorCache
from dreamlab.run.run_dir import RunDir
from tests.batch.toys import result, tiny_file, tiny_values, until, worked
from tests.test_pictures_run import ball_picture

FAST = Recipe("fast")
BLUE = (20, 20, 230)


def rows(folder: Path, *rows: dict[str, Any], recipe: Recipe = FAST, name: str = "p.jsonl") -> list[Job]:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_jobs(path, recipe)


def tiny_jobs(folder: Path, *said: dict[str, Any]) -> list[Job]:
    return rows(folder, *said, recipe=Recipe("fast", file=tiny_file(folder)))


@pytest.fixture
def red(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The picture of a red ball; every prior knows that ball alone."""
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    return ball_picture(tmp_path / "red.png")


# ---- rows ----


def test_pictures_are_said_in_rows_relative_to_their_file(tmp_path: Path) -> None:
    (tmp_path / "toys").mkdir()
    front, side = (ball_picture(tmp_path / "toys" / f"{name}.png") for name in ("front", "side"))
    one, both = rows(
        tmp_path,
        {"prompt": "a ball", "image": "toys/front.png@30"},
        {"prompt": "a ball", "image": [f"{front}@0", "toys/side.png@90,10"]},
    )
    table = tmp_path / "p.csv"
    table.write_text(
        'prompt,image\na ball,toys/front.png@30\na ball,"toys/front.png@0; toys/side.png@90,10"\n'
    )
    assert [job.key for job in read_jobs(table, FAST)] == [one.key, both.key]
    seen = [(image.path, image.azimuth, image.elevation) for image in both.config().images]
    assert seen == [(front, 0.0, None), (side, 90.0, 10.0)] and one.config().images[0].azimuth == 30


def test_a_job_is_another_where_a_picture_or_its_camera_is_and_the_same_wherever_it_lies(
    tmp_path: Path,
) -> None:
    def key(image: str, folder: Path = tmp_path) -> str:
        return rows(folder, {"prompt": "a ball", "image": image})[0].key

    ball_picture(tmp_path / "a.png")
    first = key("a.png")
    others = [first, key("a.png@0"), key("a.png@0,30"), rows(tmp_path, {"prompt": "a ball"})[0].key]
    assert len(set(others)) == 4
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ball_picture(elsewhere / "b.png")
    assert key("b.png", elsewhere) == first
    ball_picture(tmp_path / "a.png", BLUE)
    assert key("a.png") != first


def test_pictures_of_the_settings_count_too(tmp_path: Path) -> None:
    keys = []
    for color in ((230, 26, 26), BLUE):
        image = {"path": str(ball_picture(tmp_path / "a.png", color)), "azimuth": 0}
        (job,) = rows(tmp_path, {"prompt": "a ball"}, recipe=Recipe("fast", settings={"images": [image]}))
        keys.append(job.key)
        assert len(job.pictures) == 1
    assert keys[0] != keys[1]


def test_without_a_prompt_the_picture_is_named_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_pictures, "SURE", 0.0)
    ball_picture(tmp_path / "a.png")
    (job,) = rows(tmp_path, {"image": "a.png"})
    assert "red" in job.prompt and job.said[0].startswith(f"a.png is taken for '{job.prompt}'")
    assert job.key == rows(tmp_path, {"image": "a.png", "prompt": job.prompt})[0].key


def test_pictures_that_cannot_be_used_are_told_with_their_lines(tmp_path: Path) -> None:
    ball_picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    bad = {
        "none.png": "there is no such file",
        "a.png@left": "cannot read the camera",
        "b.png": "cannot be read",
        "a.png@900": "azimuth",
    }
    with pytest.raises(BadLinesError) as caught:
        rows(
            tmp_path,
            *({"prompt": "a ball", "image": image} for image in bad),
            {"prompt": "a ball", "image": 7},
            {"prompt": "a ball", "image": []},
            {"image": None},
        )
    words = [*bad.values(), "image cannot be used", "image cannot be used", "there is no prompt"]
    for number, (told, word) in enumerate(zip(caught.value.complaints, words, strict=True), 1):
        assert told.startswith(f"{tmp_path / 'p.jsonl'}:{number}: ") and word in told


# ---- work ----


def test_a_batch_is_made_of_pictures_and_goes_on_when_its_table_is_lost(red: Path, tmp_path: Path) -> None:
    jobs = tiny_jobs(tmp_path, {"prompt": "a red ball", "image": "red.png"})
    toys = tmp_path / "toys"
    events = run_batch(jobs, Terms(toys, 0, 1))
    until(events, Stepped, done=3)
    events.close()
    told = list(run_batch(jobs, Terms(toys, 0, 1)))
    (row,) = [event.row for event in told if isinstance(event, Ended)]
    assert row.state == "done", row.error
    assert any("going on from step 3" in event.text for event in told if isinstance(event, Remark))
    run = RunDir(toys / row.run)
    assert run.config().images[0].azimuth == 0.0  # it was guessed, and is the same job all the same
    (toys / "table.jsonl").unlink()
    (again,) = worked(jobs, toys).values()
    assert again.run == row.run and len(RunsByConfig(toys)) == 1
    ball_picture(red, BLUE)
    changed = tiny_jobs(tmp_path, {"prompt": "a red ball", "image": "red.png"})
    assert standing(changed, Ledger(toys), Terms(toys)).left == changed
    assert RunsByConfig(toys).of(changed[0], 0) == {} and RunsByConfig(toys).of(jobs[0], 0) == {0: row.run}
    assert RunsByConfig(toys).find(with_expansion(changed[0].config())) is None  # by the file as it is now


def test_a_picture_that_changes_meanwhile_fails_its_job_alone(red: Path, tmp_path: Path) -> None:
    ball_picture(tmp_path / "other.png")
    said = (("a red ball", "red.png@0"), ("a red ball", "other.png@0"), ("a ball", "other.png@0"))
    jobs = tiny_jobs(tmp_path, *({"prompt": prompt, "image": image} for prompt, image in said))
    assert len(jobs) == 2  # the same words and bytes by the same camera are the same
    ball_picture(red, BLUE)
    with pytest.raises(InputError, match="has changed since the batch began"):
        jobs[0].packed()
    first, second = worked(jobs, tmp_path / "toys").values()
    assert first.state == "failed" and "has changed since the batch began" in first.error
    assert second.state == "done", second.error


def test_a_job_carries_its_pictures_to_a_machine_that_has_no_such_file(red: Path, tmp_path: Path) -> None:
    """By an actor's own function, with storage that is another machine's."""
    (job,) = tiny_jobs(tmp_path, {"prompt": "a red ball", "image": "red.png@0"})
    (calm,) = worked([job], tmp_path / "calm").values()
    settings = Recipe("fast", settings=tiny_values())
    (job,) = rows(tmp_path, {"prompt": "a red ball", "image": "red.png@0"}, recipe=settings)
    packet = pickle.loads(pickle.dumps(job.packed()))
    red.unlink()
    storage = Storage(f"file://{tmp_path}/shared")
    events = work_remotely(packet, Terms(tmp_path / "x", threads=1), storage, PriorCache())
    until(events, Stepped, done=3)
    events.close()
    told = list(work_remotely(packet, Terms(tmp_path / "y", threads=1), storage, PriorCache()))
    (row,) = [event.row for event in told if isinstance(event, Ended)]
    assert row.state == "done", row.error
    jobs = [event.job for event in told if isinstance(event, Stepped | Ended)]
    assert len(jobs) > 2 and all(picture.data is None for each in jobs for picture in each.pictures)
    fetch(row, storage, tmp_path / "toys")
    assert result(tmp_path / "toys", row) == result(tmp_path / "calm", calm)
    assert (tmp_path / "toys" / row.run / "picture-1.png").is_file()


def test_a_picture_that_is_gone_fails_its_job_before_a_machine_of_a_cluster_is_asked(
    red: Path, tmp_path: Path
) -> None:
    said = ({"prompt": prompt, "image": "red.png@0"} for prompt in ("a red ball", "a ball"))
    jobs = tiny_jobs(tmp_path, *said)
    red.unlink()
    cluster = SimpleNamespace(cluster_resources=lambda: {"CPU": 2.0})  # which can do nothing else
    terms, storage = Terms(tmp_path / "toys", threads=1), Storage(f"file://{tmp_path}/shared")
    events = list(_Fleet(cluster, jobs, terms, storage, None, PriorCache).run())
    failed = [event.row for event in events if isinstance(event, Ended)]
    assert [row.prompt for row in failed] == ["a red ball", "a ball"] and len(events) == 2
    assert all("cannot read the picture" in row.error for row in failed)


# ---- the command ----


def test_the_dry_run_says_what_was_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dreamlab.cli import batch_estimate

    monkeypatch.setattr(run_pictures, "SURE", 0.0)
    monkeypatch.setattr(batch_estimate, "seconds_of_steps", lambda config: 1.0 * len(config.images))
    ball_picture(tmp_path / "a.png")
    (tmp_path / "p.csv").write_text("image\na.png\n")
    words = [
        "batch",
        str(tmp_path / "p.csv"),
        "--out",
        str(tmp_path / "toys"),
        "--preset",
        "fast",
        "--dry-run",
    ]
    assert main(words) == 0
    assert "a.png is taken for 'a red" in capsys.readouterr().out and not (tmp_path / "toys").exists()
