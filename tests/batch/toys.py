"""Batches of runs so small that each takes a second: the red ball's prior and a few steps."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import yaml
from known import small_values

from dreamlab.batch.batch import run_batch
from dreamlab.batch.events import BatchEvent, Ended
from dreamlab.batch.jobs import Job, Recipe, read_jobs
from dreamlab.batch.ledger import Row
from dreamlab.batch.work import Terms

STEPS = 6


def tiny_values(**changes: Any) -> dict[str, Any]:
    """Settings of 4 and 2 steps with a checkpoint after each two, without a prompt."""
    saving = {"checkpoint_every": 2, "preview_every": 0}
    values = small_values(threads=1, saving=saving, stages={"shape": {"steps": 4}, "colour": {"steps": 2}})
    del values["prompt"]
    return values | changes


def tiny_file(folder: Path, **changes: Any) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_values(**changes)))
    return path


def jobs_of(folder: Path, prompts: Sequence[str], seeds: Sequence[int] = (), **changes: Any) -> list[Job]:
    path = folder / "prompts.txt"
    path.write_text("".join(f"{prompt}\n" for prompt in prompts))
    return read_jobs(path, Recipe("fast", file=tiny_file(folder, **changes)), seeds=seeds)


def worked(jobs: Sequence[Job], folder: Path, retries: int = 2, **more: Any) -> dict[str, Row]:
    """The rows of a whole batch, by prompt and seed."""
    events = run_batch(jobs, Terms(folder, retries, 1), **more)
    return {f"{e.row.prompt} {e.row.seed}": e.row for e in events if isinstance(e, Ended)}


def until(events: Generator[BatchEvent, None, None], kind: type, **facts: Any) -> BatchEvent:
    """The first event of that kind with these facts."""
    for event in events:
        if isinstance(event, kind) and all(getattr(event, k) == v for k, v in facts.items()):
            return event
    raise AssertionError(f"there was no {kind.__name__} with {facts}")


def result(folder: Path, row: Row) -> dict[str, bytes]:
    return {n: (folder / row.run / n).read_bytes() for n in ("mesh.glb", "mesh.obj", "metrics.jsonl")}
