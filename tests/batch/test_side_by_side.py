"""Workers and the whole batch may be killed at any moment: the same command makes every object once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dreamlab.batch.ledger import Ledger
from dreamlab.run.folders import runs_in
from tests.batch.toys import result, tiny_file

KNOWN = Path(__file__).parents[1] / "batch_known.py"
PROMPTS = ("a red ball", "a ball", "a cup")


@pytest.fixture()
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny_file(tmp_path)
    Path("prompts.txt").write_text("".join(f"{prompt}\n" for prompt in PROMPTS))
    return tmp_path


def start(*options: str, out: str = "toys") -> subprocess.Popen[str]:
    words = [
        sys.executable,
        str(KNOWN),
        "batch",
        "prompts.txt",
        "--out",
        out,
        "--config",
        "tiny.yaml",
        "--json",
    ]
    return subprocess.Popen([*words, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Those that work on jobs; multiprocessing has a process of its own beside them."""
    children = psutil.Process(process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def files_of(folder: Path) -> dict[str, dict[str, bytes]]:
    rows = Ledger(folder).rows.values()
    assert all(row.state == "done" for row in rows) and len(runs_in(folder)) == len(rows)
    return {row.prompt: result(folder, row) for row in rows}


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """The files of a batch of one process that nobody disturbed."""
    folder = tmp_path_factory.mktemp("calm")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tiny_file(folder)
        Path("prompts.txt").write_text("".join(f"{prompt}\n" for prompt in PROMPTS))
        assert start().wait(300) == 0
    return files_of(folder / "toys")


@pytest.mark.slow
def test_a_killed_worker_loses_no_job(home: Path, calm: dict[str, dict[str, bytes]]) -> None:
    process, killed, remarks = start("--jobs", "2"), False, []
    for event in events(process):
        remarks += [event["text"]] if event["event"] == "remark" else []
        if event["event"] == "stepped" and not killed:
            killed = True
            for worker in workers(process):
                worker.kill()
    assert process.wait(60) == 0 and killed
    assert any("was killed; another goes on from the last checkpoint" in text for text in remarks)
    assert files_of(home / "toys") == calm


@pytest.mark.slow
def test_a_batch_that_is_killed_leaves_nobody_behind_and_goes_on(
    home: Path, calm: dict[str, dict[str, bytes]]
) -> None:
    process = start("--jobs", "2")
    assert next(event for event in events(process) if event["event"] == "ended")
    left = workers(process)
    process.kill()
    process.wait(60)
    assert len(left) == 2 and psutil.wait_procs(left, timeout=60)[1] == []
    again = start("--jobs", "2")
    opened = next(events(again))
    assert (opened["event"], opened["total"], opened["done"]) == (
        "opened",
        3,
        len(Ledger(home / "toys").rows),
    )
    assert opened["done"] >= 1 and [event for event in events(again)][-1]["left"] == 0
    assert again.wait(60) == 0
    assert files_of(home / "toys") == calm


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_request_to_stop_keeps_checkpoints_and_says_how_to_go_on(
    home: Path, calm: dict[str, dict[str, bytes]], jobs: str
) -> None:
    process, told, asked = start("--jobs", jobs), [], False
    for event in events(process):
        told.append(event)
        if event["event"] == "stepped" and not asked:
            process.send_signal(signal.SIGINT)
            asked = True
    assert process.wait(60) == 130
    assert "stopped; go on with: dreamlab batch prompts.txt --out toys" in told[-2]["text"]
    assert told[-1]["left"] >= 1 and (home / "toys" / "index.html").is_file()
    begun = runs_in(home / "toys")
    assert begun and all(any((run / "checkpoints").iterdir()) for run in begun[:1])
    again = start("--jobs", jobs)
    assert [event for event in events(again)][-1]["done"] == 3 and again.wait(60) == 0
    assert files_of(home / "toys") == calm


@pytest.mark.slow
def test_a_worker_that_dies_over_the_same_job_again_and_again_has_failed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIES_OVER", "a cup")
    process = start("--jobs", "2")
    last = [event for event in events(process)][-1]
    assert process.wait(60) == 2
    assert (last["done"], last["failed"], last["left"]) == (2, 1, 0)
    (failed,) = (row for row in Ledger(home / "toys").rows.values() if row.state == "failed")
    assert failed.prompt == "a cup" and "3 processes were killed over it" in failed.error


@pytest.mark.slow
def test_a_budget_of_time_ends_a_batch_that_goes_on_later(
    home: Path, calm: dict[str, dict[str, bytes]]
) -> None:
    process = start("--budget", "0.001s")
    told = [event for event in events(process)]
    assert process.wait(60) == 0
    assert told[-1]["left"] == 3 and "the time is used up; go on with" in told[-2]["text"]
    assert start("--budget", "1h").wait(300) == 0
    assert files_of(home / "toys") == calm
