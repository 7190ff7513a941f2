"""Runs on shared storage: a machine that vanishes loses no more than the steps since its last checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from known import red_ball_prior

from dreamlab.batch.events import Ended, Stepped
from dreamlab.batch.remote import fetch, name_of, work_remotely
from dreamlab.batch.storage import Storage
from dreamlab.batch.work import Terms
from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run.prior_cache import PriorCache
from tests.batch.test_batch import collapsing
from tests.batch.toys import STEPS, jobs_of, result, until, worked


@pytest.fixture(autouse=True)
def prior(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "file":
        yield f"file://{tmp_path}/shared"
    else:
        yield "memory://shared"
        import fsspec

        fsspec.filesystem("memory").rm("/", recursive=True)


def test_a_folder_is_copied_changed_and_fetched(tmp_path: Path, url: str) -> None:
    run, there = tmp_path / "run", Storage(url)
    (run / "checkpoints" / "000002").mkdir(parents=True)
    for name in ("config.yaml", ".lock", "checkpoints/000002/meta.json", "checkpoints/000002/s.safetensors"):
        (run / name).write_text(name)
    there.push(run, "a/0")
    assert there.places("a") == ["0"] and there.places("a/0") == ["checkpoints", "config.yaml"]
    assert Storage(url).pull("a/0", tmp_path / "back") and not Storage(url).pull("a/1", tmp_path / "none")
    back = {str(p.relative_to(tmp_path / "back")) for p in (tmp_path / "back").rglob("*") if p.is_file()}
    assert back == {"config.yaml", "checkpoints/000002/meta.json", "checkpoints/000002/s.safetensors"}
    (run / "config.yaml").write_text("another")
    shutil.rmtree(run / "checkpoints")
    there.push(run, "a/0")
    assert Storage(url).pull("a/0", tmp_path / "then")
    assert [p.name for p in (tmp_path / "then").iterdir()] == ["config.yaml"]
    assert (tmp_path / "then" / "config.yaml").read_text() == "another"


def test_only_what_has_changed_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, there, written = tmp_path / "run", Storage("memory://shared"), []
    run.mkdir()
    for name in ("summary.json", "mesh.glb", "config.yaml"):
        (run / name).write_text(name)
    monkeypatch.setattr(there, "_write", lambda target, data: written.append(target))
    there.push(run, "a")
    assert written == ["a/config.yaml", "a/mesh.glb", "a/summary.json"]  # what it speaks of comes before it
    (run / "mesh.glb").write_text("a longer one")
    there.push(run, "a")
    assert written[3:] == ["a/mesh.glb"]


def test_names_that_lead_out_of_a_place_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Storage("memory://shared")
    monkeypatch.setattr(there._system, "find", lambda top: [f"{top}config.yaml", f"{top}../../evil"])
    assert there._names("a") == ["config.yaml"]


@pytest.mark.parametrize(
    ("url", "kind", "word"),
    [("nowhere://x", InputError, "no storage"), ("s3://x", UnavailableError, "dreamlab[ray]")],
)
def test_storage_that_cannot_be_reached_is_told(
    url: str, kind: type[Exception], word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(kind) as caught:
        Storage(url)
    assert word in str(caught.value)


def test_storage_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("x")
    (tmp_path / "shared").write_text("a file")
    with pytest.raises(InputError, match="cannot be written to"):
        Storage(f"file://{tmp_path}/shared").push(tmp_path / "run", "a")


def test_a_check_leaves_nothing_behind(tmp_path: Path, url: str) -> None:
    there = Storage(url)
    there.check()
    assert there._system.find(there._root) == []


def test_storage_is_checked_before_any_actor_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamlab.batch import ray

    monkeypatch.setattr(ray, "_connected", lambda address: None)
    (tmp_path / "shared").write_text("a file")
    with pytest.raises(InputError, match="cannot be written to"):
        ray.on_ray("auto", f"file://{tmp_path}/shared")


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (FileNotFoundError("no such bucket"), "Make the bucket"),
        (PermissionError("403"), "keys are right"),
        (ConnectionResetError("gone"), "server runs"),
        (TimeoutError("slow"), "try again"),
    ],
)
def test_what_a_storage_raises_is_told_with_what_to_do(
    error: Exception, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Storage("memory://shared")

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(there._system, "find", fail)
    with pytest.raises(InputError, match=f"memory://shared cannot be read; got {error}.*{word}"):
        there.places("a")


def vanish(events: Any) -> None:
    """The machine is gone: nothing of what it would do at the end is done."""
    events.gi_frame.f_locals["storage"].push = lambda *_: None
    events.close()


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a job that nobody disturbed."""
    folder = tmp_path_factory.mktemp("calm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
        (row,) = worked(jobs_of(folder, ["a red ball"]), folder / "toys").values()
    return result(folder / "toys", row)


@pytest.mark.parametrize("step", [1, 5])
def test_another_machine_goes_on_from_the_last_checkpoint(
    tmp_path: Path, url: str, step: int, calm: dict[str, bytes]
) -> None:
    (job,) = jobs_of(tmp_path, ["a red ball"])
    terms = Terms(tmp_path, threads=1)
    events = work_remotely(job, terms, Storage(url), PriorCache())
    until(events, Stepped, done=step)
    vanish(events)
    events = work_remotely(job, terms, Storage(url), PriorCache())
    if step > 1:
        first = until(events, Stepped)
        assert isinstance(first, Stepped) and first.done == step - step % 2 + 1
    row = until(events, Ended).row  # type: ignore[attr-defined]
    assert (row.state, row.run, row.used_seed) == ("done", name_of(job), 3)
    fetch(row, Storage(url), tmp_path / "toys")
    assert result(tmp_path / "toys", row) == calm
    assert not (tmp_path / "toys" / row.run / "checkpoints").exists()
    again = list(work_remotely(job, terms, Storage(url), PriorCache()))
    assert [type(event) for event in again] == [Ended] and again[0].row.run == row.run  # type: ignore[union-attr]


def test_a_stop_keeps_the_moment_on_the_storage(tmp_path: Path) -> None:
    (job,) = jobs_of(tmp_path, ["a red ball"])
    there = Storage(f"file://{tmp_path}/shared")
    events = work_remotely(job, Terms(tmp_path, threads=1), there, PriorCache())
    until(events, Stepped, done=3)
    events.close()
    events = work_remotely(job, Terms(tmp_path, threads=1), there, PriorCache())
    first = until(events, Stepped)
    assert isinstance(first, Stepped) and (first.done, first.total) == (4, STEPS)
    events.close()


def test_retries_have_places_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (job,), there = collapsing(monkeypatch, tmp_path, bad=1), Storage(f"file://{tmp_path}/shared")
    events = list(work_remotely(job, Terms(tmp_path, threads=1), there, PriorCache()))
    row = events[-1].row  # type: ignore[union-attr]
    assert (row.state, row.attempts, row.used_seed) == ("done", 2, job.seed_of(1))
    assert "1" in there.places(name_of(job))
    fetch(row, there, tmp_path / "toys")
    assert (tmp_path / "toys" / row.run / "mesh.glb").is_file()
