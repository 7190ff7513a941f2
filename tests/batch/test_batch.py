"""A batch comes to its end whatever happens on the way: every job once, with the bytes of a calm day."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from known import red_ball_prior
from torch import Tensor

from dreamlab.batch import work as work_module
from dreamlab.batch.batch import FAILURES_IN_A_ROW, run_batch, standing
from dreamlab.batch.events import Begun, Ended, Opened, Remark, Stepped
from dreamlab.batch.ledger import Ledger
from dreamlab.batch.page import write_page
from dreamlab.batch.work import Terms
from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.priors.analytic import TargetImagesPrior
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run.folders import locked, runs_in
from dreamlab.run.run_dir import RunDir
from tests.batch.toys import jobs_of, result, until, worked

PROMPTS = ("a red ball", "a ball")


@pytest.fixture(autouse=True)
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line for every prior that is built."""
    log: list[str] = []

    def build(self: EmbeddedPriorConfig, device: Any = "cpu") -> TargetImagesPrior:
        log.append(str(device))
        return red_ball_prior()

    monkeypatch.setattr(EmbeddedPriorConfig, "build", build)
    return log


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """The files of two jobs that nobody disturbed."""
    folder = tmp_path_factory.mktemp("calm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
        rows = worked(jobs_of(folder, PROMPTS), folder / "toys")
    return {name: result(folder / "toys", row) for name, row in rows.items()}


def test_all_jobs_are_done_with_one_prior_and_are_told_in_the_table(tmp_path: Path, built: list[str]) -> None:
    toys = tmp_path / "toys"
    rows = worked(jobs_of(tmp_path, PROMPTS, seeds=[3, 4]), toys)
    assert list(rows) == ["a red ball 3", "a red ball 4", "a ball 3", "a ball 4"] and len(built) == 1
    assert all(row.state == "done" and (toys / row.run / row.files["glb"]).is_file() for row in rows.values())
    assert {row.job: row for row in rows.values()} == Ledger(toys).rows
    environments = [RunDir(toys / row.run).environment() or {} for row in rows.values()]
    assert all(e["preset"] == "fast" and "given" not in e["prior"] for e in environments)
    assert len({result(toys, row)["mesh.glb"] for row in rows.values()}) == 4


def test_what_is_done_is_not_begun_again_and_new_lines_are(
    tmp_path: Path, calm: dict[str, dict[str, bytes]]
) -> None:
    toys = tmp_path / "toys"
    assert list(worked(jobs_of(tmp_path, PROMPTS[:1]), toys)) == ["a red ball 3"]
    jobs = jobs_of(tmp_path, PROMPTS)
    opened = next(iter(run_batch(jobs, Terms(toys))))
    assert opened == Opened(2, 1, 0)
    assert list(worked(jobs, toys)) == ["a ball 3"] and worked(jobs, toys) == {}
    assert [path.name for path in runs_in(toys)] == ["0001-a-red-ball", "0002-a-ball"]
    assert {f"{r.prompt} {r.seed}": result(toys, r) for r in Ledger(toys).rows.values()} == calm


@pytest.mark.parametrize("step", [1, 3, 6])
def test_a_batch_stopped_at_any_step_ends_as_if_it_had_not_been(
    tmp_path: Path, calm: dict[str, dict[str, bytes]], step: int
) -> None:
    toys, jobs = tmp_path / "toys", jobs_of(tmp_path, PROMPTS)
    events = run_batch(jobs, Terms(toys, threads=1))
    until(events, Stepped, done=step)
    events.close()
    assert not Ledger(toys).rows
    events = run_batch(jobs, Terms(toys, threads=1))
    if step < 6:
        first = until(events, Stepped)
        assert isinstance(first, Stepped) and first.done == step + 1
    assert len([event for event in events if isinstance(event, Ended)]) == 2
    assert len(runs_in(toys)) == 2
    assert {f"{r.prompt} {r.seed}": result(toys, r) for r in Ledger(toys).rows.values()} == calm


def test_a_table_that_is_lost_is_made_again_from_the_runs(
    tmp_path: Path, calm: dict[str, dict[str, bytes]]
) -> None:
    toys, jobs = tmp_path / "toys", jobs_of(tmp_path, PROMPTS)
    before = worked(jobs, toys)
    for name, data in (("lost", None), ("damaged", b"\x00" * 300)):
        (toys / "table.jsonl").unlink()
        if data is not None:
            (toys / "table.jsonl").write_bytes(data)
        events = list(run_batch(jobs, Terms(toys, threads=1)))
        assert not [e for e in events if isinstance(e, Begun | Stepped)], name
        assert any("damaged" in e.text for e in events if isinstance(e, Remark)) == (data is not None)
        assert [e.row.run for e in events if isinstance(e, Ended)] == [row.run for row in before.values()]


def test_a_run_that_was_removed_is_made_again(tmp_path: Path) -> None:
    toys, jobs = tmp_path / "toys", jobs_of(tmp_path, PROMPTS)
    first = worked(jobs, toys)
    shutil.rmtree(toys / first["a ball 3"].run)
    assert list(worked(jobs, toys)) == ["a ball 3"]


class Collapsing(TargetImagesPrior):
    """The red ball's prior, but the first so many answers are no numbers."""

    def __init__(self, bad: int) -> None:
        self.__dict__.update(red_ball_prior().__dict__)
        self.bad = bad

    def denoise(self, *args: Any) -> Tensor:
        self.bad -= 1
        return torch.full_like(args[0], math.nan) if self.bad >= 0 else super().denoise(*args)


def collapsing(patch: pytest.MonkeyPatch, folder: Path, bad: int, prompts: Any = PROMPTS[:1]) -> list:
    """Jobs whose watchdog knows no recovery, of a prior whose first answers are bad."""
    patch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": Collapsing(bad))
    jobs = jobs_of(folder, prompts)
    for job in jobs:
        job.recipe.__dict__["overrides"] = tuple(
            f"stages.{stage}.watchdog.attempts=0" for stage in ("shape", "colour")
        )
    return jobs


def test_a_collapse_is_followed_by_another_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, toys = collapsing(monkeypatch, tmp_path, bad=2), tmp_path / "toys"
    events = list(run_batch(jobs, Terms(toys, retries=2, threads=1)))
    (row,) = Ledger(toys).rows.values()
    assert (row.state, row.attempts, row.seed, row.used_seed) == ("done", 3, 3, jobs[0].seed_of(2))
    assert RunDir(toys / row.run).config().seed == jobs[0].seed_of(2)
    told = [event.text for event in events if isinstance(event, Remark)]
    assert [f"tries again with seed {jobs[0].seed_of(n)}" in text for n, text in enumerate(told, 1)] == [
        True
    ] * 2
    assert worked(jobs, toys) == {}


def test_when_no_seed_is_left_the_job_has_failed_and_the_next_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, toys = collapsing(monkeypatch, tmp_path, bad=2, prompts=PROMPTS), tmp_path / "toys"
    rows = worked(jobs, toys, retries=1)
    failed, done = rows["a red ball 3"], rows["a ball 3"]
    assert (failed.state, failed.attempts) == ("failed", 2) and "collapsed" in failed.error
    assert (done.state, done.attempts) == ("done", 1)
    assert worked(jobs, toys, retries=1) == {}
    again = worked(jobs, toys, retries=1, again=True)
    assert list(again) == ["a red ball 3"]


def test_a_retry_that_was_stopped_goes_on_with_its_own_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, toys = collapsing(monkeypatch, tmp_path, bad=1), tmp_path / "toys"
    terms = Terms(toys, threads=1)
    events = run_batch(jobs, terms)
    until(events, Stepped, done=3)
    events.close()
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    events = run_batch(jobs, terms)
    first = until(events, Stepped)
    assert isinstance(first, Stepped) and first.done == 4
    (row,) = (event.row for event in events if isinstance(event, Ended))
    assert (row.state, row.attempts, row.used_seed) == ("done", 2, jobs[0].seed_of(1))


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (InputError("it is too warm"), "it is too warm."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "there is not enough memory; Default"),
        (KeyError("x"), "this is a bug in dreamlab: KeyError: 'x'"),
    ],
)
def test_whatever_fails_is_a_row_and_not_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, word: str
) -> None:
    real = work_module.generate

    def fails(config: Any, run: Any, **more: Any) -> Any:
        if config.prompt == PROMPTS[0]:
            raise error
        return real(config, run, **more)

    monkeypatch.setattr(work_module, "generate", fails)
    rows = worked(jobs_of(tmp_path, PROMPTS), tmp_path / "toys")
    assert word in rows["a red ball 3"].error and rows["a ball 3"].state == "done"
    assert len(runs_in(tmp_path / "toys")) == 1  # what never began leaves no folder


def test_what_fails_ten_times_in_a_row_would_fail_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(config: Any, run: Any, **more: Any) -> Any:
        raise InputError("the disk is full")

    monkeypatch.setattr(work_module, "generate", fails)
    jobs = jobs_of(tmp_path, PROMPTS[:1], seeds=range(15))
    with pytest.raises(DreamlabError, match=r"10 jobs .* got .*disk is full.*--failed"):
        worked(jobs, tmp_path / "toys")
    now = standing(jobs, Ledger(tmp_path / "toys"), Terms(tmp_path / "toys"))
    assert (len(now.failed), len(now.left)) == (FAILURES_IN_A_ROW, 5)


def test_two_batches_do_not_work_in_one_folder(tmp_path: Path) -> None:
    toys = tmp_path / "toys"
    toys.mkdir()
    with locked(toys), pytest.raises(InputError, match="another process"):
        worked(jobs_of(tmp_path, PROMPTS), toys)


def test_a_run_that_is_let_go_of_late_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a worker whose parent was killed."""
    toys, jobs = tmp_path / "toys", jobs_of(tmp_path, PROMPTS[:1])
    events = run_batch(jobs, Terms(toys, threads=1))
    until(events, Stepped, done=2)
    events.close()
    holder = locked(runs_in(toys)[0])
    holder.__enter__()
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            holder.__exit__(None, None, None)

    monkeypatch.setattr(work_module.time, "sleep", nap)
    assert worked(jobs, toys)["a red ball 3"].state == "done" and len(naps) == 3


def test_the_page_shows_every_job_and_nothing_that_is_not_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = "a <script>alert(1)</script> ball"
    toys, jobs = tmp_path / "toys", jobs_of(tmp_path, (evil, "a ball"))
    worked(jobs, toys)
    ledger = Ledger(toys)
    ball = ledger.rows[jobs[1].key]
    ledger.append(type(ball)(**{**vars(ball), "state": "failed", "error": "<b>why</b>"}))
    files = write_page(toys, jobs, Ledger(toys), "<i>p.txt")
    page = files["page"].read_text("utf-8")
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page and "&lt;b&gt;why" in page
    assert "1 of 2 jobs are done, 1 failed" in page and "<i>" not in page
    (done,) = (row for row in Ledger(toys).rows.values() if row.state == "done")
    assert f'<a href="{done.run}/report.html">' in page and page.count("data:image/webp") == 1
    assert (toys / "pictures" / f"{done.run}.webp").is_file() and files["sheet"].is_file()
    os.truncate(toys / done.run / "mesh.glb", 10)
    shutil.rmtree(toys / "pictures")
    assert "sheet" not in write_page(toys, jobs, Ledger(toys), "p.txt")
