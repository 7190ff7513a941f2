"""The queue: what is taken is kept, claims are exclusive, and the dead give their jobs back."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dreamlab.core.errors import DamagedError, InputError, UnavailableError
from dreamlab.core.locks import held
from dreamlab.server import claims as claims_module
from dreamlab.server.claims import MOST_DEATHS, Claims, LostError, take_back, working
from dreamlab.server.jobs import Job
from dreamlab.server.store import FILE, VERSION, QueueFullError, Store
from tests.server.desk import ROOT, order, submitted


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def state_of(store: Store, job: Job) -> str:
    found = store.job(job.id)
    assert found is not None
    return found.state


def names(store: Store, job: Job) -> list[str]:
    return [event.name for event in store.events(0, job.id)]


def died(store: Store) -> Job:
    """A job whose worker was killed while it had it."""
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from dreamlab.server.claims import working; from dreamlab.server.store import Store\n"
        "with working(Store(Path(sys.argv[1]))) as claims:\n"
        "    claims.claim(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    line = [sys.executable, "-c", code, str(store.root)]
    done = subprocess.run(line, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == -signal.SIGKILL
    (running,) = store.jobs("running")
    return running


def test_a_store_of_the_version_before_is_gone_on_with(store: Store) -> None:
    (job,) = submitted(store)
    for column in ("images", "notes"):
        store.db.execute(f"ALTER TABLE jobs DROP COLUMN {column}")
    store.db.execute("PRAGMA user_version = 1")
    again = Store(store.root)
    assert again.jobs() == [job] and again.db.execute("PRAGMA user_version").fetchone()[0] == VERSION
    assert (job.images, job.notes) == ([], [])


def test_every_job_is_claimed_by_one_worker_however_many_ask(store: Store) -> None:
    jobs = submitted(store, 40)

    def take(number: int) -> list[str]:
        with working(Store(store.root)) as claims:
            found = []
            while (job := claims.claim()) is not None:
                found.append(job.id)
                claims.finish(job, {}, {})
            return found

    with ThreadPoolExecutor(8) as threads:
        taken = [job for each in threads.map(take, range(8)) for job in each]
    assert sorted(taken) == sorted(job.id for job in jobs)
    assert store.counts()["done"] == 40


def test_jobs_come_in_the_order_of_their_submission(store: Store) -> None:
    jobs = submitted(store, 3)
    with working(store) as claims:
        assert [claims.claim(), claims.claim(), claims.claim()] != [None] * 3
        assert claims.claim() is None
        assert [job.id for job in reversed(store.jobs("running"))] == [job.id for job in jobs]


def test_a_job_goes_through_its_states_and_says_so(store: Store) -> None:
    (job,) = submitted(store)
    with working(store) as claims:
        mine = claims.claim()
        assert mine is not None and mine.state == "running" and mine.worker == claims.worker
        claims.began(job, "0001-a-red-ball")
        claims.phase(job, "shape", "distil", 8)
        claims.step(job, 3, 12, 1.5, {"residual": 0.5, "loss": float("nan")})
        now = store.job(job.id)
        assert now is not None
        assert (now.run, now.phase, now.step, now.steps, now.seconds_left) == (
            "0001-a-red-ball",
            "shape",
            3,
            12,
            1.5,
        )
        assert store.events(0, job.id)[-1].facts["metrics"] == {"residual": 0.5}  # JSON has no NaN
        claims.finish(job, {"glb": "mesh.glb"}, {"shape": 2.0})
    now = store.job(job.id)
    assert now is not None and now.files == {"glb": "mesh.glb"} and now.worker is now.phase is None
    assert names(store, job) == ["queued", "running", "phase", "finished"]  # steps are not kept


def test_a_killed_worker_loses_no_job_and_a_living_one_keeps_its_own(store: Store) -> None:
    submitted(store, 2)
    lost = died(store)
    with working(store) as claims:
        kept = claims.claim()
        assert kept is not None and kept.id != lost.id
        assert take_back(store) == [lost.id]
        assert state_of(store, lost) == "queued" and state_of(store, kept) == "running"
        assert take_back(store) == []
        again = claims.claim()
        assert again is not None and again.id == lost.id and again.deaths == 1
    assert names(store, lost) == ["queued", "running", "queued", "running"]
    assert len(list(store.folder.glob("worker-*.lock"))) == 0


def test_who_has_lost_a_job_cannot_write_to_it(store: Store) -> None:
    (job,) = submitted(store)
    with working(store) as claims:
        assert claims.claim() is not None
        ghost = Claims(store, "another")
        for write in (lambda: ghost.finish(job, {}, {}), lambda: ghost.step(job, 1, 2, None, {})):
            with pytest.raises(LostError):
                write()
        assert state_of(store, job) == "running" and names(store, job) == ["queued", "running"]


def test_a_job_that_kills_every_worker_ends_as_failed(store: Store) -> None:
    (job,) = submitted(store)
    for deaths in range(1, MOST_DEATHS + 1):
        died(store)
        take_back(store)
        assert state_of(store, job) == ("failed" if deaths == MOST_DEATHS else "queued")
    now = store.job(job.id)
    assert now is not None and f"{MOST_DEATHS} workers died" in (now.error or "")


def test_a_job_that_gets_further_is_not_given_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims_module, "MOST_DEATHS", 2)
    (job,) = submitted(store)
    for step in range(1, 4):
        died(store)
        take_back(store)
        assert state_of(store, job) == "queued"
        with working(store) as claims:
            mine = claims.claim()
            assert mine is not None and mine.deaths == 1
            claims.step(job, step, 12, None, {})
            claims.put_back(job)
    died(store)
    take_back(store)
    assert state_of(store, job) == "queued"
    died(store)
    take_back(store)
    assert state_of(store, job) == "failed"


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_asked(store: Store) -> None:
    first, second = submitted(store, 2)
    with working(store) as claims:
        assert claims.claim() is not None
        store.cancel(second.id)
        assert state_of(store, second) == "cancelled" and claims.claim() is None
        store.cancel(first.id)
        now = store.job(first.id)
        assert now is not None and now.state == "running" and now.cancelling
        assert claims.step(first, 1, 12, None, {}) is True
        claims.put_back(first)
        assert state_of(store, first) == "cancelled"
    assert store.cancel("nobody") is None


def test_a_cancelled_job_whose_worker_dies_stays_cancelled(store: Store) -> None:
    submitted(store)
    job = died(store)
    store.cancel(job.id)
    take_back(store)
    assert state_of(store, job) == "cancelled"


def test_what_failed_or_was_cancelled_is_tried_again_at_the_end_of_the_queue(store: Store) -> None:
    first, second = submitted(store, 2)
    with working(store) as claims:
        assert claims.claim() is not None
        claims.began(first, "0001-a-red-ball")
        claims.fail(first, "no luck.")
        assert (again := store.retry(first.id)) is not None
        assert (again.state, again.error, again.run) == ("queued", None, "0001-a-red-ball")
        mine = claims.claim()
        assert mine is not None and mine.id == second.id
        claims.finish(second, {}, {})
        with pytest.raises(InputError, match="done"):
            store.retry(second.id)
    with pytest.raises(InputError, match="queued"):
        store.retry(first.id)
    with pytest.raises(QueueFullError):
        store.cancel(first.id)
        submitted(store)
        store.retry(first.id, most=1)


def test_the_queue_takes_all_of_a_request_or_none(store: Store) -> None:
    submitted(store, 2)
    with pytest.raises(QueueFullError, match="at most 3"):
        store.submit([order(), order()], most=3)
    assert store.counts()["queued"] == 2
    assert len(store.submit([order()], most=3)) == 1


def test_a_request_that_is_sent_twice_counts_once(store: Store) -> None:
    first = store.submit([order(), order()], key="abc")
    again = store.submit([order(), order()], key="abc", most=2)  # even where the queue is full by now
    assert [job.id for job in again] == [job.id for job in first]
    assert store.counts()["queued"] == 2
    assert store.submit([order()], key="abd")[0].id not in {job.id for job in first}


def test_jobs_are_listed_newest_first_in_pages(store: Store) -> None:
    jobs = submitted(store, 5)
    ids = [job.id for job in reversed(jobs)]
    page = store.jobs(limit=2)
    assert [job.id for job in page] == ids[:2]
    assert [job.id for job in store.jobs(limit=9, after=page[-1].id)] == ids[2:]
    assert store.jobs("done") == [] and len(store.jobs("queued")) == 5


def test_events_of_all_jobs_are_their_changes_of_state(store: Store) -> None:
    first, second = submitted(store, 2)
    with working(store) as claims:
        claims.claim()
        claims.phase(first, "shape", "", 8)
        claims.note(first, "a note")
        claims.cancelled(first)
    told = [(event.job, event.name) for event in store.events(0)]
    expected = [(first.id, "queued"), (second.id, "queued"), (first.id, "running"), (first.id, "cancelled")]
    assert told == expected
    numbers = [event.number for event in store.events(0)]
    assert numbers == sorted(numbers) and store.events(numbers[-1]) == []


def test_numbers_of_events_are_never_given_again(store: Store) -> None:
    (job,) = submitted(store)
    with working(store) as claims:
        claims.claim()
        claims.step(job, 12, 12, None, {})
        last = store.newest_event()
        claims.finish(job, {}, {})  # drops the step
    assert store.newest_event() > last


def test_the_store_outlives_its_process(store: Store, tmp_path: Path) -> None:
    (job,) = submitted(store)
    again = Store(tmp_path).job(job.id)
    assert again == job


def test_a_store_of_another_version_or_of_garbage_is_refused_in_one_line(tmp_path: Path) -> None:
    Store(tmp_path).db.execute("PRAGMA user_version = 99")
    with pytest.raises(DamagedError, match="another dreamlab"):
        Store(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / FILE).write_bytes(b"no database at all, but long enough to be read as one" * 40)
    with pytest.raises(DamagedError, match="cannot be used"):
        Store(other)


def test_an_error_in_a_transaction_undoes_it(store: Store) -> None:
    (job,) = submitted(store)
    with pytest.raises(sqlite3.IntegrityError), store.writing() as db:
        db.execute("UPDATE jobs SET prompt = 'another'")
        db.execute("UPDATE jobs SET state = 'running'")  # without a worker
    assert store.job(job.id) == job


def test_a_system_without_locks_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(UnavailableError, match="file locks"), held(tmp_path / "lock"):
        pass
