"""What is asked of dreamlab, as its command line or its server takes it; and what it answers."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

PRESETS = ("fast", "default", "quality", "drawn")
State = Literal["running", "done", "failed", "cancelled"]
# Repainted shapes keep their corners: none moves, and none is taken away.
REPAINT = ("stages.refine.lr_scale.geometry=0", "stages.simplify.faces=1000000")


@dataclass(frozen=True)
class Order:
    """A prompt, and for a mesh of one's own its file. `repaint`: its shape stays, its colours are new."""

    prompt: str
    preset: str = "default"
    seed: int = 0
    mesh: str = ""
    repaint: bool = False


@dataclass
class Progress:
    """How far an order is. step of steps counts over the whole run; files by kind, "glb" among them."""

    state: State = "running"
    phase: str = "starting"
    step: int = 0
    steps: int = 0
    note: str = ""
    error: str = ""
    run: str = ""
    files: dict[str, str] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """0..1 of the steps."""
        return min(1.0, self.step / self.steps) if self.steps else 0.0

    def hear(self, event: dict[str, Any]) -> None:
        """Take in one line of `dreamlab run --json`."""
        kind = event.get("event")
        if kind == "begun":
            self.run = str(event.get("run", ""))
        elif kind == "phase":
            self.phase = str(event.get("name", ""))
        elif kind == "step":
            self.step, self.steps = int(event["step"]), int(event["steps"])
        elif kind == "note":
            self.note = str(event.get("text", ""))
        elif kind == "finished":
            self.files = {str(name): str(path) for name, path in event["files"].items()}
            self.state, self.phase = "done", "done"
        elif kind == "error":
            self.state, self.error = "failed", str(event.get("message", ""))


def command_line(command: str, order: Order, out: str, extra: str = "") -> list[str]:
    """The words of a command for an order.

    command: a program's path, or several words ("python -m dreamlab"). extra: further options, as a shell
    would take them.
    """
    program = [command] if Path(command).is_file() else shlex.split(command)
    if not program:
        raise ValueError("say in the add-on's preferences where dreamlab is")
    words = [*program, "run", order.prompt, "--json", "--seed", str(order.seed), "--out", out]
    words += ["--set", "stages.export.formats=[glb]", "--set", "stages.turntable.frames=0"]
    if order.mesh:
        words += ["--from", order.mesh]
        words += [word for setting in (REPAINT if order.repaint else ()) for word in ("--set", setting)]
    else:
        words += ["--preset", order.preset]
    return [*words, *shlex.split(extra)]


def request(order: Order) -> dict[str, Any]:
    """The body of a server's POST /v1/jobs. ValueError for a mesh, which a server is not sent."""
    if order.mesh:
        raise ValueError("a server takes prompts alone: clear its address to work on a mesh")
    return {"prompt": order.prompt, "preset": order.preset, "seed": order.seed}
