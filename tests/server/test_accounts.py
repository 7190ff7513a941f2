"""The scripts that try a server notice what they look for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from dreamlab.server.store import Store
from tests.cli.shelf import make_run
from tests.server.desk import ROOT, submitted

sys.path.insert(0, str(ROOT / "scripts"))

import kill_test
import known_server
import server_tools

BAD = ("lost", "doubled", "runs_doubled", "runs_of_no_job", "unequal")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for job in ("a", "b", "c"):
        made_for(tmp_path, job)
    return tmp_path


def made_for(root: Path, job: str) -> Path:
    run = make_run(root)
    (run / "environment.json").write_text(json.dumps({"job": job}))
    return run


def jobs(root: Path) -> list[dict[str, Any]]:
    runs = {json.loads((run / "environment.json").read_text())["job"]: run.name for run in root.glob("0*")}
    return [{"id": job, "state": "done", "run": run, "error": None} for job, run in runs.items()]


def wrong(root: Path, found: list[dict[str, Any]], keys: int = 3) -> dict[str, int]:
    figures = server_tools.accounted(root, found, keys)
    return {name: figures[name] for name in BAD if figures[name]}


def test_where_all_is_well_nothing_is_found(root: Path) -> None:
    assert wrong(root, jobs(root)) == {}


def test_lost_and_doubled_jobs_and_runs_are_counted(root: Path) -> None:
    found = jobs(root)
    assert wrong(root, found, 4) == {"lost": 1}
    assert wrong(root, found, 2) == {"doubled": 1}
    assert wrong(root, [{**found[0], "state": "queued"}, *found[1:]]) == {"lost": 1}
    assert wrong(root, found[1:], 2) == {"runs_of_no_job": 1}
    made_for(root, "c")
    assert wrong(root, found) == {"runs_doubled": 1}


def test_results_that_differ_are_counted(root: Path) -> None:
    found = jobs(root)
    (root / found[0]["run"] / "mesh.glb").write_bytes(b"another")
    (root / found[1]["run"] / "mesh.glb").unlink()
    assert wrong(root, found)["unequal"] == 2


def test_there_is_nothing_to_strike_where_no_worker_is(tmp_path: Path) -> None:
    server = server_tools.Server(tmp_path, 1)
    assert kill_test.strike(server, kill_test.Onlooker(server.url, tmp_path), "worker", 0) is False


def test_the_servers_tiny_settings_are_those_of_a_run(tmp_path: Path) -> None:
    from dreamlab.run.resolve import resolve

    config = resolve("a red ball", preset="fast", defaults=known_server.tiny())
    assert config.total_steps == sum(known_server.STEPS) and config.threads == 1
    assert len(submitted(Store(tmp_path))) == 1
