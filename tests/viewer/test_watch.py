"""A run that is watched: the same bytes, and no page, whatever it does, can harm it."""

from __future__ import annotations

import argparse
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from known import red_ball_prior, small_config
from page import Page
from test_pipeline import result, whole_run

from dreamlab.cli import main
from dreamlab.cli.drive import drive
from dreamlab.cli.watching import Watch, Watcher, chosen_watch
from dreamlab.core.errors import UnavailableError
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run.config import RunConfig
from dreamlab.run.events import Event, Note, Step
from dreamlab.run.machine import environment
from dreamlab.run.pipeline import generate
from dreamlab.run.run_dir import RunDir
from dreamlab.viewer import watch
from dreamlab.viewer.server import free_port
from dreamlab.viewer.watch import RunViewer
from dreamlab.viewer.window import Window

HERE = "127.0.0.1"
TINY = small_config(stages={"shape": {"steps": 4}, "colour": {"steps": 2}})


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return result(whole_run(tmp_path_factory.mktemp("reference"), TINY)[0])


@contextmanager
def opened(config: RunConfig) -> Iterator[RunViewer]:
    window = Window(config.prompt, HERE, 0, controls=True)
    try:
        yield RunViewer(window, config, lambda: False)
    finally:
        window.close()


def watched_run(root: Path, viewer: RunViewer, visitor: Callable[[], None]) -> tuple[RunDir, list[Event]]:
    """A run whose events the viewer is shown, while the visitor does in a thread what visitors do."""
    run, events, troubles = RunDir.create(root, viewer.config, environment()), [], []

    def visit() -> None:
        try:
            visitor()
        except BaseException as error:
            troubles.append(error)
            viewer.window.panel.paused = False

    thread = threading.Thread(target=visit, daemon=True)
    thread.start()
    for event in generate(viewer.config, run, red_ball_prior()):
        viewer.show(event)
        events.append(event)
    thread.join(60)
    assert not troubles, troubles
    return run, events


def test_a_watched_run_has_the_bytes_of_an_unwatched_one(tmp_path: Path, reference: dict[str, bytes]) -> None:
    with opened(TINY) as viewer:
        page = Page(viewer.window.url)

        def fidget() -> None:
            shows = ("colour", "normals", "depth", "opacity")
            for turn in range(16):
                page.look(azimuth=0.3 * turn)
                page.choose(shows[turn % 4])
                threading.Event().wait(0.02)
            page.wait(lambda: len(page.pictures) > 2)

        run, _ = watched_run(tmp_path, viewer, fidget)
        page.close()
    assert result(run) == reference


def test_a_paused_run_makes_one_step_at_a_time_and_goes_on(
    tmp_path: Path, reference: dict[str, bytes]
) -> None:
    seen: list[str] = []
    with opened(TINY) as viewer:
        page = Page(viewer.window.url)
        page.click("pause")

        def visit() -> None:
            page.wait(lambda: "shape, step 1 of 4" in page.text and bool(page.pictures))
            seen.append(page.text)
            page.click("one step")
            page.wait(lambda: "shape, step 2 of 4" in page.text)
            threading.Event().wait(0.3)
            seen.append(page.text)
            page.click("go on")

        run, _ = watched_run(tmp_path, viewer, visit)
        page.close()
    assert "step 1 of 4" in seen[0] and "step 2 of 4" in seen[1]
    assert "noise.t_max" in seen[1] and "residual" in seen[1]
    assert result(run) == reference


def test_a_paused_run_that_nobody_looks_at_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "ALONE", 0.3)
    with opened(TINY) as viewer:
        page = Page(viewer.window.url)
        page.click("pause")

        def visit() -> None:
            page.wait(lambda: "step 1 of 4" in page.text)
            page.close()

        _, events = watched_run(tmp_path, viewer, visit)
        assert len([event for event in events if isinstance(event, Step)]) == 6
        assert not viewer.window.panel.paused


def test_pages_that_talk_nonsense_or_vanish_harm_nothing(tmp_path: Path, reference: dict[str, bytes]) -> None:
    with opened(TINY) as viewer:
        first, second = Page(viewer.window.url), Page(viewer.window.url)

        def visit() -> None:
            first.choose("no such pass")
            first.say(b"\x00nonsense")
            first.wait(lambda: first.closed)
            second.wait(lambda: bool(second.pictures))
            second._socket.socket.close()

        run, _ = watched_run(tmp_path, viewer, visit)
    assert result(run) == reference


# ---- from the command line ----


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())


def visiting(port: int, visit: Callable[[Page], Any]) -> threading.Thread:
    """Come as soon as the page is there."""

    def come() -> None:
        for _ in range(1000):
            try:
                page = Page(f"http://{HERE}:{port}")
            except OSError:
                threading.Event().wait(0.05)
                continue
            visit(page)
            page.close()
            return

    thread = threading.Thread(target=come, daemon=True)
    thread.start()
    return thread


@pytest.mark.usefixtures("known")
def test_stop_here_and_export_makes_the_files_of_what_there_is(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "watched", TINY, environment())
    port = free_port(HERE, 0)
    told: list[str] = []

    def visit(page: Page) -> None:
        page.click("stop here and export")
        page.wait(lambda: ">done<" in page.text and bool(page.pictures))
        told.append(page.text)

    thread = visiting(port, visit)
    assert drive(run.config(), run, "quiet", Watch(HERE, port, browser=False)) == 0
    thread.join(60)
    config = run.config()
    assert 0 < config.total_steps < 6 and told and (run.path / "report.html").is_file()
    again = RunDir.create(tmp_path / "set", config, environment())
    assert drive(config, again, "quiet") == 0
    assert result(again) == result(run)


@pytest.mark.usefixtures("known")
def test_a_viewer_that_fails_is_told_of_once_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    reference: dict[str, bytes],
) -> None:  # fmt: skip
    def fail(self: RunViewer, event: Step) -> None:
        raise RuntimeError("out of paint")

    monkeypatch.setattr(RunViewer, "_step", fail)
    run = RunDir.create(tmp_path, TINY, environment())
    assert drive(run.config(), run, "json", Watch(HERE, None, browser=False)) == 0
    assert capsys.readouterr().out.count("the viewer is closed, and the run goes on: out of paint") == 1
    assert "out of paint" in (run.path / "log.txt").read_text()
    assert {k: result(run)[k] for k in ("mesh.obj", "metrics.jsonl")} == {
        k: reference[k] for k in ("mesh.obj", "metrics.jsonl")
    }  # the GLB says what prior it is from


def test_a_port_that_is_taken_is_told_and_is_no_reason_to_stop() -> None:
    told: list[Event] = []
    with socket.socket() as other:
        other.bind((HERE, 0))
        other.listen()
        watcher = Watcher(Watch(HERE, other.getsockname()[1], False), TINY, lambda: False)
        watcher.begin(told.append)
    watcher.show(Note("nobody sees this"))
    watcher.linger()
    assert watcher.finish() is False
    (note,) = told
    assert isinstance(note, Note) and "cannot listen" in note.text and "--port" in note.text


def test_view_without_viser_is_refused_before_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:

    monkeypatch.setitem(sys.modules, "viser", None)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "a red ball", "--preset", "fast", "--view", "--out", "runs"]) == 2
    assert not (tmp_path / "runs").exists()
    with pytest.raises(UnavailableError, match=r"dreamlab\[view\]"):
        chosen_watch(argparse.Namespace(view=True))
