"""The viewer beside a run's work: it may fail or be closed at any time, and the run goes on."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from dreamlab.core.errors import UnavailableError
from dreamlab.core.extras import importable

if TYPE_CHECKING:
    from dreamlab.run.config import RunConfig
    from dreamlab.run.events import Event
    from dreamlab.viewer.watch import RunViewer

log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Watch:
    """Where the page is served, and whether a browser is opened on it."""

    host: str = "127.0.0.1"
    port: int | None = None
    browser: bool = True


def add_watch_options(parser: argparse.ArgumentParser, flag: bool) -> None:
    """--port, --host and --no-browser; with `flag` also --view, without which they do nothing."""
    group = parser.add_argument_group("the viewer")
    if flag:
        group.add_argument("--view", action="store_true", help="watch the run in a browser while it works")
    group.add_argument(
        "--port", type=int, metavar="N", help="port of the page (default: 8080 or the next free)"
    )
    group.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="listen elsewhere than on this machine alone: whoever reaches it can watch, and stop a run",
    )
    group.add_argument("--no-browser", action="store_true", help="only print the page's address")


def chosen_watch(args: argparse.Namespace) -> Watch | None:
    """What was asked for; None without --view. UnavailableError, before any work, where viser is missing."""
    if not args.view:
        return None
    if not importable("viser"):
        raise UnavailableError(
            "--view needs viser, which is not installed",
            mend="pip install 'dreamlab[view]', or leave --view out",
        )
    return Watch(args.host, args.port, not args.no_browser)


class Watcher:
    """A run's viewer, or none. Whatever it does wrong is told once, and is the end of it, not of the run."""

    def __init__(self, watch: Watch | None, config: RunConfig, stopped: Callable[[], bool]) -> None:
        self._watch, self._config, self._stopped = watch, config, stopped
        self._viewer: RunViewer | None = None
        self._tell: Callable[[Event], None] = lambda event: None

    def begin(self, tell: Callable[[Event], None]) -> None:
        """Open the page; `tell` shows notes."""
        self._tell = tell
        if self._watch is not None:
            self._try(self._open, None)

    def show(self, event: Event) -> None:
        """Hand on an event; returns when the run may go on."""
        if (viewer := self._viewer) is not None:
            self._try(lambda: viewer.show(event), None)

    def finish(self) -> bool:
        """Whether someone wants the run to make no more steps, and its files."""
        viewer = self._viewer
        return False if viewer is None else self._try(viewer.finish, False)

    def linger(self) -> None:
        """Show what the run has made as long as somebody looks at it."""
        if (viewer := self._viewer) is not None:
            self._try(viewer.linger, None)

    def close(self) -> None:
        viewer, self._viewer = self._viewer, None
        if viewer is not None:
            self._try(viewer.window.close, None)

    def _open(self) -> None:
        from dreamlab.run.events import Note
        from dreamlab.viewer.watch import RunViewer
        from dreamlab.viewer.window import Window

        assert self._watch is not None
        window = Window(self._config.prompt, self._watch.host, self._watch.port, controls=True)
        self._viewer = RunViewer(window, self._config, self._stopped)
        tell_page(window.url, self._watch, lambda text: self._tell(Note(text)))

    def _try(self, call: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return call()
        except Exception as error:
            from dreamlab.run.events import Note

            log.warning("the viewer failed", exc_info=error)
            self._tell(Note(f"the viewer is closed, and the run goes on: {error or type(error).__name__}"))
            self.close()
            return otherwise


def tell_page(url: str, watch: Watch, tell: Callable[[str], None]) -> None:
    """Say where the page is, and open it where that was not forbidden."""
    from dreamlab.cli.open import open_page
    from dreamlab.viewer.server import is_loopback

    reason = open_page(url) if watch.browser else None
    tell(f"the viewer is at {url}" + (f" (not opened: {reason})" if reason else ""))
    if not is_loopback(watch.host):
        tell("the viewer listens beyond this machine: whoever reaches it can watch, and stop the run")


@contextmanager
def watching(watch: Watch | None, config: RunConfig, stopped: Callable[[], bool]) -> Iterator[Watcher]:
    """A run's watcher, closed at the end."""
    watcher = Watcher(watch, config, stopped)
    try:
        yield watcher
    finally:
        watcher.close()
