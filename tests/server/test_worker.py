"""Jobs are worked on: to the end, until cancelled, and on from where a worker left them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from known import red_ball_prior

from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run.glance import glance
from dreamlab.run.pipeline import generate
from dreamlab.run.prior_cache import PriorCache
from dreamlab.server import worker as worker_module
from dreamlab.server.claims import Claims, working
from dreamlab.server.jobs import Job
from dreamlab.server.pace import Pace
from dreamlab.server.store import Store
from dreamlab.server.worker import Worker
from dreamlab.server.workers import Workers
from tests.server.desk import ROOT, WORKER, client, order, submitted, until


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    return Store(tmp_path)


@pytest.fixture
def worker(store: Store) -> Iterator[Worker]:
    with working(store) as claims:
        yield Worker(claims, threading.Event())


def work(worker: Worker) -> Job:
    """Work on the job whose turn it is; how it is left."""
    job = worker.claims.claim()
    assert job is not None
    worker.work_on(job)
    found = worker.claims.store.job(job.id)
    assert found is not None
    return found


class StopsAt(Claims):
    """Sets an event, or asks for the job's end, when a step has been told."""

    def __init__(self, claims: Claims, step: int, stop: threading.Event | None) -> None:
        super().__init__(claims.store, claims.worker)
        self.at, self.stop = step, stop

    def step(self, job: Job, step: int, *rest: object) -> bool:  # type: ignore[override]
        if step == self.at and self.stop is None:
            self.store.cancel(job.id)
        elif step == self.at and self.stop is not None:
            self.stop.set()
        return super().step(job, step, *rest)  # type: ignore[arg-type]


@pytest.fixture
def every_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pace, "due", lambda self, last: True)


def undisturbed(tmp_path: Path, job: Job) -> bytes:
    """The mesh of the job's settings, made by nobody's server."""
    from dreamlab.run.begin import new_run
    from dreamlab.run.resolve import from_values

    run = new_run(from_values(job.config), tmp_path / "undisturbed")
    list(generate(run.config(), run, build=PriorCache()))
    return (run.path / "mesh.glb").read_bytes()


def test_a_job_becomes_a_run_with_its_files(store: Store, worker: Worker) -> None:
    submitted(store)
    job = work(worker)
    assert job.state == "done" and job.run == "0001-a-red-ball" and job.step == job.steps == 12
    run = store.root / job.run
    assert glance(run).state == "done" and glance(run).preset == "fast"
    assert job.files["glb"] == "mesh.glb" and all((run / name).is_file() for name in job.files.values())
    names = [event.name for event in store.events(0, job.id)]
    assert names[:3] == ["queued", "running", "phase"] and names[-1] == "finished"


def test_a_prior_is_loaded_once_for_jobs_that_share_it(
    store: Store, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []

    def build(self: object, device: object = "cpu") -> object:
        built.append(1)
        return red_ball_prior()

    monkeypatch.setattr(EmbeddedPriorConfig, "build", build)
    submitted(store, 2)
    assert [work(worker).state, work(worker).state] == ["done", "done"] and len(built) == 1


@pytest.mark.usefixtures("every_step_is_told")
def test_a_cancelled_job_keeps_a_checkpoint_and_goes_on_from_it(
    store: Store, worker: Worker, tmp_path: Path
) -> None:
    submitted(store)
    plain, worker.claims = worker.claims, StopsAt(worker.claims, 5, None)
    job = work(worker)
    assert job.state == "cancelled" and job.step == 5 and job.run is not None
    assert (store.root / job.run / "checkpoints" / "000005").is_dir()
    store.retry(job.id)
    worker.claims = plain
    again = work(worker)
    assert again.state == "done" and again.run == job.run
    notes = [event.facts["text"] for event in store.events(0, job.id) if event.name == "note"]
    assert "going on from step 5 of 12" in notes
    assert (store.root / job.run / "mesh.glb").read_bytes() == undisturbed(tmp_path, job)


@pytest.mark.usefixtures("every_step_is_told")
def test_a_worker_that_stops_puts_its_job_back_and_another_goes_on(store: Store, worker: Worker) -> None:
    submitted(store)
    worker.claims = StopsAt(worker.claims, 5, worker.stop)
    job = work(worker)
    assert job.state == "queued" and job.worker is None and job.run is not None
    worker.work()  # it was told to stop: takes nothing more
    assert store.counts()["queued"] == 1
    with working(store) as claims:
        again = work(Worker(claims, threading.Event()))
    assert again.state == "done" and again.run == job.run
    assert len(list(store.root.glob("0*"))) == 1


def test_a_folder_that_a_worker_made_before_it_died_is_taken_up(store: Store, worker: Worker) -> None:
    (job,) = submitted(store)
    made = worker._run_of(job)  # and here it dies: the store knows of no folder
    found = work(worker)
    assert found.run == made.path.name and len(list(store.root.glob("0*"))) == 1


def test_a_run_that_was_removed_meanwhile_is_made_anew(store: Store, worker: Worker) -> None:
    (job,) = submitted(store)
    Claims(store, "").store.db.execute("UPDATE jobs SET run = '0099-gone' WHERE id = ?", (job.id,))
    assert work(worker).run == "0001-a-red-ball"


def test_a_job_that_fails_says_of_what_and_leaves_no_empty_folder(
    store: Store, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: object, device: object = "cpu") -> object:
        raise failure

    monkeypatch.setattr(EmbeddedPriorConfig, "build", fails)
    for error, told in (
        (RuntimeError("two\nlines"), "this is a bug in dreamlab: RuntimeError: two"),
        (MemoryError("bad_alloc"), "there was not enough memory; bad_alloc."),
    ):
        failure = error
        submitted(store)
        job = work(worker)
        assert (job.state, job.error, job.run) == ("failed", told, None)
    assert list(store.root.glob("0*")) == []


def test_settings_that_are_none_any_more_fail_in_one_line(store: Store, worker: Worker) -> None:
    today = order()
    store.submit([replace(today, config={**today.config, "fieldd": 1})])
    job = work(worker)
    assert job.state == "failed" and "fieldd" in (job.error or "") and "\n" not in (job.error or "")


def test_the_pace_is_counted_from_the_first_step_of_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    pace = Pace()
    assert pace.step(51, 100) is None  # going on from a checkpoint: nothing is known yet
    now[0] += 10
    assert pace.step(56, 100) == pytest.approx(44 * 2.0)
    assert pace.due(False) and not pace.due(False) and pace.due(True)
    now[0] += 1
    assert pace.due(False)


# ---- processes ----

HANGS = """
import sys, time
from pathlib import Path
from dreamlab.server.claims import working
from dreamlab.server.store import Store
with working(Store(Path(sys.argv[1]))) as claims:
    while claims.claim() is None:
        time.sleep(0.05)
    time.sleep(600)
"""


def test_a_worker_that_is_killed_is_replaced_and_its_job_is_taken_on(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (job,) = submitted(store)
    workers = Workers(store, 1, (sys.executable, "-c", HANGS))
    workers.start()
    try:
        until(lambda: store.counts()["running"] == 1)
        process = workers._slots[0]._process
        assert process is not None and workers.alive == 1 and workers.restarts == 0
        process.kill()
        until(lambda: workers.restarts == 1 and workers.alive == 1)
        until(lambda: store.counts()["running"] == 1)
    finally:
        workers.stop(patience=0.2)
    found = store.job(job.id)
    assert found is not None and found.state == "queued" and found.deaths == 2 and workers.alive == 0


OBEYS = """
import signal, sys, threading
from pathlib import Path
from dreamlab.server.claims import working
from dreamlab.server.store import Store
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
with working(Store(Path(sys.argv[1]))) as claims:
    while not stop.wait(0.05):
        if (job := claims.claim()) is not None:
            stop.wait()
            claims.put_back(job)
"""


def test_a_server_that_is_started_anew_has_its_queue_and_its_jobs_go_on(tmp_path: Path) -> None:
    command = (sys.executable, "-c", OBEYS)
    with client(tmp_path, workers=1, command=command) as desk:
        asked = {"prompt": "a red ball", "variations": 3}
        jobs = [job["id"] for job in desk.post("/v1/jobs", json=asked).json()["jobs"]]
        until(lambda: desk.get(f"/v1/jobs/{jobs[0]}").json()["state"] == "running")
        assert desk.get("/v1/health").json()["workers"] == 1
    store = Store(tmp_path)
    assert [store.counts()[state] for state in ("queued", "running")] == [3, 0]
    with client(tmp_path, workers=1, command=command) as desk:
        until(lambda: desk.get(f"/v1/jobs/{jobs[0]}").json()["state"] == "running")  # its turn is kept
        listed = [job["id"] for job in desk.get("/v1/jobs").json()["jobs"]]
        assert listed == jobs[::-1]
    found = store.job(jobs[0])
    assert found is not None and found.deaths == 0  # nobody was killed


def test_a_worker_that_cannot_start_is_tried_again_less_and_less_often(tmp_path: Path) -> None:
    workers = Workers(Store(tmp_path), 1, (sys.executable, "-c", "raise SystemExit('no luck')"))
    waits = []
    for _ in range(3):
        workers._look()
        slot = workers._slots[0]
        if slot._process is not None:
            slot._process.wait()
        workers._look()
        waits.append(slot._wait)
        slot._since -= 100  # the time has come
    assert waits == [1.0, 2.0, 4.0]
    assert "no luck" in (tmp_path / ".workshop" / "worker-1.log").read_text()


@pytest.mark.slow
def test_a_job_whose_worker_is_killed_ends_with_the_bytes_that_it_would_have_had(
    store: Store, tmp_path: Path
) -> None:
    (job,) = submitted(store)
    workers = Workers(store, 1, WORKER)
    workers.start()
    try:
        until(lambda: any(event.name == "step" for event in store.events(0, job.id)))
        process = workers._slots[0]._process
        assert process is not None
        process.kill()
        done = until(lambda: (now := store.job(job.id)) and now.state == "done" and now)
    finally:
        workers.stop()
    assert len(list(store.root.glob("0*"))) == 1
    assert (store.root / done.run / "mesh.glb").read_bytes() == undisturbed(tmp_path, job)


@pytest.mark.slow
def test_a_worker_ends_when_who_started_it_is_gone(tmp_path: Path) -> None:
    import subprocess

    line = [*WORKER, str(tmp_path)]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert process.stdin is not None
    until(lambda: list(Store(tmp_path).folder.glob("worker-*.lock")))
    process.stdin.close()  # as the system does it
    assert process.wait(60) == 0
    process = subprocess.Popen(line, stdin=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)})
    until(lambda: list(Store(tmp_path).folder.glob("worker-*.lock")))
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0 and process.stdin is not None
    process.stdin.close()


def test_a_bug_is_told_from_memory() -> None:
    assert worker_module._told(KeyError("x")).startswith("this is a bug in dreamlab: KeyError")
