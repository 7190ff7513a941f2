"""Subjects of an evaluation, runs and mesh files: measured once, and read from what was kept after that."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.mesh.io.load import Axis, load
from dreamlab.run.evaluation import (
    NAME,
    Evaluation,
    clip_record,
    digest_of,
    digest_of_file,
    evaluation_of,
    read_evaluation,
    write_evaluation,
)
from dreamlab.run.glance import preset_of
from dreamlab.run.run_dir import RunDir

if TYPE_CHECKING:
    from dreamlab.evaluate.clip_scores import Clip
    from dreamlab.evaluate.shipped_judge import KeptJudge

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subject:
    """mesh: the file that is looked at. record: where its evaluation is kept. run: None for a mesh file."""

    name: str
    prompt: str
    mesh: Path
    record: Path
    run: RunDir | None = None
    preset: str = ""
    seed: int | None = None
    up: Axis | None = None


def subject_of_run(run: RunDir) -> Subject:
    """Raises InputError for a run without a mesh, DamagedError for one whose settings cannot be read."""
    mesh = run.path / "mesh.glb"
    config = run.config()
    if not mesh.is_file():
        raise InputError(
            f"{run.path} has no mesh.glb", mend=f"Finish it with `dreamlab resume {run.path.name}`"
        )
    preset = preset_of(run.environment() or {}) or ""
    return Subject(run.path.name, config.prompt, mesh, run.path / NAME, run, preset, config.seed)


def subject_of_file(path: Path, prompt: str, up: Axis | None = None) -> Subject:
    """A mesh file; its evaluation is kept beside it."""
    return Subject(path.name, prompt, path, path.with_name(f"{path.name}.{NAME}"), up=up)


def evaluated(
    subject: Subject,
    judge: KeptJudge,
    clip: Clip | None = None,
    candidates: Sequence[str] = (),
    force: bool = False,
) -> tuple[Evaluation, bool]:
    """The evaluation of a subject, and whether it was made now. What is missing of it is measured and kept.

    candidates: the prompts that CLIP's R-precision chooses among. A record that cannot be read is replaced,
    which is logged. Raises as `load`, and InputError for a mesh without faces or a place that cannot be
    written to.
    """
    digest, kept = digest_of_file(subject.mesh), None
    if not force:
        try:
            kept = read_evaluation(subject.record)
        except DamagedError as error:
            log.warning("%s measured again", error)
    fresh = kept is None or not kept.of(digest, subject.prompt, judge.identity)
    wants_clip = clip is not None and (
        fresh or kept is None or kept.clip is None
        or (kept.clip.clip, kept.clip.candidates) != (clip.identity, digest_of(candidates))
    )  # fmt: skip
    if not fresh and not wants_clip:
        assert kept is not None
        return kept, False
    mesh = load(subject.mesh, subject.up)
    if fresh or kept is None:
        kept = evaluation_of(mesh, digest, subject.prompt, judge)
    if clip is not None and wants_clip:
        record = clip_record(mesh, subject.prompt, clip, candidates)
        kept = kept.model_copy(update={"clip": record})
    write_evaluation(subject.record, kept)
    return kept, True


def cost_of(run: RunDir | None) -> dict[str, float]:
    """seconds: of all stages together, and peak_mb, where summary.json says so."""
    summary = {} if run is None else run.summary()
    seconds, peak = summary.get("seconds"), summary.get("peak_mb")
    found = {}
    if isinstance(seconds, dict):
        with suppress(ValueError, TypeError):  # damaged
            found["seconds"] = sum(float(value) for stage, value in seconds.items() if "." not in stage)
    if isinstance(peak, int | float):
        found["peak_mb"] = float(peak)
    return found
