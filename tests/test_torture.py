"""The script that tries to lose runs notices when one is lost, and loses none itself."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

SCRIPTS = Path(__file__).parent.parent / "scripts"
sys.path.insert(0, str(SCRIPTS))
from torture_report import Figures, table  # noqa: E402
from torture_tools import Outcome, command, damaged, wrong_settings  # noqa: E402


def raising() -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("before", "wrong"), [(None, ""), (raising, "traceback"), (lambda: os._exit(3), "traceback")]
)
def test_what_a_command_does_wrong_is_noticed(tmp_path: Path, before, wrong: str) -> None:
    assert command(["--version"], tmp_path, before=before).wrong == wrong


def test_a_command_that_hangs_is_ended_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torture_tools.HANGS", 0.2)
    done = command(["--version"], tmp_path, before=lambda: time.sleep(60), limit=0.5)
    assert done.code == -9 and done.wrong == "hang"


def test_memory_and_bugs_are_counted() -> None:
    assert Outcome(0, "", "", 1, 2**33).wrong == "memory"
    assert Outcome(1, "", "dreamlab: this is a bug in dreamlab: x", 1, 0).wrong == "traceback"
    assert Outcome(2, "", "dreamlab: no", 1, 0).wrong == "" == Outcome(0, "", "", 1, 0).wrong


def test_the_same_seed_makes_the_same_wrongs() -> None:
    values = {"seed": 3, "stages": [{"name": "shape", "steps": 4}]}
    for make in (lambda r: damaged(b"some bytes" * 50, r), lambda r: wrong_settings(values, r)):
        assert make(random.Random(5)) == make(random.Random(5)) != make(random.Random(6))
    assert yaml.safe_dump(values) not in {wrong_settings(values, random.Random(n)) for n in range(20)}


def test_the_page_has_a_row_for_each_sort() -> None:
    figures = Figures("kills", 7)
    figures.failed("lost", "0001")
    figures.counts["SIGHUP"] += 2
    assert "| kills | 7 | 1 | 0 | 0 | 0 | 0 | 2 SIGHUP |" in table([figures], 3, 120)


@pytest.mark.slow
def test_a_short_torture_loses_nothing(tmp_path: Path) -> None:
    line = [sys.executable, str(SCRIPTS / "torture.py"), "--kills", "6", "--faults", "2", "--inputs", "20"]
    line += ["--minutes", "5", "--write", str(tmp_path / "page.md")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=900)
    assert "| kills | 6 | 0 |" in (tmp_path / "page.md").read_text(), done.stderr
    assert done.returncode == 0, done.stderr
