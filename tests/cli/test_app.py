"""dreamlab app: where it listens, and when it opens a browser."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from dreamlab.cli import app, serve
from dreamlab.cli import open as command_open
from tests.cli.shelf import command


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that a browser was asked to open, by a program that stays as long as somebody waits."""
    found: list[str] = []

    class Stays:
        def __init__(self, words: list[str], **how: Any) -> None:
            found.append(words[-1])

        def wait(self, seconds: float) -> int:
            assert seconds == 0, "the server's start waits for the browser"
            raise subprocess.TimeoutExpired("opener", seconds)

    monkeypatch.setattr(command_open.subprocess, "Popen", Stays)
    return found


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have listened: settings, routers; as if its address could be asked at once."""
    found: list[Any] = []

    def listen(args: Any, settings: Any, routers: Any, ready: Any) -> int:
        found.extend([settings, routers])
        ready("http://127.0.0.1:8420")
        return 0

    monkeypatch.setattr(app, "serve", listen)
    return found


def test_it_listens_to_this_machine_alone_over_the_runs_of_the_folder(
    started, opened, tmp_path: Path
) -> None:
    assert command("app", "--out", str(tmp_path), "--no-browser") == 0
    settings, routers = started
    assert settings.root == tmp_path and settings.workers == 1 and settings.guard.token is None
    assert set(settings.guard.hosts) == {"localhost", "127.0.0.1", "::1"} and opened == []
    assert {route.path for router in routers for route in router.routes} >= {
        "/",
        "/v1/runs",
        "/v1/runs/{name}/export",
    }


def test_beyond_this_machine_it_wants_a_token(started, opened, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.delenv(serve.TOKEN, raising=False)
    assert command("app", "--out", str(tmp_path), "--host", "0.0.0.0") == 2
    assert "there is no token" in capsys.readouterr().err and started == [] and opened == []


@pytest.mark.parametrize(
    ("platform", "screen", "shown"),
    [("linux", "DISPLAY", True), ("linux", "BROWSER", True), ("linux", None, False), ("darwin", None, True)],
)
def test_a_browser_opens_where_there_is_one_with_a_screen(
    platform: str,
    screen: str | None,
    shown: bool,
    opened,
    started,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    if screen:
        monkeypatch.setenv(screen, ":0")
    assert command("app", "--out", str(tmp_path)) == 0
    assert opened == (["http://127.0.0.1:8420"] if shown else [])


def test_without_its_packages_it_names_the_extra(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dreamlab.server.api", None)
    assert command("app", "--out", str(tmp_path)) == 2
    assert "pip install 'dreamlab[serve]'" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_ends_it_at_once_though_pages_listen(tmp_path: Path) -> None:
    words = ["app", "--out", str(tmp_path), "--no-browser", "--port", "0", "--workers", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dreamlab", *words], stdout=PIPE, stderr=PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        asked = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        asked.request("GET", "/v1/events")
        listening = asked.getresponse()
        assert listening.status == 200
        process.send_signal(signal.SIGINT)
        assert listening.read().strip() == b""
        asked.close()
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert told == "dreamlab: interrupted\n"
