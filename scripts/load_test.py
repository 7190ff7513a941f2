"""Many clients and a long queue: does a server of two workers answer, and does it lose a job?

    .venv/bin/python scripts/load_test.py --clients 50 --jobs 200 --to docs/figures/load_test.json

Jobs are runs of six steps whose prior knows one red ball (scripts/known_server.py): what is loaded is the
server, the queue, the workers, checkpoints and files, not the network of a real prior. Every client submits
its share of the jobs and then asks for one of them and for the list, over and over, until all are done.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from server_tools import Client, Server, accounted, finished, machine


class Visitor(threading.Thread):
    """A client that submits jobs and polls; how long each answer took."""

    def __init__(self, url: str, jobs: int, pause: float, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.client, self.jobs, self.pause, self.over = Client(url), jobs, pause, over
        self.seconds: list[float] = []
        self.errors: list[str] = []

    def run(self) -> None:
        own = [self._timed("POST", "/v1/jobs", {"prompt": "a red ball", "seed": 3}) for _ in range(self.jobs)]
        paths = [f"/v1/jobs/{job['id']}" for job in own if job] + ["/v1/jobs?limit=20"]
        turn = 0
        while not self.over.wait(self.pause):
            self._timed("GET", paths[turn % len(paths)])
            turn += 1

    def _timed(self, method: str, path: str, body: Any = None) -> Any:
        began = time.perf_counter()
        try:
            return self.client.ask(method, path, body)
        except Exception as error:  # whatever it is, it counts
            self.errors.append(str(error))
            return None
        finally:
            self.seconds.append(time.perf_counter() - began)


def measure(home: Path, clients: int, jobs: int, workers: int, limit: float) -> dict[str, Any]:
    """The figures of one sitting."""
    root = home / "runs"
    root.mkdir()
    server, over = Server(root, workers), threading.Event()
    server.start()
    try:
        server.wait()
        before, began = machine(), time.monotonic()
        shares = [jobs // clients + (k < jobs % clients) for k in range(clients)]
        visitors = [Visitor(server.url, share, 1.0, over) for share in shares]
        for visitor in visitors:
            visitor.start()
        found = finished(Client(server.url), jobs, limit)
        seconds = time.monotonic() - began
        over.set()
        for visitor in visitors:
            visitor.join()
    finally:
        server.stop()
    answers = sorted(value for visitor in visitors for value in visitor.seconds)
    return {
        "clients": clients,
        "workers": workers,
        "seconds": round(seconds, 1),
        "answers": len(answers),
        "errors": [error for visitor in visitors for error in visitor.errors],
        "answer_ms": {
            "median": round(1000 * statistics.median(answers), 1),
            "95 %": round(1000 * answers[int(0.95 * len(answers))], 1),
            "longest": round(1000 * answers[-1], 1),
        },
        **accounted(root, found, jobs),
        "machine": before,
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=float, default=3600, help="seconds after which it is given up")
    parser.add_argument("--to", type=Path, help="write the figures to this JSON file")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as home:
        figures = measure(Path(home), args.clients, args.jobs, args.workers, args.limit)
    text = json.dumps(figures, indent=1) + "\n"
    sys.stdout.write(text)
    if args.to is not None:
        args.to.write_text(text)
    return int(figures["lost"] or figures["doubled"] or bool(figures["errors"]))


if __name__ == "__main__":
    sys.exit(main())
