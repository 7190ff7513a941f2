"""Completion, by the shells themselves: the script that is printed is sourced, and a line is completed."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dreamlab.cli.completers import _aliases, formats
from dreamlab.cli.completion import SHELLS
from dreamlab.priors.diffusers.aliases import ALIASES
from tests.cli.shelf import command, make_run

pytest.importorskip("argcomplete", reason="argcomplete is an extra")
ROOT = Path(__file__).parents[2]
BASH = """
source ./script
while read -r COMP_LINE; do
    COMP_LINE=${COMP_LINE%.}; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9; COMPREPLY=()
    _python_argcomplete dreamlab
    echo "${COMPREPLY[*]}"
done
"""


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs and one in the trash, `dreamlab` as a command, and the scripts."""
    home = tmp_path_factory.mktemp("home")
    for prompt in ("a red mushroom", "a blue car", "a cat"):
        make_run(home / "outputs", prompt)
    assert command("rm", "3", "--yes", "--quiet", "--out", str(home / "outputs")) == 0
    (home / "bin").mkdir()
    (home / "bin" / "dreamlab").write_text(f'#!/bin/sh\nexec {sys.executable} -m dreamlab "$@"\n')
    (home / "bin" / "dreamlab").chmod(0o755)
    return home


def environment(home: Path) -> dict[str, str]:
    path = f"{home / 'bin'}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(home), "TERM": "dumb"}


def script(home: Path, shell: str, capsys: pytest.CaptureFixture[str]) -> Path:
    capsys.readouterr()
    assert command("completion", shell) == 0
    (home / "script").write_text(capsys.readouterr().out)
    return home / "script"


CASES = {
    "dreamlab re": "resume render",
    "dreamlab resume ": "0001-a-red-mushroom 0002-a-blue-car latest",
    "dreamlab compare 0001-a-red-mushroom 0002": "0002-a-blue-car ",
    "dreamlab rm --restore ": "0003-a-cat latest",
    "dreamlab run x --preset qua": "quality ",
    "dreamlab run x --prior sd1": "sd15 ",
    "dreamlab run x --export glb,s": "glb,stl glb,splat.ply",
    "dreamlab run x --set stages.shape.ste": "stages.shape.steps=",
    "dreamlab run x --set saving.keep": "saving.keep=",  # no preset names it, but the latest run does
    "dreamlab list --la": "--last ",
    "dreamlab resume --out nowhere ": "",
}


@needs("bash")
def test_bash_completes_commands_runs_and_values(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script(home, "bash", capsys)
    lines = "".join(f"{line}.\n" for line in CASES)  # the full stop keeps the blank at the end
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH], input=lines, cwd=home, env=environment(home), capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip
    assert dict(zip(CASES, done.stdout.splitlines(), strict=True)) == CASES, done.stderr


@needs("fish")
def test_fish_completes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script(home, "fish", capsys)
    line = 'source script; complete -C "dreamlab resume 0002"; complete -C "dreamlab completion fi"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", line], cwd=home, env=environment(home), capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert [row.split("\t")[0].strip() for row in done.stdout.splitlines()] == ["0002-a-blue-car", "fish"]


@needs("zsh")
def test_zsh_completes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person at a terminal: what Tab makes of `dreamlab completion fi` is run, and prints fish's script."""
    script(home, "zsh", capsys)
    parent, child = pty.openpty()
    with subprocess.Popen(
        ["zsh", "-f", "-i"], cwd=home, env=environment(home), stdin=child, stdout=child, stderr=child,
        start_new_session=True,
    ) as shell:  # fmt: skip
        os.close(child)
        os.write(parent, b"autoload -U compinit; compinit -u -D; source ./script; echo rea''dy\n")
        assert "ready" in until(parent, "ready\r")
        os.write(parent, b"dreamlab completion fi\t\n")
        assert "__fish_dreamlab_complete" in until(parent, "__fish_dreamlab_complete")
        shell.kill()
    os.close(parent)


def until(terminal: int, words: str) -> str:
    """What is written until these words come, or two minutes are over."""
    text, end = "", time.monotonic() + 120
    while words not in text and time.monotonic() < end:
        if select.select([terminal], [], [], 1)[0]:
            text += os.read(terminal, 65536).decode(errors="replace")
    return text


@pytest.mark.parametrize("shell", SHELLS)
def test_without_its_package_completion_says_how_to_get_it(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("argcomplete", "argcomplete.shell_integration"):
        monkeypatch.setitem(sys.modules, name, None)
    assert command("completion", shell) == 2
    assert "pip install 'dreamlab[completion]'" in capsys.readouterr().err
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    assert command("list") == 1 and capsys.readouterr().out == ""  # Tab never runs a command


def test_a_list_of_formats_is_completed_at_its_end_without_what_it_has() -> None:
    assert {"glb", "obj"} <= set(formats("")) and "glb,obj" in formats("glb,")
    assert "glb,glb" not in formats("glb,") and "glb,obj,stl" in formats("glb,obj,s")


def test_priors_are_those_of_the_package_and_nothing_heavy_is_loaded_for_them(home: Path) -> None:
    assert _aliases() == [known.name for known in ALIASES]
    code = (
        "import argparse, sys, dreamlab.cli.completers as c\n"
        "args = argparse.Namespace(out=None, preset='fast')\n"
        "assert c.runs(args) and c.settings(args) and c.presets() and c._aliases()\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=home, env=environment(home), capture_output=True)
    assert done.returncode == 0, done.stderr
