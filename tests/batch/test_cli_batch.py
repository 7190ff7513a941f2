"""dreamlab batch at the shell: what it takes, what it tells, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from known import red_ball_prior

from dreamlab.batch.events import Begun, Ended, Opened, Stepped
from dreamlab.batch.jobs import Job, Recipe
from dreamlab.batch.ledger import Ledger, Row
from dreamlab.cli.batch import seconds_of, seeds_of
from dreamlab.cli.batch_view import Pace
from dreamlab.core.errors import InputError
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from tests.batch.toys import tiny_file
from tests.cli.shelf import command

TINY = ("--config", "tiny.yaml")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    monkeypatch.chdir(tmp_path)
    tiny_file(tmp_path)
    Path("prompts.txt").write_text("a red ball\n")
    return tmp_path


def test_a_batch_tells_what_it_does_and_where_things_lie(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamlab.cli.batch_view._LINE_SECONDS", float("inf"))
    assert command("batch", "prompts.txt", "--out", "toys", *TINY, "--seeds", "3,4", "--preset", "fast") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "2 jobs, 0 done, 0 failed"
    assert "1/2 jobs" in told[1] and "a red ball (seed 3, fast)  0001-a-red-ball" in told[1]
    assert [line.split()[0] for line in told[-4:-1]] == ["table", "page", "sheet"]
    assert told[-1] == "2 of 2 jobs done"
    assert all((Path("toys") / name).is_file() for name in ("table.jsonl", "index.html", "contact.webp"))
    assert (
        command(
            "batch", "prompts.txt", "--out", "toys", *TINY, "--seeds", "3,4", "--preset", "fast", "--quiet"
        )
        == 0
    )
    assert capsys.readouterr().out.split() == ["toys/table.jsonl", "toys/index.html", "toys/contact.webp"]


def test_a_dry_run_counts_and_estimates_and_makes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("batch", "prompts.txt", "--out", "toys", *TINY, "--seeds", "0-3", "--jobs", "2", "--dry-run")
    assert command(*words) == 0
    told = capsys.readouterr().out
    assert "4 jobs: 0 done, 0 failed, 4 left" in told and "from timed steps" in told and "2 at once" in told
    assert not Path("toys").exists()
    Path("toys").mkdir()
    row = {"line": 1, "prompt": "p", "preset": "default", "seed": 0, "state": "done", "run": "0001-p"}
    for number, seconds in enumerate((50.0, 70.0, 200.0)):
        Ledger(Path("toys")).append(Row(job=f"k{number}", seconds=seconds, **row))  # type: ignore[arg-type]
    assert command(*words, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["left"] == 4 and facts["seconds_each"] == {"default": 70.0} and facts["seconds"] == 140.0


def test_bad_lines_are_told_before_anything_begins(capsys: pytest.CaptureFixture[str]) -> None:
    Path("p.jsonl").write_text('{"prompt": ""}\n' * 23 + '{"prompt": "a ball", "sed": 3}\n')
    assert command("batch", "p.jsonl", "--out", "toys", *TINY) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 22 and told[0].startswith("dreamlab: p.jsonl:1: the prompt is empty")
    assert told[20] == "dreamlab: and 4 more"
    assert told[21].startswith("dreamlab: 24 lines of p.jsonl cannot be used, and nothing was begun")
    assert not Path("toys").exists()


def test_jobs_that_failed_are_exit_code_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(self: Any, device: Any = "cpu") -> Any:
        raise InputError("the weights are gone\x1b[31m")

    monkeypatch.setattr(EmbeddedPriorConfig, "build", build)
    assert command("batch", "prompts.txt", "--out", "toys", *TINY) == 2
    told = capsys.readouterr().out
    assert "failed: the weights are gone\\x1b[31m" in told and "0 of 1 jobs done, 1 failed" in told
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--seeds", "3-1"), "--seeds cannot be used; expected such as 0-3 or 1,4,7, got 3-1"),
        (("--budget", "2"), "--budget cannot be used; expected a time such as 90m or 2h30m, got 2"),
        (("--jobs", "0"), "--jobs cannot be used"),
        (("--retries", "-1"), "--retries cannot be used"),
        (("--ray", "auto"), "--ray wants --storage beside it"),
        (("--storage", "file:///x"), "--storage wants --ray beside it"),
        (("--preset", "fast,fst"), "there is no preset 'fst'"),
    ],
)
def test_options_that_cannot_be_used_are_told(
    words: tuple[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("batch", "prompts.txt", "--out", "toys", *TINY, *words) == 2
    assert told in capsys.readouterr().err and not Path("toys").exists()


def test_at_the_end_of_the_time_a_batch_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("batch", "prompts.txt", "--out", "toys", *TINY, "--budget", "0.001s", "--json") == 0
    *_, remark, finished = map(json.loads, capsys.readouterr().out.splitlines())
    assert remark["text"].startswith("the time is used up; go on with: dreamlab")
    assert (finished["done"], finished["failed"], finished["left"]) == (0, 0, 1)
    assert (Path("toys") / "index.html").is_file() and not (Path("toys") / "contact.webp").exists()


def test_seeds_and_times_are_read() -> None:
    assert seeds_of("0-3") == [0, 1, 2, 3] and seeds_of("7, 1-2,7") == [7, 1, 2]
    assert seconds_of("2h30m") == 9000 and seconds_of("1.5m") == 90 and seconds_of("45s") == 45
    for text in ("", "-1", "a", "0-99999999", "4294967296", "\u0661"):
        with pytest.raises(InputError):
            seeds_of(text)


def test_the_time_left_counts_only_what_this_call_has_done(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("dreamlab.cli.batch_view.time.monotonic", lambda: now[0])
    jobs = [Job(str(n), n, "a ball", n, Recipe()) for n in range(4)]
    pace = Pace()
    pace.note(Opened(4, 1, 0))
    assert pace.left is None
    for number, share in ((1, 50), (2, 10)):
        pace.note(Begun(jobs[number], "f"))
        pace.note(Stepped(jobs[number], share, 100))  # a checkpoint had brought the first to its half
    now[0] = 110.0
    pace.note(Stepped(jobs[1], 75, 100))
    pace.note(Stepped(jobs[2], 35, 100))
    # Half a job in ten seconds; a quarter, 65 hundredths and a whole one are left.
    assert pace.left == pytest.approx(10 / 0.5 * (0.25 + 0.65 + 1.0))
    pace.note(Ended(jobs[1], None))  # type: ignore[arg-type]
    assert pace.left == pytest.approx(10 / 0.75 * (0.65 + 1.0)) and pace.ended == 2
