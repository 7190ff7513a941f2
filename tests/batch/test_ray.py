"""A batch on a Ray cluster of this machine alone: an actor that is killed loses no job."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamlab.batch.batch import run_batch
from dreamlab.batch.events import Begun, Ended, Remark, Stepped
from dreamlab.batch.ledger import Ledger
from dreamlab.batch.ray import on_ray
from dreamlab.batch.work import Terms
from dreamlab.core.errors import UnavailableError
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from tests.batch.toys import jobs_of, result, worked

PROMPTS = ("a red ball", "a ball", "a cup")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    paths = ":".join([str(Path(__file__).parents[1]), str(Path(__file__).parents[2]), *sys.path])
    runtime = {"env_vars": {"PYTHONPATH": paths}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=runtime)
    yield ray
    ray.shutdown()


def red_balls() -> Callable[[], Any]:
    """Something that can be sent to an actor and gives it the prior of a red ball."""

    def make() -> Any:
        from known import red_ball_prior

        return lambda config, device: red_ball_prior()

    return make


@pytest.mark.slow
def test_an_actor_that_is_killed_loses_no_job(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from known import red_ball_prior

    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    jobs = jobs_of(tmp_path, PROMPTS)
    calm = worked(jobs, tmp_path / "calm")
    crew = on_ray("auto", f"file://{tmp_path}/shared", 2, red_balls())
    toys, killed, told = tmp_path / "toys", False, []
    for event in run_batch(jobs, Terms(toys, threads=1), crew=crew):
        told.append(event)
        if isinstance(event, Stepped) and event.done == 3 and not killed:
            killed = True
            kill_an_actor(cluster)
    assert killed and any("its machine is gone" in e.text for e in told if isinstance(e, Remark))
    assert (
        len([e for e in told if isinstance(e, Ended)]) == 3
        and len([e for e in told if isinstance(e, Begun)]) == 4
    )
    rows = {f"{row.prompt} {row.seed}": row for row in Ledger(toys).rows.values()}
    assert {n: result(toys, row) for n, row in rows.items()} == {
        n: result(tmp_path / "calm", row) for n, row in calm.items()
    }
    assert list(run_batch(jobs, Terms(toys, threads=1), crew=crew))[1:] == []


def kill_an_actor(ray: Any) -> None:
    """End the process of one that is at work, as a machine that vanishes does."""
    import psutil
    from ray.util.state import list_actors

    actors = [a for a in list_actors(filters=[("state", "=", "ALIVE")]) if a.class_name == "Actor"]
    psutil.Process(actors[0].pid).kill()


@pytest.mark.slow
def test_a_stop_keeps_what_the_actors_have_done(cluster: Any, tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, PROMPTS[:1])
    crew = on_ray("auto", f"file://{tmp_path}/shared", 1, red_balls())
    events = run_batch(jobs, Terms(tmp_path / "toys", threads=1), crew=crew)
    assert any(isinstance(event, Stepped) and event.done == 1 for event in events)
    events.close()
    events = run_batch(jobs, Terms(tmp_path / "toys", threads=1), crew=crew)
    first = next(event for event in events if isinstance(event, Stepped))
    assert first.done > 1
    assert [event.row.state for event in events if isinstance(event, Ended)] == ["done"]


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UnavailableError, match=r'pip install "dreamlab\[ray\]"'):
        on_ray("auto", "memory://x")
