"""A batch on a Ray cluster of this machine alone: an actor that is killed loses no job."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dreamlab.batch.batch import run_batch
from dreamlab.batch.events import Ended, Remark, Stepped
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # which would leave a token in the user's folder
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=runtime)
        yield ray
        ray.shutdown()


def red_balls() -> Callable[[], Any]:
    """Something that can be sent to an actor and gives it the prior of a red ball, which takes its time."""

    def make() -> Any:
        import time

        from known import red_ball_prior

        prior = red_ball_prior()
        answer = prior.denoise
        prior.denoise = lambda *args, **more: (time.sleep(0.3), answer(*args, **more))[1]
        return lambda config, device: prior

    return make


@pytest.mark.slow
def test_actors_that_are_killed_lose_no_job(
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
            kill_the_actors()
    remarks = [event.text for event in told if isinstance(event, Remark)]
    assert any("its machine is gone" in text for text in remarks)
    assert any("going on from step" in text for text in remarks)
    assert len([event for event in told if isinstance(event, Ended)]) == 3
    rows = {f"{row.prompt} {row.seed}": row for row in Ledger(toys).rows.values()}
    assert {n: result(toys, row) for n, row in rows.items()} == {
        n: result(tmp_path / "calm", row) for n, row in calm.items()
    }
    assert list(run_batch(jobs, Terms(toys, threads=1), crew=crew))[1:] == []


def kill_the_actors() -> None:
    """End the processes of those that are at work, as machines that vanish do."""
    children = psutil.Process().children(recursive=True)
    actors = [child for child in children if "ray::Actor" in " ".join(child.cmdline())]
    assert actors
    for actor in actors:
        actor.kill()


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
