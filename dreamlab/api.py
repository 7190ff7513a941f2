"""The Python API: what the command line does, for programs and notebooks."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from dreamlab.core.cameras import turntable
from dreamlab.core.types import Cameras, Field, Mesh
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.load import load
from dreamlab.priors.protocols import Prior
from dreamlab.run import pipeline
from dreamlab.run.begin import new_run
from dreamlab.run.config import RunConfig
from dreamlab.run.events import Event, Finished
from dreamlab.run.origin import recorded_facts
from dreamlab.run.resolve import assign, from_values, merge, resolve
from dreamlab.run.restore import field_of
from dreamlab.run.run_dir import RunDir, asset_name
from dreamlab.stages import ExportStageConfig
from dreamlab.views.render import Style, framed, render_mesh

Settings = Mapping[str, Any]
Folder = str | os.PathLike[str]


@dataclass(frozen=True)
class Result:
    """A run on disk, finished or not. What is asked for is read when it is asked for, and kept."""

    folder: Path

    @cached_property
    def config(self) -> RunConfig:
        """Every setting that decided the result."""
        return RunDir(self.folder).config()

    @property
    def prompt(self) -> str:
        return self.config.prompt

    @cached_property
    def files(self) -> dict[str, Path]:
        """The files that the run has written, by kind: "glb", "obj", "mp4", "webp", "html"."""
        kinds = {
            path.name.partition(".")[2]: path for path in sorted(self.folder.iterdir()) if path.is_file()
        }
        export = self.config.last(ExportStageConfig)
        formats = () if export is None else export.formats
        return {kind: kinds[kind] for kind in (*formats, "mp4", "webp", "html") if kind in kinds}

    @cached_property
    def mesh(self) -> Mesh:
        """The mesh: the one that was written, or made anew from the newest checkpoint."""
        if "glb" in self.files:
            return load(self.files["glb"])
        return pipeline.surface_of_run(RunDir(self.folder), self.config).mesh

    @cached_property
    def field(self) -> Field:
        """The field of the newest good checkpoint, on the CPU: `density(points)`, and `field(points)` with
        colours.

        Raises InputError if there is no checkpoint yet.
        """
        return field_of(RunDir(self.folder))

    def render(self, cameras: Cameras | None = None, style: Style = "lit") -> UInt8[Tensor, "B H W 3"]:
        """Pictures of the mesh on white: from these cameras, or from four sides at 512 x 512.

        style: "lit", "albedo", "normal" (world space), "clay" or "wireframe".
        """
        mesh = self.mesh
        if cameras is None:
            fovy = math.radians(40.0)
            mesh, cameras = framed(mesh), turntable(4, 0.3, 1.05 / math.sin(fovy / 2), fovy, (512, 512))
        return torch.from_numpy(render_mesh(mesh, cameras, style))

    def export(self, path: Folder, settings: Settings | None = None) -> list[Path]:
        """Write the mesh, made anew from the newest checkpoint, in the format that the path's suffix names.

        settings: changes to the run's, as `generate` takes them:
        `{"stages.texture.recolor": {"red": "#2266cc"}}`. Returns the files written, the named one first.

        Raises InputError if there is no checkpoint yet, and as the stages do.
        """
        nested, dotted = _split(settings)
        values = merge(self.config.model_dump(mode="json", by_alias=True), nested)
        for override in dotted:
            assign(values, override)
        config = from_values(values)
        scene = pipeline.surface_of_run(RunDir(self.folder), config)
        name, made_by = asset_name(config.prompt), recorded_facts(config, RunDir(self.folder).environment())
        return write(scene.mesh, path, quads=scene.quads, parts=scene.parts, name=name, made_by=made_by)


def generate(
    prompt: str,
    *,
    preset: str = "default",
    settings: Settings | None = None,
    out: Folder = "outputs",
    prior: Prior | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Result:
    """Make an object from a prompt, and wait for it.

    Args:
        prompt: what to make, such as "a red mushroom".
        preset: a name that `dreamlab run --preset` takes.
        settings: changes to the preset, nested as in YAML or by dotted keys: `{"seed": 7}`,
            `{"stages": {"export": {"formats": ["glb"]}}}`, `{"stages.shape.steps": 60}`.
        out: the folder of all runs; this run gets a numbered folder of its own there.
        prior: a prior that is loaded already, to be shared by several runs; else the settings' own.
        on_event: called with every event, for a progress bar or curves of your own; see `events`. What it
            raises ends the run, with a checkpoint kept.

    Raises:
        ConfigError, InputError: a preset, setting or prompt that cannot be used.
        CollapseError: the object collapsed and no recovery helped.

    Example:
        >>> import dreamlab
        >>> tiny = {"stages.shape.steps": 2, "stages.refine.steps": 2, "stages.turntable.frames": 0}
        >>> result = dreamlab.generate("a red mushroom", preset="fast", settings=tiny, out=folder)
        >>> sorted(result.files)
        ['glb', 'html', 'obj']
    """
    folder: Path | None = None
    run = events(prompt, preset=preset, settings=settings, out=out, prior=prior)
    with closing(run):  # what a callback raises keeps a checkpoint
        for event in run:
            if on_event is not None:
                on_event(event)
            if isinstance(event, Finished):
                folder = event.folder
    assert folder is not None  # the last event of a run that raised nothing
    return Result(folder)


def events(
    prompt: str,
    *,
    preset: str = "default",
    settings: Settings | None = None,
    out: Folder = "outputs",
    prior: Prior | None = None,
) -> Generator[Event, None, None]:
    """`generate`, one event at a time: Begun, Phase, Note, Step and, at the end, Finished, of
    dreamlab.run.events.

    To stop early, close the iterator: a checkpoint is kept, and `load_run` and `dreamlab resume` find it.
    """
    nested, dotted = _split(settings)
    config = resolve(prompt, preset=preset, settings=nested, overrides=dotted)
    run = new_run(config, Path(out), prior, {"preset": preset})
    with run.unless_stillborn():
        yield from pipeline.generate(run.config(), run, prior)


def _split(settings: Settings | None) -> tuple[dict[str, Any], list[str]]:
    """Nested settings, and dotted ones as `--set` has them."""
    given = settings or {}
    nested = {key: value for key, value in given.items() if "." not in key}
    return nested, [f"{key}={json.dumps(value)}" for key, value in given.items() if "." in key]


def load_run(run: str | int | os.PathLike[str] = "latest", out: Folder = "outputs") -> Result:
    """A run that was made before: by its folder, its number, its name, or "latest".

    Raises InputError where there is none.
    """
    return Result(RunDir.find(Path(out), str(run)).path)
