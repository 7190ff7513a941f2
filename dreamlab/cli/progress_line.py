"""One line that says how far a run is, as wide as the terminal: what matters least goes first."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

_GAP = 2
_BAR = (10, 40)  # columns of the bar, at least and at most


class ProgressLine:
    """A rich renderable. Stage, bar, count and time left are there while they fit; speed and figures only
    beside them. What has no steps shows that it is alive, and for how long it has been.
    """

    def __init__(self) -> None:
        self._spinner = Spinner("dots")
        self.begin("")

    def begin(self, name: str) -> None:
        """A part of the run begins, of which no step is done yet; "" shows nothing."""
        self._name, self._began = name, time.monotonic()
        self._done = self._total = self._before = 0
        self._figures: Sequence[str] = ()

    def step(self, name: str, done: int, total: int, figures: Sequence[str] = ()) -> None:
        """`done` of `total` steps are done; the speed is counted from the first one of this part."""
        if not self._done:
            self._before = done - 1
        self._name, self._done, self._total, self._figures = name, done, total, figures

    @property
    def speed(self) -> float:
        """Steps a second since this part began."""
        return (self._done - self._before) / max(time.monotonic() - self._began, 1e-9)

    @property
    def left(self) -> float:
        """Seconds that the steps left would take at this speed."""
        return (self._total - self._done) / max(self.speed, 1e-9)

    @property
    def rate(self) -> str:
        speed = self.speed
        return f"{speed:.1f} it/s" if speed >= 1 else f"{1 / max(speed, 1e-9):.1f} s/it"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._name:
            return
        if not self._done:
            self._spinner.update(text=f"{self._name}  {clock(time.monotonic() - self._began)}")
            yield self._spinner
            return
        needed = [self._name, f"{self._done}/{self._total}", f"{clock(self.left)} left"]
        room = options.max_width - sum(map(len, needed)) - _GAP * len(needed) - _BAR[0]
        beside = []
        for text in (self.rate, *self._figures):
            room -= len(text) + _GAP
            if room < 0:
                break
            beside.append(text)
        yield self._row(needed, beside, options.max_width)

    def _row(self, needed: list[str], beside: list[str], width: int) -> Table:
        used = sum(map(len, [*needed, *beside])) + _GAP * (len(needed) + len(beside))
        bar = min(_BAR[1], width - used)
        cells = [Text(text, no_wrap=True, overflow="ellipsis") for text in [*needed, *beside]]
        cells[0].stylize("bold")
        grid = Table.grid(padding=(0, _GAP, 0, 0))
        if bar >= _BAR[0]:
            grid.add_row(cells[0], ProgressBar(self._total, self._done, width=bar), *cells[1:])
        else:
            grid.add_row(*cells)
        return grid


def clock(seconds: float) -> str:
    """Seconds as 0:05, 12:05 or 1:02:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
