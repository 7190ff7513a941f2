"""The simulation of a fleet against what can be counted by hand."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "simulate_fleet.py"
CALM = {"life": 0.0, "spread": 0.0, "slow": 0.0, "collapse": 0.0}


@pytest.fixture(scope="module")
def fleet() -> Any:
    spec = importlib.util.spec_from_file_location("simulate_fleet", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["simulate_fleet"] = module
    spec.loader.exec_module(module)
    return module


def outcome(fleet: Any, seconds: list[float], seed: int = 0, **settings: Any) -> Any:
    return fleet.Simulation(fleet.Fleet(**(CALM | settings)), seconds, seed).run()


def test_a_calm_fleet_takes_as_long_as_one_can_count(fleet: Any) -> None:
    found = outcome(fleet, [90.0], jobs=1001, machines=10, at_once=2, price=0.5)
    assert found.hours == pytest.approx(math.ceil(1001 / 20) * 90 / 3600)
    assert found.machine_hours == pytest.approx(10 * found.hours)
    assert found.cost == pytest.approx(0.5 * found.machine_hours)
    assert (found.failed, found.preemptions, found.lost_hours) == (0, 0, 0)
    assert found.tail_hours == pytest.approx(90 / 3600)
    assert found.idle_hours == pytest.approx(19 / 2 * 90 / 3600)  # all but one slot wait for the last job
    assert found.job_median_s == pytest.approx(90) and found.job_p99_s == pytest.approx(90)


def test_as_many_fail_as_collapse_with_every_seed(fleet: Any) -> None:
    found = outcome(fleet, [60.0], jobs=20_000, machines=50, collapse=0.3, retries=2)
    assert found.failed / 20_000 == pytest.approx(0.3**3, rel=0.15)
    assert found.collapses / 20_000 == pytest.approx(0.3 + 0.3**2 + 0.3**3, rel=0.05)


def test_what_is_taken_away_is_gone_on_with(fleet: Any) -> None:
    """Half a part is lost on average with every job that moves; without checkpoints far more."""
    settings: dict[str, Any] = {"jobs": 4000, "machines": 20, "at_once": 1, "life": 1.0, "absence": 60.0}
    found = outcome(fleet, [600.0], parts=10, **settings)
    assert found.moved_jobs > 300 and found.failed == 0
    assert found.lost_hours * 3600 / found.moved_jobs == pytest.approx(30, rel=0.15)
    work = 4000 * 600 / 3600
    assert found.machine_hours - found.idle_hours == pytest.approx(work + found.lost_hours, rel=0.01)
    assert outcome(fleet, [600.0], parts=1, **settings).lost_hours > 5 * found.lost_hours


def test_slow_machines_make_a_tail(fleet: Any) -> None:
    even = outcome(fleet, [100.0], jobs=2000, machines=20)
    slow = outcome(fleet, [100.0], jobs=2000, machines=20, slow=0.2, slower=5.0)
    assert slow.hours > even.hours and slow.tail_hours > 2 * even.tail_hours
    assert slow.job_p99_s == pytest.approx(500)


def test_the_same_seed_gives_the_same(fleet: Any) -> None:
    settings: dict[str, Any] = {"jobs": 500, "life": 0.5, "spread": 0.2, "collapse": 0.1}
    first, again, other = (outcome(fleet, [50.0, 90.0], seed, **settings) for seed in (1, 1, 2))
    assert first == again != other


def test_seconds_are_read_from_a_table_and_from_figures(fleet: Any, tmp_path: Path) -> None:
    table = tmp_path / "table.jsonl"
    rows = [("done", 1, 7.5), ("done", 2, 30.0), ("failed", 1, 2.0), ("done", 1, 9.0)]
    table.write_text(
        "".join(json.dumps({"state": s, "attempts": a, "seconds": t}) + "\n" for s, a, t in rows)
    )
    assert fleet.measured_seconds(table) == [7.5, 9.0]
    figures = Path(__file__).parents[1] / "docs" / "figures" / "fleet_jobs.json"
    assert len(fleet.measured_seconds(figures)) == 10
    table.write_text("")
    with pytest.raises(SystemExit, match="no seconds"):
        fleet.measured_seconds(table)
