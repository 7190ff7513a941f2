"""One job: a new run or one to go on with, other seeds after a collapse, and how it ended."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamlab.batch.jobs import Job
from dreamlab.batch.ledger import Row
from dreamlab.core.errors import DreamlabError
from dreamlab.core.memory import out_of_memory, reason_of
from dreamlab.run.begin import new_run
from dreamlab.run.config import RunConfig
from dreamlab.run.events import Event, Note
from dreamlab.run.expansion import with_expansion
from dreamlab.run.folders import at_work_on, runs_in
from dreamlab.run.pictures import HasDigest, asked_of, prepared
from dreamlab.run.pipeline import generate
from dreamlab.run.prior_cache import Build, build_prior
from dreamlab.run.run_dir import RunDir
from dreamlab.stages.watchdog import CollapseError

_PATIENCE = 60.0  # seconds for a process that was told to stop, or whose parent died, to let a run go


@dataclass(frozen=True)
class Terms:
    """How jobs are worked on.

    folder: of the runs. retries: with how many other seeds after a collapse. threads: of each run, where its
    settings do not say. chosen: how the settings came about, for each run's environment.json.
    """

    folder: Path
    retries: int = 2
    threads: int | None = None
    chosen: Mapping[str, Any] = field(default_factory=dict)


def work(
    job: Job, terms: Terms, build: Build = build_prior, before: Mapping[int, str] | None = None
) -> Generator[Event, None, Row]:
    """Work on a job until it has ended; whatever it fails of is told in the row that is returned. Closed
    early, its run keeps a checkpoint, and a later call goes on from there.

    build: how priors are made. before: names of runs of this job, by the number of the attempt; see
    `RunsByConfig.of`.
    """
    before, began = before or {}, time.monotonic()
    attempt, run = max(before, default=0), None
    while True:
        try:
            run = RunDir(terms.folder / before[attempt]) if attempt in before else _begun(job, attempt, terms)
            if not complete(run):
                _wait_for(run)
                with run.unless_stillborn():
                    yield from generate(run.config(), run, build=build)
            return _row(job, attempt, began, run)
        except CollapseError as error:
            if attempt >= terms.retries:
                return _row(job, attempt, began, run, str(error))
            attempt += 1
            yield Note(f"{error.what}; tries again with seed {job.seed_of(attempt)}")
        except Exception as error:
            return _row(job, attempt, began, run, _reason(error))


def complete(run: RunDir) -> bool:
    """Whether a run has written all its files."""
    files = run.summary().get("files")
    if not isinstance(files, dict):
        return False
    wanted = [*files, *(["report.html"] if "mesh.glb" in files else [])]
    return all((run.path / str(name)).is_file() for name in wanted)


def lost(job: Job, error: str) -> Row:
    """How a job ends that nobody can work on."""
    return _row(job, 0, time.monotonic(), None, error)


class RunsByConfig:
    """Runs of a folder by their settings, but for the number of threads, which a run writes down itself, and
    by the pictures that they were asked for with.

    passed_over: names of folders that are not looked at.
    """

    def __init__(self, folder: Path, passed_over: frozenset[str] = frozenset()) -> None:
        self.folder = folder
        self._seen = set(passed_over)
        self._names: dict[str, str] = {}
        self.refresh()

    def __len__(self) -> int:
        return len(self._names)

    def refresh(self) -> None:
        """Look at the runs that have come since. Of several like ones the newest counts."""
        for path in runs_in(self.folder):
            if path.name not in self._seen:
                self._seen.add(path.name)
                with suppress(DreamlabError):  # one that cannot be read is nobody's
                    run = RunDir(path)
                    self._names[_digest(run.config(), (run.environment() or {}).get("shown", []))] = path.name

    def find(self, config: RunConfig, pictures: Sequence[HasDigest] | None = None) -> RunDir | None:
        """The newest run of these settings. pictures: theirs, where they have been read already."""
        known = prepared(config.images) if pictures is None else pictures
        name = self._names.get(_digest(config, asked_of(config.images, known)))
        return None if name is None else RunDir(self.folder / name)

    def of(self, job: Job, retries: int) -> dict[int, str]:
        """Names of a job's runs by the number of the attempt. Nothing for a job that cannot begin."""
        found = {}
        with suppress(DreamlabError):
            for attempt in range(retries + 1) if self._names else ():
                run = self.find(with_expansion(job.config(attempt)), job.pictures)
                if run is not None:
                    found[attempt] = run.path.name
        return found


def _digest(config: RunConfig, shown: object) -> str:
    """shown: see dreamlab.run.pictures.asked_of."""
    values = config.model_copy(update={"threads": None, "images": ()}).model_dump(mode="json", by_alias=True)
    return json.dumps([values, shown])


def _begun(job: Job, attempt: int, terms: Terms) -> RunDir:
    for picture in job.pictures:
        picture.checked()
    config = job.config(attempt)
    if config.threads is None:
        config = config.model_copy(update={"threads": terms.threads})
    return new_run(config, terms.folder, chosen={"preset": job.recipe.preset, **terms.chosen}, said=job.said)


def _wait_for(run: RunDir) -> None:
    """A process that is about to end may still hold the run."""
    until = time.monotonic() + _PATIENCE
    while at_work_on(run.path) and time.monotonic() < until:
        time.sleep(0.2)


def _row(job: Job, attempt: int, began: float, run: RunDir | None, error: str = "") -> Row:
    summary = {} if run is None or error else run.summary()
    files, measures = (_mapping(summary, key) for key in ("files", "measures"))
    return Row(
        job=job.key,
        line=job.line,
        prompt=job.prompt,
        preset=job.recipe.preset,
        seed=job.seed,
        state="failed" if error else "done",
        run=run.path.name if run is not None and run.path.is_dir() else "",
        used_seed=job.seed_of(attempt),
        attempts=attempt + 1,
        seconds=round(time.monotonic() - began, 2),
        files={name.partition(".")[2]: name for name in files},
        measures=measures,
        error=error,
        finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


def _mapping(values: dict[str, Any], key: str) -> dict[str, Any]:
    return values[key] if isinstance(values.get(key), dict) else {}


def _reason(error: Exception) -> str:
    if isinstance(error, DreamlabError):
        return str(error)
    if out_of_memory(error):
        return f"there is not enough memory; {reason_of(error)}"
    return f"this is a bug in dreamlab: {type(error).__name__}: {reason_of(error)}"
