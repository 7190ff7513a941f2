"""What stands beside the picture: what is made, how far it is, and what can be clicked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

_TEXT = "padding: 0 0.75em 0.25em; font-size: 0.85em; overflow-wrap: anywhere"


class Panel:
    """The controls of a page. Clicks are remembered here until the run looks at them, between two steps: no
    callback does any work, for it runs in a thread of its own.

    paused: whether the next event shall wait. stepping: one step was asked for. finish: "stop here and
    export" was clicked.
    """

    def __init__(self, gui: Any, prompt: str, wake: Callable[[], None], controls: bool) -> None:
        self.paused = self.stepping = self.finish = False
        self._gui, self._wake = gui, wake
        gui.add_html(f'<div style="{_TEXT}"><b>{escape(prompt)}</b></div>')
        self._status = gui.add_html("")
        self._progress = gui.add_progress_bar(0.0, visible=controls)
        self._show = gui.add_dropdown("show", ("colour",))
        self._show.on_update(lambda _: wake())
        self._buttons: list[Any] = []
        if controls:
            self._add_buttons()
        self._folder = gui.add_folder("schedules", expand_by_default=False, visible=False)
        with self._folder:
            self._schedules = gui.add_html("")

    @property
    def show(self) -> str:
        """The pass to show."""
        return self._show.value

    def offer(self, passes: Sequence[str]) -> None:
        """Let one of these passes be chosen; the present one stays where it is among them."""
        if tuple(self._show.options) != tuple(passes):
            chosen = self.show if self.show in passes else passes[0]
            self._show.options = tuple(passes)
            self._show.value = chosen

    def tell(self, *lines: str) -> None:
        """What is going on, a line each."""
        self._status.content = "".join(f'<div style="{_TEXT}">{escape(line)}</div>' for line in lines)

    def progress(self, done: int, total: int) -> None:
        self._progress.value = 100.0 * done / max(1, total)

    def schedules(self, rows: Sequence[tuple[str, str]]) -> None:
        """Values of this step, by name."""
        self._folder.visible = bool(rows)
        cells = "".join(f"<tr><td>{escape(a)}&ensp;</td><td>{escape(b)}</td></tr>" for a, b in rows)
        self._schedules.content = f'<table style="{_TEXT}">{cells}</table>'

    def close_controls(self) -> None:
        """There is nothing left to pause or to stop."""
        self.paused = self.stepping = False
        for button in self._buttons:
            button.visible = False
        self._progress.visible = self._folder.visible = False

    # ---- clicks ----

    def go_on(self) -> None:
        """Pause no more."""
        self._pause(False)

    def _pause(self, paused: bool) -> None:
        self.paused = paused
        pause, step, _ = self._buttons
        pause.label, step.disabled = "go on" if paused else "pause", not paused
        self._wake()

    def _add_buttons(self) -> None:
        pause = self._gui.add_button("pause")
        step = self._gui.add_button("one step", disabled=True)
        finish = self._gui.add_button("stop here and export")
        self._buttons = [pause, step, finish]

        @pause.on_click
        def _(_: object) -> None:
            self._pause(not self.paused)

        @step.on_click
        def _(_: object) -> None:
            self.stepping = True
            self._wake()

        @finish.on_click
        def _(_: object) -> None:
            self.finish = True
            self._pause(False)
            for button in self._buttons:
                button.disabled = True
