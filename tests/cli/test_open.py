"""dreamlab open: something opens it, or its path is there; and nothing waits for a program."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from dreamlab.cli import open as command_open
from tests.cli.shelf import command, make_run

OPENER = "#!/bin/sh\necho \"$@\" >> {log}\n{then}\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Linux desktop without any program; `opener` puts one there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("DISPLAY", ":0")
    for name in ("BROWSER", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return Path("outputs")


def opener(name: str, then: str = "exit 0") -> Path:
    """A program that writes down what it is asked to open; the file."""
    path, log = Path("bin", name), Path(name + ".log").resolve()
    path.write_text(OPENER.format(log=log, then=then))
    path.chmod(0o755)
    return log


@pytest.mark.parametrize(
    ("option", "name"), [((), "report.html"), (("--mesh",), "mesh.glb"), (("--folder",), "")]
)
def test_the_desktop_is_asked_for_the_report_the_mesh_or_the_folder(
    option: tuple[str, ...], name: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, log = make_run(home), opener("xdg-open")
    assert command("open", "1", *option) == 0
    told = capsys.readouterr()
    assert told.out == f"{run / name}\n" and told.err == ""
    assert log.read_text() == f"{(run / name).resolve()}\n"


def test_the_latest_run_is_opened_where_none_is_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(home), make_run(home, "a cat")
    opener("xdg-open")
    assert command("open", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"event": "opened", "path": "outputs/0002-a-cat/report.html"}


@pytest.mark.parametrize("without", ["DISPLAY", "xdg-open"])
def test_where_there_is_no_screen_or_program_the_path_is_printed(
    without: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(home)
    if without == "DISPLAY":
        monkeypatch.delenv("DISPLAY")
        log = opener("xdg-open")
    assert command("open", "--mesh") == 0
    told = capsys.readouterr()
    assert told.out == f"{run}/mesh.glb\n" and "not opened: there is no screen" in told.err
    assert without != "DISPLAY" or not log.exists()
    assert command("open", "--mesh", "--json") == 0
    assert json.loads(capsys.readouterr().out)["event"] == "not opened"


def test_an_opener_that_fails_is_told_and_the_path_printed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(home)
    opener("xdg-open", "exit 3")
    assert command("open") == 0
    told = capsys.readouterr()
    assert told.out == f"{run}/report.html\n" and "xdg-open says no (3)" in told.err


def test_a_program_that_stays_is_not_waited_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(home)
    monkeypatch.setattr(command_open, "_PATIENCE", 0.3)
    opener("xdg-open", f"echo $$ > {Path('pid').resolve()}; exec {'/bin/sleep'} 600")
    assert command("open") == 0
    deadline = time.monotonic() + 20
    while not Path("pid").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    pid = int(Path("pid").read_text())
    assert os.getsid(pid) != os.getsid(0)  # a closed terminal does not take it along
    os.kill(pid, 9)


def test_a_browser_that_was_chosen_is_asked_even_without_a_screen(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, log = make_run(home), opener("mine")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.setenv("BROWSER", f"{Path('bin/mine').resolve()} %s")
    assert command("open") == 0
    assert log.read_text().split() == [(run / "report.html").resolve().as_uri()]


def test_what_a_run_has_not_written_yet_is_said_with_how_far_it_is(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(home, finished=False, steps=7)
    assert command("open") == 2
    told = capsys.readouterr().err
    assert "came to step 7 of 12; go on with: dreamlab resume outputs/0001-a-red-ball" in told
    (make_run(home, "a cat") / "report.html").unlink()
    assert command("open") == 2
    assert "dreamlab open --folder" in capsys.readouterr().err
    assert command("open", "--mesh", "--folder") == 2 and "not allowed with" in capsys.readouterr().err
