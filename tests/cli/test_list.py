"""dreamlab list: what folders say of themselves, however they were left."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from dreamlab.cli.list import when
from dreamlab.run.folders import at_work_on, locked
from dreamlab.run.glance import glance, quick_yaml
from dreamlab.run.presets import parse_yaml
from dreamlab.run.run_dir import RunDir
from tests.cli.shelf import command, make_run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    return tmp_path / "outputs"


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert command("list", "--json", *arguments) == 0
    return json.loads(capsys.readouterr().out)


def test_what_was_finished_stopped_and_failed_is_told_apart(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(home, "a red mushroom")
    make_run(home, "a blue car", steps=7, finished=False)
    make_run(home, "a green tree", steps=3, finished=False, failed="the object collapsed")
    make_run(home, "a moon", steps=0, finished=False, preset=None)
    rows = listed(capsys)["runs"]
    assert [(r["number"], r["prompt"], r["state"], r["step"], r["steps"]) for r in rows] == [
        (1, "a red mushroom", "done", 12, 12),
        (2, "a blue car", "stopped", 7, 12),
        (3, "a green tree", "failed", 3, 12),
        (4, "a moon", "stopped", None, 12),
    ]
    assert [row["preset"] for row in rows] == ["fast", "fast", "fast", None]
    assert rows[0]["seconds"] == 103.0 and rows[0]["faces"] == 300  # parts of a phase do not count twice
    assert rows[1]["seconds"] is rows[1]["faces"] is None and rows[1]["stage"] == "shape"
    assert rows[2]["why"] == "the object collapsed" and rows[0]["started"] == "2024-05-17T08:30:00Z"


def test_a_run_that_goes_on_with_more_steps_is_no_longer_done(home: Path) -> None:
    run = make_run(home)
    config = RunDir(run).config()
    longer = config.stages[0].model_copy(update={"steps": 100})
    RunDir(run).change(config.model_copy(update={"stages": (longer, *config.stages[1:])}))
    assert (glance(run).state, glance(run).steps) == ("stopped", 104)


def test_a_run_that_is_worked_on_is_running_and_looking_does_not_disturb_it(home: Path) -> None:
    run = make_run(home, steps=4, finished=False)
    with locked(run):
        assert at_work_on(run) and glance(run).state == "running"
    assert not at_work_on(run) and glance(run).state == "stopped"


def test_a_failure_in_a_run_is_written_down_and_a_stop_is_not(home: Path) -> None:
    run = RunDir(make_run(home, steps=4, finished=False))
    with pytest.raises(KeyboardInterrupt), run.at_work():
        raise KeyboardInterrupt
    assert glance(run.path).state == "stopped"
    with pytest.raises(ValueError, match="two"), run.at_work():
        raise ValueError("two\nlines")
    assert (glance(run.path).state, glance(run.path).why) == ("failed", "two lines")
    with run.at_work():
        import logging

        logging.getLogger("dreamlab").info("going on")
    assert glance(run.path).state == "stopped"


def test_the_preset_of_an_older_run_is_that_of_its_command_line(home: Path) -> None:
    run = make_run(home)
    for words, preset in [
        (["run", "a cat", "--preset", "quality"], "quality"),
        (["run", "--preset=fast", "a cat"], "fast"),
        (["run", "a cat"], None),
        (["resume", "--preset", "x"], None),
        (["run", "a cat", "--preset"], ""),
        ("run", None),
    ]:
        (run / "environment.json").write_text(json.dumps({"arguments": words}))
        assert glance(run).preset == preset


def test_damaged_folders_are_told_in_one_line_each_and_end_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(home, "a red mushroom")
    damages = {
        "0002-empty": None,
        "0003-latin": b"prompt: caf\xe9\n",
        "0004-no-yaml": b"prompt: [\n",
        "0005-list": b"- 1\n",
        "0006-no-stages": b"prompt: a cat\n",
        "0007-deep": b"[" * 100_000,
        "0008-deep": b"- " * 200_000,
        "0009-deep": b"".join(b" " * k + b"a:\n" for k in range(900)),
        "0010-huge": b"a" * 2_000_000,
        "0011-control": b"prompt: \x00\n",
    }
    for name, content in damages.items():
        (home / name).mkdir()
        if content is not None:
            (home / name / "config.yaml").write_bytes(content)
    (home / "0012-a-file").write_text("no folder")
    (home / "notes").mkdir()
    assert command("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "a red mushroom" in lines[1] and len(lines) == 2 + len(damages)
    for name, line in zip(damages, sorted(lines[2:]), strict=True):
        assert line.startswith(f"{name}: ") and len(line) < 200


@pytest.mark.parametrize("name", ["environment.json", "summary.json", "metrics.jsonl", "log.txt"])
@pytest.mark.parametrize(
    "content", [None, b"", b"\xff\x00", b"[" * 100_000, b"[]", b"null", b'{"seconds": 3, "measures": []}']
)
def test_whatever_else_is_missing_or_damaged_is_only_not_known(
    home: Path, name: str, content: bytes | None
) -> None:
    run = make_run(home)
    (run / name).unlink()
    if content is not None:
        (run / name).write_bytes(content)
    found = glance(run)
    assert found.prompt == "a red ball" and found.steps == 12
    says_nothing = name == "summary.json" and not (content or b"").startswith(b"{")
    assert found.state == ("stopped" if says_nothing else "done")


def test_the_quick_reader_of_yaml_reads_what_the_careful_one_reads(home: Path) -> None:
    text = (make_run(home) / "config.yaml").read_text()
    assert quick_yaml(text, "x") == parse_yaml(text, "x")


def test_runs_are_found_by_all_their_words_and_by_their_age(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(home, "a red mushroom")
    make_run(home, "a brown Mushroom", finished=False, steps=2)
    make_run(home, "a red car")

    def numbers(*words: str) -> list[int]:
        return [run["number"] for run in listed(capsys, *words)["runs"]]

    assert numbers("mushroom") == [1, 2] and numbers("MUSHROOM", "done") == [1]
    assert numbers("--last", "2") == [2, 3] and numbers("red", "--last", "1") == [3]
    assert numbers("--last", "9") == [1, 2, 3] and numbers("0002") == [2]
    assert command("list", "dragon") == 0
    assert capsys.readouterr().out == "none of 3 runs has 'dragon' in outputs\n"
    assert command("list", "--last", "0") == 2


def test_an_empty_or_missing_folder_is_said_to_be_so(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("list") == 0
    assert capsys.readouterr().out == "there are no runs in outputs\n"
    home.write_text("a file")
    assert command("list") == 2 and "is no folder" in capsys.readouterr().err


def test_quiet_prints_folders_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(home, "a red mushroom")
    make_run(home, "a blue car")
    assert command("list", "--quiet", "car") == 0
    assert capsys.readouterr().out == "outputs/0002-a-blue-car\n"


def test_a_pipe_gets_one_whole_line_a_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "a very " * 40 + "long worm"
    make_run(home, long, finished=False, failed="no room\nat all", steps=3)
    assert command("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and long in lines[1] and "failed 3/12" in lines[1]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_run_fits_a_narrow_terminal_and_keeps_all_words_of_its_prompt(
    width: int, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "a tall lighthouse with red stripes and a white balcony".split()
    make_run(home, " ".join(words), finished=False, steps=7)
    make_run(home, "赤いきのこの家", finished=False, failed="x" * 300, steps=7)
    monkeypatch.setenv("COLUMNS", str(width))
    assert command("list") == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width and all(word in out for word in words)
    assert "stopped 7/12" in out and "failed 7/12" in out
    assert ("preset" in out) == (width >= 80)


def test_a_prompt_cannot_write_to_the_terminal(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(home)
    text = (run / "config.yaml").read_text().replace("a red ball", '"\\e]0;owned\\a [bold]a ball"')
    (run / "config.yaml").write_text(text)
    (home / "0002-\x1b[31m").mkdir()
    assert command("list") == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\\x1b" in out and "[bold]" in out


def test_on_a_terminal_states_have_colours(home: Path) -> None:
    make_run(home)
    parent, child = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
    line = [sys.executable, "-m", "dreamlab", "list", "--out", str(home)]
    environment |= {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
    with subprocess.Popen(line, stdout=child, stderr=subprocess.STDOUT, env=environment) as process:
        assert process.wait(60) == 0
        os.close(child)
        text = os.read(parent, 65536).decode()
    os.close(parent)
    assert "\x1b[32mdone" in text


def test_listing_loads_neither_torch_nor_numpy(home: Path) -> None:
    make_run(home)
    code = (
        "import sys, dreamlab.cli as c\n"
        "c.main(['list'])\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'jaxtyping'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and "a red ball" in done.stdout, done.stderr


def test_times_are_told_shortly() -> None:
    now = datetime(2026, 6, 15, 18, 0, tzinfo=timezone.utc).astimezone()
    earlier = now - timedelta(hours=1)
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    assert when(earlier.astimezone(timezone.utc).strftime(stamp), now) == earlier.strftime("%H:%M")
    assert when("2026-02-03T12:00:00Z", now) == "3 Feb" and when("2024-05-17T12:00:00Z", now) == "2024-05"
    assert when("yesterday", now) == when(None, now) == ""
