"""What people and scripts see of a run: a live view, plain lines, JSON lines, or only the result."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import Any, Literal, Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from torch import Tensor
from typing_extensions import Self

from dreamlab.cli.progress_line import ProgressLine, clock
from dreamlab.cli.tell import shown_path, visible
from dreamlab.run.events import Begun, Event, Finished, Note, Phase, Step

Mode = Literal["rich", "quiet", "json"]

# Figures worth showing while a run goes on, and what to call them. The loss is not among them: with score
# distillation it does not fall.
SHOWN = {"residual": "residual", "opacity": "opacity", "coverage": "coverage"}
_PICTURE_SIZE = 40  # pixels along a side: 40 columns, 20 rows
_PICTURE_SECONDS = 4.0
_LINE_SECONDS = 10.0


class View(Protocol):
    """Something that shows a run's events; a context manager."""

    def show(self, event: Event) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_view(mode: Mode, title: str = "") -> View:
    """The view for a mode. "rich" is live on a terminal and plain lines where output is not a terminal."""
    if mode == "json":
        return JsonView(sys.stdout)
    if mode == "quiet":
        return QuietView(sys.stdout)
    return RichView(Console(), title)


class _Plain:
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class JsonView(_Plain):
    """One JSON object a line: {"event": "begun" | "phase" | "note" | "step" | "finished", ...}."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, event: Event) -> None:
        kind = type(event).__name__.lower()
        self._out.write(json.dumps({"event": kind, **_facts(event)}) + "\n")
        self._out.flush()


class QuietView(_Plain):
    """Nothing but the path of the finished mesh."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, event: Event) -> None:
        if isinstance(event, Finished):
            files = list(event.files.values())
            self._out.write(f"{shown_path(files[0] if files else event.folder)}\n")


class RichView(_Plain):
    """Stage, step, speed, time left, figures and a small picture; a closing panel that tells where things
    lie.
    """

    def __init__(self, console: Console, title: str = "") -> None:
        self.console, self._title = console, title
        self._picture: Text | None = None
        self._pictured = self._lined = 0.0
        self._line = ProgressLine()
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if self._title:
            self.console.print(Text(visible(self._title), style="bold"))
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live.is_started:
            self._live.stop()

    def show(self, event: Event) -> None:
        if isinstance(event, Begun):
            self.console.print(Text.assemble(("run       ", "cyan"), " ", visible(str(event.folder))))
        elif isinstance(event, Phase):
            self._show_phase(event)
        elif isinstance(event, Note):
            self.console.print(Text(f"note: {visible(event.text)}", style="yellow"))
        elif isinstance(event, Step):
            self._show_step(event)
        else:
            self._show_finished(event)

    def _show_phase(self, event: Phase) -> None:
        self._line.begin(event.name)
        if not event.steps:
            self._picture = None
        self.console.print(Text.assemble((f"{event.name:<10}", "cyan"), " ", visible(event.detail)))

    def _show_step(self, event: Step) -> None:
        now, line = time.monotonic(), self._line
        metrics = event.event.metrics
        figures = [f"{word} {metrics[key]:.3f}" for key, word in SHOWN.items() if key in metrics]
        line.step(event.event.stage, event.done, event.total, figures)
        if self._live.is_started:
            if now - self._pictured > _PICTURE_SECONDS and self.console.color_system is not None:
                self._picture = half_blocks(event.event.preview(_PICTURE_SIZE))
                self._pictured = now
        elif now - self._lined > _LINE_SECONDS or event.done == event.total:
            facts = [f"{event.event.stage} {event.done}/{event.total}", line.rate, f"{clock(line.left)} left"]
            told = "  ".join([*facts, *figures])
            self.console.print(told, markup=False, soft_wrap=True)  # one line, also in a pipe
            self._lined = now

    def _show_finished(self, event: Finished) -> None:
        self._line.begin("")
        table = Table.grid(padding=(0, 2))
        for kind, path in event.files.items():
            table.add_row(Text(kind, style="cyan"), Text(visible(str(path)), overflow="fold"))
        table.add_row(Text("run", style="cyan"), Text(visible(str(event.folder)), overflow="fold"))
        seconds = sum(value for key, value in event.seconds.items() if "." not in key)
        iou, faces = event.measures.get("silhouette_iou"), event.measures.get("faces")
        done = f"{seconds:.0f} s" + (f", {faces:.0f} faces" if faces is not None else "")
        done += f", silhouettes match to {iou:.3f}" if iou is not None else ""
        how = (
            "Open the GLB in any 3D viewer or in Blender (File > Import > glTF); the turntable in a browser."
        )
        self.console.print(Panel(Group(table, Text(""), Text(done), Text(how)), title="done", expand=False))

    def _render(self) -> RenderableType:
        return Group(self._picture, self._line) if self._picture is not None else self._line


def half_blocks(image: Tensor) -> Text:
    """A uint8 picture [H,W,3] as text: every character shows two pixels, one above the other."""
    rows = image.tolist()
    text = Text()
    for top, bottom in zip(rows[::2], rows[1::2], strict=False):
        for above, below in zip(top, bottom, strict=True):
            colors = "rgb({},{},{}) on rgb({},{},{})".format(*above, *below)
            text.append("▀", style=colors)
        text.append("\n")
    return text


def _facts(event: Event) -> dict[str, Any]:
    """An event as plain values."""
    if isinstance(event, Step):
        step = event.event
        facts = {"stage": step.stage, "step": event.done, "steps": event.total}
        return {**facts, "metrics": step.metrics, "seconds": step.seconds}
    if isinstance(event, Begun):
        return {"run": str(event.folder)}
    if isinstance(event, Finished):
        return {
            "run": str(event.folder),
            "files": {kind: str(path) for kind, path in event.files.items()},
            "seconds": event.seconds,
            "measures": event.measures,
        }
    return dict(vars(event))
