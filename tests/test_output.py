"""What is told, where the telling itself fails, and what a name may not do to a terminal."""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from known import red_ball_prior, small_config
from rich.console import Console
from test_cli import ENVIRONMENT, HERE, command, events, home, write_small  # noqa: F401

from dreamlab.cli import main
from dreamlab.cli.console import JsonView, RichView
from dreamlab.cli.memory import FEWER, explained
from dreamlab.cli.stopping import Interrupted, StopRequest
from dreamlab.cli.tell import tell_files, visible
from dreamlab.core.memory import out_of_memory
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run.events import Event, Finished, Note, Step
from dreamlab.run.resolve import assign, from_values, resolve

RUN = [sys.executable, str(HERE / "run_known.py"), "NONE", "0"]


# ---- an output that cannot be written ----

SAYING = [["run", "a red ball", "--config", "small.yaml", "--json"],
          pytest.param(["run", "a red ball", "--config", "small.yaml"], marks=pytest.mark.slow),
          pytest.param(["run", "a red ball", "--config", "small.yaml", "--quiet"], marks=pytest.mark.slow),
          ["run", "a red ball", "--config", "small.yaml", "--dry-run"],
          ["run", "", "--json"], ["priors", "--json"], ["doctor"], ["resume", "7", "--json"]]  # fmt: skip


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", SAYING, ids=" ".join)
def test_a_full_output_is_one_plain_line(tmp_path: Path, arguments: list[str]) -> None:
    write_small(tmp_path)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*RUN, *arguments],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
            timeout=300,
        )
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("dreamlab: ")


def test_a_run_whose_output_fills_up_keeps_a_checkpoint(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    show = JsonView.show

    def full(self: JsonView, event: Event) -> None:
        if isinstance(event, Step) and event.done == 5:
            raise OSError(28, "No space left on device")
        show(self, event)

    monkeypatch.setattr(JsonView, "show", full)
    assert command("run", "a red ball", "--config", "small.yaml", "--json") == 2
    assert (home / "outputs/0001-a-red-ball/checkpoints/000005").is_dir()
    monkeypatch.setattr(JsonView, "show", show)
    assert command("resume", "--json") == 0


# ---- a terminal that closes ----


def test_a_closed_terminal_keeps_a_checkpoint(tmp_path: Path) -> None:
    """As the system does it: the terminal's master goes, SIGHUP comes, and writing to it fails."""
    write_small(tmp_path)
    master, slave = os.openpty()
    line = [*RUN, "run", "a red ball", "--config", "small.yaml", "--json", "--set", "stages.0.steps=3000"]
    process = subprocess.Popen(line, cwd=tmp_path, stdout=slave, stderr=slave, env=ENVIRONMENT,
                               start_new_session=True)  # fmt: skip
    os.close(slave)
    said = b""
    while b'"step": 4,' not in said:
        said += os.read(master, 4096)
    os.close(master)
    for _ in range(3):  # a shell and the system both send it
        process.send_signal(signal.SIGHUP)
        time.sleep(0.005)
    assert process.wait(60) in (129, 2)  # the failing write may be noticed first
    (run,) = (tmp_path / "outputs").iterdir()
    done = len((run / "metrics.jsonl").read_text().splitlines())
    assert done >= 4 and sorted(p.name for p in (run / "checkpoints").iterdir())[-1] == f"{done:06d}"


@pytest.mark.parametrize(("first", "second", "raises"), [
    ("HUP", "HUP", False), ("HUP", "TERM", False), ("TERM", "HUP", False),
    ("INT", "INT", True), ("INT", "TERM", True),
])  # fmt: skip
def test_a_second_request_is_impatience_but_for_a_closed_terminal(
    first: str, second: str, raises: bool
) -> None:
    before = signal.getsignal(signal.SIGHUP)
    with StopRequest(patient=True) as stop:
        os.kill(os.getpid(), getattr(signal, f"SIG{first}"))
        try:
            os.kill(os.getpid(), getattr(signal, f"SIG{second}"))
            time.sleep(0.01)
            assert not raises
        except Interrupted:
            assert raises
        assert stop.signal == getattr(signal, f"SIG{first}")
    assert signal.getsignal(signal.SIGHUP) == (signal.SIG_IGN if first == "HUP" else before)


@pytest.mark.parametrize(("said", "after"), [
    (errno.EIO, signal.SIG_IGN), (errno.EPIPE, signal.SIG_IGN), (errno.ENOSPC, signal.SIG_DFL),
])  # fmt: skip
def test_a_hang_up_may_come_after_the_failing_write(said: int, after: signal.Handlers) -> None:
    with pytest.raises(OSError), StopRequest(patient=True):
        raise OSError(said, os.strerror(said))
    assert signal.getsignal(signal.SIGHUP) == after


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.signal is None
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


# ---- names and captions ----


@given(st.text())
def test_nothing_that_moves_a_terminal_is_left(text: str) -> None:
    shown = visible(text)
    assert all(c == "\n" or (c.isprintable() or c.isspace() or ord(c) > 0x9F) for c in shown)
    assert not set(shown) & {chr(c) for c in (*range(10), *range(11, 32), *range(127, 160), 0x202E, 0x2066)}
    shown.encode()


def test_what_can_be_shown_is_left_as_it_is_and_the_rest_is_spelt_out() -> None:
    assert visible("ein süßer Käse 赤 🍄\n") == "ein süßer Käse 赤 🍄\n"
    assert visible("a\x1b[31mb\x07\r\x9b2J") == "a\\x1b[31mb\\x07\\x0d\\x9b2J"
    assert visible(os.fsdecode(b"caf\xe9.glb")) == "caf\\xe9.glb" and visible("\u202ex") == "\\u202ex"


EVIL = "a\x1b]0;owned\x07\x1b[2Jb"


def test_no_event_reaches_the_terminal_with_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    import io

    out = io.StringIO()
    with RichView(Console(file=out, width=200), EVIL) as view:
        view.show(Note(EVIL))
        view.show(Finished(Path(EVIL), {"glb": Path(EVIL) / "mesh.glb"}, {"load": 1.0}))
    assert "\x1b" not in out.getvalue() and "\x07" not in out.getvalue() and "\\x1b[2Jb" in out.getvalue()
    for quiet in (False, True):
        tell_files(argparse.Namespace(json=False, quiet=quiet), {"glb": Path(os.fsdecode(b"caf\xe9.glb"))})
    assert capsys.readouterr().out == "glb        caf\\xe9.glb\ncaf\\xe9.glb\n"


@pytest.mark.parametrize("arguments", [
    ["resume", EVIL], ["export", EVIL + ".glb"], ["run", "x", "--config", EVIL], [EVIL],
    ["run", "x", "--preset", EVIL], ["run", "x", "--set", EVIL], ["run", "x", "--set", f"seed={EVIL}"],
    ["run", "x", "--out", EVIL, EVIL],
])  # fmt: skip
def test_no_complaint_reaches_the_terminal_with_control_characters(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]  # noqa: F811
) -> None:
    assert command(*arguments) == 2
    said = capsys.readouterr()
    assert said.err and not set(said.err + said.out) & {"\x1b", "\x07"}


# ---- memory ----


def huge_torch() -> None:
    torch.empty(2**60)


def huge_numpy() -> None:
    np.zeros(2**55)


def huge_python() -> None:
    bytearray(2**60)


def cuda() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


@pytest.mark.parametrize("allocate", [huge_torch, huge_numpy, huge_python, cuda])
def test_memory_that_runs_out_is_no_bug(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, allocate  # noqa: F811
) -> None:
    prior = red_ball_prior()

    def denoise(*_: object, **__: object) -> None:
        allocate()

    prior.denoise = denoise  # type: ignore[method-assign]
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": prior)
    assert command("run", "a cat", "--config", "small.yaml", "--quiet", "--set", "stages.0.views=8") == 2
    line = capsys.readouterr().err
    assert "not enough memory for the stage 'shape'" in line and line.count("\n") == 1
    assert "--set stages.shape.views=4" in line or "not enough memory" in line
    assert command("run", "a cat", "--config", "small.yaml", "--dry-run") == 0
    assert "# optimisation: unknown: there is not enough memory" in capsys.readouterr().out


def test_other_errors_are_not_taken_for_it() -> None:
    others = RuntimeError("mat1 and mat2"), ValueError("out of memory"), OSError(28, "")
    assert not any(map(out_of_memory, others))
    assert out_of_memory(OSError(12, "Cannot allocate memory"))


def test_the_mend_names_a_setting_of_the_part_that_was_too_large() -> None:
    config = small_config()
    for phase, mend in (("shape", "stages.shape.views=2"), ("extract", "--preset fast"), ("load", "--vram")):
        assert mend in str(explained(MemoryError(), config, phase, "outputs/1"))


def test_the_mend_begins_with_the_priors_memory_and_ends_with_the_views_size() -> None:
    """Each advice followed leads to the next, and the last one to what holds anywhere."""
    config = resolve("a cat", preset="pretrained", settings={"prior": {"kind": "sdxl", "model": "sdxl"}})
    told = []
    for _ in range(6):
        text = str(explained(MemoryError(), config, "shape", "outputs/1"))
        advice = text.partition("resume outputs/1 --set ")[2].rstrip(".")
        told.append(advice)
        if not advice:
            break
        values = config.model_dump(mode="json", by_alias=True)
        assign(values, advice)
        config = from_values(values)
    assert told == [
        "prior.vram=12", "prior.vram=8", "prior.vram=6", "stages.shape.size=64", "stages.shape.size=32", "",
    ]  # fmt: skip
    assert FEWER in text


# ---- the dry run ----


@pytest.mark.parametrize("setting", ["stages.0.views=1024", "stages.0.size={start: 8, end: 1024}"])
def test_a_step_too_large_to_be_timed_is_said_to_be(
    home: Path, capsys: pytest.CaptureFixture[str], setting: str  # noqa: F811
) -> None:
    more = ("--set", "renderer.samples=1024", "--set", setting)
    assert command("run", "a cat", "--config", "small.yaml", "--dry-run", "--json", *more) == 0
    (row,) = events(capsys.readouterr().out)
    assert "too large to be timed" in row["cost"]["optimisation"] and row["cost"]["steps"] == 12


def test_timing_is_given_up_where_it_takes_too_long(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    from dreamlab.cli import dry_run

    prior = red_ball_prior()
    prior.denoise = lambda *_, **__: time.sleep(60)  # type: ignore[method-assign,assignment]
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": prior)
    monkeypatch.setattr(dry_run, "_PATIENCE", 0.2)
    assert command("run", "a cat", "--config", "small.yaml", "--dry-run") == 0
    assert "# optimisation: unknown: the timed steps take longer than 0 s" in capsys.readouterr().out
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("prior", [
    ["--prior", "sd21"], ["--prior", "nobody/model"], ["--preset", "dreamfusion"], ["--preset", "mvdream"],
    ["--preset", "rfds-sd3"],
])  # fmt: skip
def test_a_dry_run_never_asks_the_hub(
    home: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    prior: list[str],
) -> None:
    import socket

    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, asked)
    monkeypatch.setattr(socket, "getaddrinfo", asked)
    code = command("run", "a cat", *prior, "--dry-run", "--json")
    (row,) = events(capsys.readouterr().out)
    assert code in (0, 2) and "network was asked" not in json.dumps(row)
    if code == 0:
        assert row["cost"]["optimisation"].startswith("unknown: ")


# ---- others ----


@pytest.mark.parametrize(
    "counts", [["--per-noun", "0", "--scenes", "0"], ["--per-noun", "-3", "--scenes", "-1"]]
)
def test_a_corpus_of_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], counts: list[str]
) -> None:
    assert main(["studio", "gather", str(tmp_path / "corpus"), *counts]) == 2
    line = capsys.readouterr().err
    assert "the corpus would be empty" in line or "--per-noun cannot be used" in line
    assert line.count("\n") == 1
    assert not (tmp_path / "corpus").exists()
