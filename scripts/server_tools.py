"""For scripts/load_test.py and kill_test.py: a server that can be killed, and the count of what is left."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from dreamlab.client import Client  # noqa: E402


class Server:
    """scripts/known_server.py in a process of its own."""

    def __init__(self, root: Path, workers: int) -> None:
        self.root, self.workers = root, workers
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        line = [
            sys.executable,
            str(HERE / "known_server.py"),
            str(self.root),
            str(self.port),
            str(self.workers),
        ]
        with (self.root.parent / "server.log").open("ab") as told:
            self.process = subprocess.Popen(line, stdout=told, stderr=told)

    def wait(self, seconds: float = 300) -> None:
        """Until it answers."""
        Client(self.url, patience=seconds).ask("GET", "/v1/health")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)

    def worker_pids(self) -> list[int]:
        """Processes that work on this folder, whoever started them."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(word.endswith(b"known_worker.py") for word in words) and str(self.root).encode() in words:
                found.append(int(path.name))
        return found


def accounted(root: Path, jobs: list[dict[str, Any]], keys: int) -> dict[str, Any]:
    """What has become of `keys` requests of one job each: lost, doubled, failed; runs without a job or more
    than one of a job; results that are not the same bytes."""
    owners = Counter(_owner(path) for path in root.iterdir() if (path / "config.yaml").is_file())
    meshes = Counter(_bytes(root / (job["run"] or "-") / "mesh.glb") for job in jobs)
    return {
        "asked": keys,
        "jobs": len(jobs),
        "lost": max(0, keys - sum(job["state"] == "done" for job in jobs)),
        "doubled": max(0, len(jobs) - keys),
        "failed": [job["error"] for job in jobs if job["state"] == "failed"],
        "runs": sum(owners.values()),
        "runs_doubled": sum(count - 1 for count in owners.values()),
        "runs_of_no_job": sum(owner not in {job["id"] for job in jobs} for owner in owners),
        "unequal": sum(meshes.values()) - max(meshes.values(), default=0),
    }


def all_jobs(client: Client) -> list[dict[str, Any]]:
    """Every job of a server, page by page."""
    found: list[dict[str, Any]] = []
    while page := client.jobs(limit=100, **({"after": found[-1]["id"]} if found else {})):
        found += page
    return found


def finished(client: Client, count: int, seconds: float) -> list[dict[str, Any]]:
    """Wait until so many jobs are over."""
    end = time.monotonic() + seconds
    while True:
        jobs = all_jobs(client)
        over = [job for job in jobs if job["state"] in ("done", "failed", "cancelled")]
        if len(over) >= count or time.monotonic() > end:
            return jobs
        time.sleep(1)


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {"cores": os.cpu_count(), "load": [round(x, 1) for x in os.getloadavg()]}


def _owner(run: Path) -> str:
    try:
        return str(json.loads((run / "environment.json").read_text()).get("job"))
    except (OSError, ValueError):
        return f"none: {run.name}"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
