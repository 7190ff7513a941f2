"""Prompt to files in one walk: load the prior, optimise a field, take its surface, write what people open.

`generate` is a generator of events; who consumes it shows them and decides when to stop. Closing it during
the optimisation keeps a checkpoint, and the next `generate` of the same folder goes on from there as if
nothing had happened.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Generator, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from dreamlab.core.files import write_atomic
from dreamlab.core.types import Field, Mesh
from dreamlab.mesh.io.export import check_packages
from dreamlab.ops import threads
from dreamlab.priors.diffusers.licence import provenance
from dreamlab.priors.protocols import Prior
from dreamlab.run.checkpoints import Checkpoint
from dreamlab.run.config import MeshConfig, RunConfig, TurntableConfig
from dreamlab.run.events import Event, Finished, Note, Phase, Step
from dreamlab.run.machine import changes, pick_device
from dreamlab.run.restore import field_in
from dreamlab.run.run_dir import RunDir
from dreamlab.run.setup import Setup
from dreamlab.stages.base import Optimisable
from dreamlab.stages.distil import StepEvent, optimise
from dreamlab.stages.state import OptimiserState

log = logging.getLogger(__name__)

# Stages draw from seeds this far apart, so that neighbouring run seeds never share a stage's randomness.
_STAGE_SEED = 1_000_000_007


def generate(config: RunConfig, run: RunDir, prior: Prior | None = None) -> Generator[Event, None, None]:
    """Work on a run until its files are written, from wherever its checkpoints say it stands.

    Where every step is done already, no prior is loaded.

    Args:
        config: the run's resolved config.
        run: its folder; must not be at work elsewhere.
        prior: instead of building `config.prior`.
    """
    with run.at_work():
        threads.apply()
        check_packages(config.mesh.formats, config.mesh.compression, config.mesh.clean.remesh == "quads")
        clock, device = _Clock(), pick_device(config.device)
        checkpoint, complaints = run.restore()
        for line in complaints:
            log.warning(line)
        for line in (*changes(run.environment()), *complaints):
            yield Note(line)
        if checkpoint is not None and checkpoint.total_step >= config.total_steps:
            yield Note(f"all {config.total_steps} steps are done; what is left is the mesh")
            field = field_in(checkpoint, config)
        else:
            field = yield from _optimised(Setup(config, device, prior), run, checkpoint, clock)
            field.to("cpu")
        yield from clock.phase("extract")
        mesh, measures = mesh_of(field, config.mesh)
        yield from clock.phase("export", ", ".join(config.mesh.formats))
        files = export(mesh, run.path, config.mesh)
        if config.turntable.frames:
            yield from clock.phase("turntable")
            files |= film(mesh, run.path, config.turntable)
        clock.stop()
        files |= report(config, run, files, clock.seconds, measures)
        log.info("finished: %s", {kind: path.name for kind, path in files.items()})
        yield Finished(run.path, files, clock.seconds, measures)


def mesh_of(field: Field, config: MeshConfig) -> tuple[Mesh, dict[str, float]]:
    """The field's surface: extracted, freed of lumps, coloured or textured, and placed; and what was measured
    on the way. psnr is that of its pictures against the field's, in dB, of all views and of the worst."""
    from dreamlab.evaluate.field_fidelity import faithful
    from dreamlab.mesh.geometry.shape import creased, parse_size, place
    from dreamlab.mesh.surface.clean import denoised, repair_surface, simplify, solidity
    from dreamlab.mesh.surface.extract import extract
    from dreamlab.mesh.texture.bake import bake_colors, bake_textures, bake_vertices
    from dreamlab.mesh.texture.unwrap import unwrap

    found = extract(field, config.extract)
    # a texture keeps its detail on any faces; colours at the corners decide with the shape where those stay
    raw = found.mesh if config.texture else bake_colors(found.mesh, field)
    surface = repair_surface(raw, config.clean)
    fine = denoised(surface, config.clean.denoise)
    light = simplify(fine, config.clean)
    bare = creased(light)
    if config.texture:
        flat = unwrap(bare, resolution=config.bake.resolution)
        baked = bake_textures(flat, field, config.bake, surface=surface, fine=fine)
    else:
        baked = bake_vertices(bare, field, config.bake, surface=surface)
    mesh, likeness = baked.mesh, None
    if not config.bake.lighting:  # with light baked in, the two are not meant to be alike
        mesh, likeness = faithful(baked, field, config.bake.palette.mode)
    solid = solidity(light)
    measures = {
        "iso": found.report.iso,
        "silhouette_iou": found.report.silhouette_iou,
        "vertices": float(len(light.vertices)),
        "faces": float(len(mesh.faces)),
        "watertight": float(solid.watertight),
    }
    if config.bake.palette.mode != "off":  # 0: as the field has them
        painted = baked.palette is not None and mesh is baked.mesh
        measures["colors"] = float(len(baked.palette.colors)) if baked.palette and painted else 0.0
    if likeness is not None:
        measures |= {"psnr": likeness.psnr, "psnr_worst": likeness.worst}
    size = None if config.size is None else parse_size(config.size)
    return place(mesh, size=size, origin=config.origin), measures


def export(mesh: Mesh, folder: Path, config: MeshConfig, stem: str = "mesh") -> dict[str, Path]:
    """Write the mesh in every format of the config, by format name."""
    from dreamlab.mesh.io.export import write

    quads = config.clean.remesh == "quads"
    return {
        kind: write(mesh, folder / f"{stem}.{kind}", compression=config.compression, quads=quads)[0]
        for kind in config.formats
    }


def film(mesh: Mesh, folder: Path, config: TurntableConfig) -> dict[str, Path]:
    """Write turntable.mp4 and turntable.webp, by kind."""
    from math import radians

    from dreamlab.views.turntable import write_turntable

    files = {kind: folder / f"turntable.{kind}" for kind in ("mp4", "webp")}
    write_turntable(
        mesh,
        list(files.values()),
        frames=config.frames,
        size=config.size,
        fps=config.fps,
        elevation=radians(config.elevation),
    )
    return files


def report(
    config: RunConfig,
    run: RunDir,
    files: dict[str, Path],
    seconds: dict[str, float],
    measures: dict[str, float],
) -> dict[str, Path]:
    """Write summary.json, and report.html where there is a GLB to show; the page by kind."""
    sums = {path.name: sha256(path.read_bytes()).hexdigest() for path in files.values()}
    summary = {"files": sums, "seconds": seconds, "measures": measures}
    write_atomic(run.path / "summary.json", (json.dumps(summary, indent=1) + "\n").encode())
    if "glb" not in files:
        return {}
    from dreamlab.mesh.io.gltf import glb_bytes
    from dreamlab.mesh.io.load import load
    from dreamlab.views.report import write_report

    packed = config.mesh.compression != "none"  # the page's viewer reads plain GLB
    rows = (run.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    write_report(
        run.path / "report.html",
        title=config.prompt,
        model=glb_bytes(load(files["glb"])) if packed else files["glb"],
        turntable=files.get("webp"),
        facts=measures | {"watertight": measures["watertight"] > 0},
        timings={name: value for name, value in seconds.items() if "." not in name},
        metrics=[json.loads(row) for row in rows],
        settings=config.model_dump(mode="json", by_alias=True),
        prior=provenance(config.prior),
    )
    return {"report": run.path / "report.html"}


def _optimised(
    setup: Setup, run: RunDir, checkpoint: Checkpoint | None, clock: _Clock
) -> Generator[Event, None, Optimisable]:
    """All stages that are still to do, and the field that comes of them; saves as it goes."""
    config = setup.config
    yield from clock.phase("load", config.prior.kind)
    prior = setup.prior
    yield from clock.phase("embed", config.prompt)
    prompts = setup.prompts
    for line in setup.notes():
        yield Note(line)
    field = setup.field() if checkpoint is None else field_in(checkpoint, config).to(setup.device)
    yield from clock.phase("optimise")
    renderer, first = config.renderer.build(), checkpoint.stage if checkpoint else 0
    left: OptimiserState | None = None
    if checkpoint:
        yield Note(f"going on from step {checkpoint.total_step} of {config.total_steps}")
    for index in range(first, len(config.stages)):
        stage = config.stages[index]
        before = sum(s.steps for s in config.stages[:index])
        guidance = setup.guidance(stage)
        state = checkpoint.state if checkpoint and index == first else None
        seed = config.seed + _STAGE_SEED * index
        steps = optimise(stage, field, renderer, prior, guidance, prompts, seed, state, left)
        left = yield from _followed(config, run, index, before, steps, clock)
    return field


def _followed(
    config: RunConfig,
    run: RunDir,
    index: int,
    before: int,
    steps: Generator[StepEvent, None, OptimiserState],
    clock: _Clock,
) -> Generator[Event, None, OptimiserState]:
    """One stage, recorded step by step; what `optimise` returns."""
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            return end.value
        saved = _record(config, run, index, before, event)
        clock.add(event.seconds)
        if event.recovery:
            log.warning(event.recovery.message)
            yield Note(event.recovery.message)
        try:
            yield Step(event, before + event.step, config.total_steps)
        except GeneratorExit:  # whoever watches has had enough: keep the moment
            if not saved:
                _save(config, run, index, before, event)
            raise


def _record(config: RunConfig, run: RunDir, index: int, before: int, event: StepEvent) -> bool:
    """Metrics, preview and checkpoint of one step, where due; whether a checkpoint was written."""
    saving, total = config.saving, before + event.step
    row: dict[str, Any] = {"step": total, "stage": event.stage, **event.metrics}
    if event.recovery:
        row["recovery"] = event.recovery.message
    run.log_metrics(row)
    if saving.preview_every and total % saving.preview_every == 0:
        run.save_preview(total, event.preview(saving.preview_size))
    last = event.step == event.n_steps
    if last or event.recovery or event.step % saving.checkpoint_every == 0:
        _save(config, run, index, before, event)
        return True
    return False


def _save(config: RunConfig, run: RunDir, index: int, before: int, event: StepEvent) -> None:
    state = event.state  # after a recovery it stands at an earlier step than the event
    run.save_checkpoint(index, state.step, before + state.step, state.state_dict(), config)


class _Clock:
    """Wall seconds by phase, and the loop's own phases added up."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name, self._since = "", time.perf_counter()

    def phase(self, name: str, detail: str = "") -> Iterator[Event]:
        self.stop()
        self._name = name
        log.info("%s %s", name, detail)
        yield Phase(name, detail)

    def add(self, seconds: dict[str, float]) -> None:
        for name, value in seconds.items():
            key = f"optimise.{name}"
            self.seconds[key] = self.seconds.get(key, 0.0) + value

    def stop(self) -> None:
        now = time.perf_counter()
        if self._name:
            self.seconds[self._name] = now - self._since
        self._name, self._since = "", now
