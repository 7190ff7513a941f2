"""A run of another process, or one that is done: its newest checkpoint, the next ones as they come, and at
the end its mesh. Only files are read."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from dreamlab.core.errors import DreamlabError
from dreamlab.core.types import Mesh
from dreamlab.mesh.io.load import load
from dreamlab.run.checkpoints import Checkpoint, load_latest
from dreamlab.run.glance import glance
from dreamlab.run.restore import drawn_in, trained_in
from dreamlab.run.run_dir import RunDir
from dreamlab.stages.base import OptimiseConfig
from dreamlab.viewer.schedules import schedules
from dreamlab.viewer.sources import MeshSource, SceneSource, Source
from dreamlab.viewer.window import Window

_LOOKS = 1.0  # seconds between two looks at the run's folder


def show_mesh(window: Window, mesh: Mesh, name: str, stopped: Callable[[], bool]) -> None:
    """Show a mesh until asked to stop."""
    window.panel.tell(name, f"{len(mesh.faces)} faces")
    source = MeshSource(mesh)
    while not stopped():
        window.draw(source, 0, patient=True)
        window.wait(0.2)


def show_run(window: Window, run: RunDir, stopped: Callable[[], bool]) -> None:
    """Show what there is of a run until asked to stop."""
    follower, looked = Follower(window, run), 0.0
    while not stopped():
        if time.monotonic() - looked > _LOOKS:
            follower.look()
            looked = time.monotonic()
        if follower.source is not None:
            window.draw(follower.source, follower.version, patient=True)
        window.wait(0.2)


class Follower:
    """Looks at a run's folder, and has what is newest there as a source; None while there is nothing."""

    def __init__(self, window: Window, run: RunDir) -> None:
        self.window, self.run = window, run
        self.source: Source | None = None
        self.version = 0
        self._seen: object = None

    def look(self) -> None:
        """See what is new. What cannot be read is told on the page, and looked at again."""
        try:
            now = glance(self.run.path)
            self.window.panel.tell(
                now.state + ("" if now.step is None else f", step {now.step} of {now.steps}"),
                *([f"failed of: {now.why}"] if now.why else []),
            )
            written = self.run.path / "mesh.glb"
            if now.state == "done" and written.is_file():
                self._take(_stamp(written), lambda: MeshSource(load(written)))
            else:
                self._take(_newest(self.run.path / "checkpoints"), self._of_checkpoint)
        except (DreamlabError, OSError) as error:
            self.window.panel.tell(str(error))

    def _take(self, stamp: object, make: Callable[[], Source | None]) -> None:
        if stamp is None or stamp == self._seen:
            return
        source = make()
        if source is not None:
            self.source, self._seen = source, stamp
            self.version += 1

    def _of_checkpoint(self) -> Source | None:
        checkpoint, _ = load_latest(self.run.path / "checkpoints")
        return None if checkpoint is None else self._scene(checkpoint)

    def _scene(self, checkpoint: Checkpoint) -> Source:
        config = self.run.config()
        stage = config.stages[checkpoint.stage]
        assert isinstance(stage, OptimiseConfig)  # only these are kept checkpoints of
        self.window.panel.schedules(schedules(stage, checkpoint.step, config.noise))
        return SceneSource(trained_in(checkpoint, config), *drawn_in(checkpoint, config))


def _newest(folder: Path) -> object:
    """Which checkpoint is the newest, and when it was written; None if there is none."""
    names = sorted(p for p in folder.glob("[0-9]*") if p.name.isdigit()) if folder.is_dir() else []
    return _stamp(names[-1] / "meta.json") if names else None


def _stamp(path: Path) -> object:
    try:
        return str(path), path.stat().st_mtime_ns
    except FileNotFoundError:  # it has given place to a newer one
        return None
