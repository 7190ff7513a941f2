"""What people and scripts see of a batch: bars of the jobs under way, plain lines, JSON lines or paths."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from typing_extensions import Self

from dreamlab.batch.batch import Standing
from dreamlab.batch.events import BatchEvent, Begun, Ended, Idle, Opened, Remark, Stepped
from dreamlab.cli.console import Mode
from dreamlab.cli.progress_line import clock
from dreamlab.cli.tell import shown_path, visible

_LINE_SECONDS = 30.0  # between lines about running jobs where output is no terminal


def open_batch_view(mode: Mode, workers: int) -> BatchView:
    """The view for a mode: live on a terminal and plain lines where output is not one."""
    views = {"json": JsonBatchView, "quiet": BatchView, "rich": RichBatchView}
    return views[mode](Pace(workers))


class Pace:
    """How far a batch has come, and how long the rest takes at the speed so far."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.total = self.ended = 0
        self.under_way: dict[str, tuple[str, float]] = {}  # a job's prompt and the part of it that is done
        self._worked, self._began = 0.0, time.monotonic()

    def note(self, event: BatchEvent) -> None:
        if isinstance(event, Opened):
            self.total, self.ended = event.total, event.done + event.failed
            self._began = time.monotonic()
        elif isinstance(event, Begun):
            self.under_way[event.job.key] = (event.job.prompt, 0.0)
        elif isinstance(event, Stepped):
            before = self.under_way.get(event.job.key, ("", 0.0))[1]
            share = event.done / max(1, event.total)
            self._worked += (
                max(0.0, share - before) if before else 0.0
            )  # not what was done in an earlier call
            self.under_way[event.job.key] = (event.job.prompt, share)
        elif isinstance(event, Ended):
            self._worked += 1.0 - self.under_way.pop(event.job.key, ("", 1.0))[1]
            self.ended += 1

    @property
    def left(self) -> float | None:
        """Seconds; None before anything is known."""
        todo = self.total - self.ended - sum(share for _, share in self.under_way.values())
        spent = time.monotonic() - self._began
        return spent / self._worked * todo if self._worked > 0.0 else None

    @property
    def line(self) -> str:
        left = "" if self.left is None else f"  {clock(self.left)} left"
        return f"{self.ended}/{self.total} jobs{left}"


class BatchView:
    """Shows nothing until the end, and then bare paths."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace

    def show(self, event: BatchEvent) -> None:
        self.pace.note(event)

    def close(self, now: Standing, files: Mapping[str, Path]) -> None:
        """How the batch stands at the end, and what was written."""
        for path in files.values():
            sys.stdout.write(f"{shown_path(path)}\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class JsonBatchView(BatchView):
    """One JSON object a line: {"event": "opened" | "begun" | "phase" | "stepped" | "remark" | "ended", ...},
    and at the end "finished"."""

    def show(self, event: BatchEvent) -> None:
        super().show(event)
        if not isinstance(event, Idle):
            self._write({"event": type(event).__name__.lower(), **_facts(event)})

    def close(self, now: Standing, files: Mapping[str, Path]) -> None:
        counts = {"done": len(now.done), "failed": len(now.failed), "left": len(now.left)}
        self._write({"event": "finished", **counts, "files": {k: str(path) for k, path in files.items()}})

    def _write(self, facts: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()


class RichBatchView(BatchView):
    def __init__(self, pace: Pace) -> None:
        super().__init__(pace)
        self.console = Console()
        self._lined = time.monotonic()
        self._live = Live(
            get_renderable=self._render, console=self.console, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live.is_started:
            self._live.stop()

    def show(self, event: BatchEvent) -> None:
        super().show(event)
        if isinstance(event, Opened):
            self._print(f"{event.total} jobs, {event.done} done, {event.failed} failed")
        elif isinstance(event, Ended):
            self._print(self._ended(event), "" if event.row.state == "done" else "red")
        elif isinstance(event, Remark):
            of = f"{event.job.prompt} (seed {event.job.seed}): " if event.job is not None else ""
            self._print(f"note: {of}{event.text}", "yellow")
        elif not self._live.is_started and time.monotonic() - self._lined > _LINE_SECONDS:
            running = ", ".join(f"{prompt} {share:.0%}" for prompt, share in self.pace.under_way.values())
            self._print(f"{self.pace.line}  {running}")
            self._lined = time.monotonic()

    def close(self, now: Standing, files: Mapping[str, Path]) -> None:
        for kind, path in files.items():
            self._print(f"{kind:<10} {path}")
        left = f", {len(now.left)} left" if now.left else ""
        failed = f", {len(now.failed)} failed" if now.failed else ""
        self._print(f"{len(now.done)} of {self.pace.total} jobs done{failed}{left}")

    def _ended(self, event: Ended) -> str:
        row = event.row
        seed = f"seed {row.seed}" + (f", then {row.used_seed}" if row.attempts > 1 else "")
        how = f"{row.run}  {clock(row.seconds)}" if row.state == "done" else f"failed: {row.error}"
        return f"{self.pace.line}  {row.prompt} ({seed}, {row.preset})  {how}"

    def _print(self, text: str, style: str = "") -> None:
        self.console.print(visible(text), style=style, markup=False, highlight=False, soft_wrap=True)

    def _render(self) -> RenderableType:
        grid = Table.grid(padding=(0, 2, 0, 0))
        for prompt, share in self.pace.under_way.values():
            name = Text(visible(prompt), no_wrap=True, overflow="ellipsis")
            grid.add_row(ProgressBar(1.0, share, width=20), f"{share:4.0%}", name)
        return Group(grid, Text(self.pace.line, style="bold"))


def _facts(event: BatchEvent) -> dict[str, Any]:
    """An event as plain values."""
    facts = {name: value for name, value in vars(event).items() if name not in ("job", "row")}
    job = getattr(event, "job", None)
    if job is not None:
        facts |= {"job": job.key, "prompt": job.prompt, "seed": job.seed, "preset": job.recipe.preset}
    return facts | ({"row": asdict(event.row)} if isinstance(event, Ended) else {})
