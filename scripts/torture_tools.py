"""What scripts/torture.py works with: commands that can be struck down, and inputs that are wrong.

A command runs in a fork of a process that has loaded everything already, so that hundreds of runs take
minutes. Nothing is computed in that process itself: torch's threads do not survive a fork.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]
HANGS = 20.0
"""Seconds after which a command counts as hanging."""
TOO_MUCH = 4 * 2**30
"""Bytes of memory that no small input may take."""
NASTY = (
    ".inf", "-.inf", ".nan", "2001-99-99", "!!python/object/apply:os.getcwd []", "[[[[", "&a [*a]", "1e400",
    "-1", "0", "0.5", "9" * 20, "null", "true", "''", "{}", "[]", "!!set {a}", "!!binary x",
    "!!timestamp x", "1024", "512", "256", "x" * 3000, "{? [a] : 1}", "{kind: mlp}", "{start: 1}",
    "[1, 2, 3]", "{end: 3}", "../../etc/passwd", "/dev/zero", "~", "\"\\u202e\"",
)  # fmt: skip


_OUTPUTS = (".out", ".err")


@dataclass(frozen=True)
class Outcome:
    """How a command ended: `code` as the shell has it, minus the signal where one ended it."""

    code: int
    out: str
    err: str
    seconds: float
    memory: int

    @property
    def traceback(self) -> bool:
        """Whether it ended in a bug, told or not."""
        return "Traceback" in self.err or "this is a bug" in self.err + self.out or self.code == 1

    @property
    def wrong(self) -> str:
        """What no input may lead to, or ""."""
        if self.seconds > HANGS:
            return "hang"
        if self.memory > TOO_MUCH:
            return "memory"
        return "traceback" if self.traceback or self.code not in (0, 2) else ""


def command(
    arguments: list[str],
    home: Path,
    *,
    strike: tuple[float, int] | None = None,
    before: Callable[[], Any] | None = None,
    limit: float = HANGS + 5,
) -> Outcome:
    """`dreamlab ARGUMENTS` in the folder `home`. strike: after how many seconds to send which signal;
    `before` is called in the new process; after `limit` seconds it is killed."""
    sys.stdout.flush()
    for name in _OUTPUTS:  # there even if it is struck before it has begun
        (home / name).touch()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_the_command(arguments, home, before)
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        now = time.monotonic() - began
        if done:
            break
        if strike is not None and now > strike[0]:
            os.kill(child, strike[1])
            strike = None
        if now > limit:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)
    said = [(home / name).read_text(errors="replace") for name in _OUTPUTS]
    memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Outcome(os.waitstatus_to_exitcode(status), said[0], said[1], now, memory)


def _be_the_command(arguments: list[str], home: Path, before: Callable[[], Any] | None) -> None:
    """Never returns: the process ends here, with the command's exit code."""
    code = 1
    try:
        os.setsid()
        os.chdir(home)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background they are ignored,
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and a child would inherit that
        for number, name in enumerate(_OUTPUTS, 1):
            os.dup2(os.open(name, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), number)
        from dreamlab.cli import main

        if before is not None:
            before()
        code = main(arguments)
        sys.stdout.flush()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The bytes with one to four wrongs: flipped, cut off, doubled, left out, or others in their place."""
    for _ in range(rng.randint(1, 4)):
        at, long = rng.randrange(len(data) + 1), rng.choice((1, 1, 4, 64))
        here, rest = data[at : at + long], data[at + long :]
        flipped = bytes(byte ^ (1 << rng.randrange(8)) for byte in here)
        others = (flipped, here * 3, b"", rng.randbytes(long), b"\xff" * long, b"\x00" * long)
        data = data[:at] if rng.random() < 0.1 else data[:at] + rng.choice(others) + rest
    return data


def wrong_settings(values: dict[str, Any], rng: random.Random) -> str:
    """Settings as YAML, one to three of which are odd; now and then the text is damaged too."""
    text = yaml.safe_dump(values)
    for _ in range(rng.randint(1, 3)):
        lines = text.splitlines()
        at = rng.randrange(len(lines))
        head, colon, _ = lines[at].partition(":")
        lines[at] = f"{head}: {rng.choice(NASTY)}" if colon else lines[at]
        text = "\n".join(lines) + "\n"
    return damaged(text.encode(), rng).decode("utf-8", "replace") if rng.random() < 0.25 else text
