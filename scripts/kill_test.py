"""kill -9 at random: does a server lose a job, or do one twice?

    .venv/bin/python scripts/kill_test.py --kills 60 --jobs 60 --to docs/figures/kill_test.json

While jobs are submitted and worked on, the server, one of its workers, a client or a browser is struck, again
and again; the server is then started anew, as systemd would. A client that is struck has sent a request and
does not read the answer. A browser (a headless Chromium) has the app's page open, which follows all jobs by
its stream of events and has just sent such a request; whatever the server went through since it was opened,
the page must be following again before it is struck. Whoever comes after either sends the request again with
the same key. Jobs are tiny runs whose prior knows one red ball, all of one seed: whatever has happened to it,
each must end with the same mesh.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from server_tools import Client, Server, accounted, finished, machine

from tests.app.browser import Page, browsing, found

ASKED = {"prompt": "a red ball", "seed": 3}
STRUCK = ("server", "worker", "worker", "client", "browser", "browser")
REMEMBER = """window.streams = [];
window.EventSource = class extends EventSource { constructor(url) { super(url); streams.push(this); } };"""
FOLLOWING = "streams.length && streams.at(-1).url.endsWith('/v1/events') && streams.at(-1).readyState === 1"
ASK = """void fetch("/v1/jobs", {method: "POST", body: JSON.stringify(%s),
    headers: {"Content-Type": "application/json", "Idempotency-Key": %s}}).catch(() => {})"""


def submit_all(url: str, jobs: int, pause: float) -> None:
    """One job after another, each by a key of its own, whatever happens to the server meanwhile."""
    client = Client(url, patience=600)
    for number in range(jobs):
        client.ask("POST", "/v1/jobs", ASKED, key=f"kill-test-{number:04d}")
        time.sleep(pause)


def struck_client(url: str, number: int) -> None:
    """A client that is gone before its answer comes, and the one that asks again."""
    import http.client

    place, key = urlsplit(url), f"struck-client-{number:04d}"
    gone = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    try:
        gone.request(
            "POST",
            "/v1/jobs",
            json.dumps(ASKED),
            {"Content-Type": "application/json", "Idempotency-Key": key},
        )
    except OSError:
        pass  # the server is away at this moment: nothing was asked for
    finally:
        gone.close()
    Client(url, patience=600).ask("POST", "/v1/jobs", ASKED, key=key)


class Onlooker:
    """A browser that has the app's page open; when it is gone, another. One at a time."""

    def __init__(self, url: str, home: Path) -> None:
        self.url, self.home = url, home
        self._open, self._opened = ExitStack(), 0
        self._page: Page | None = None

    def follow(self) -> Page:
        """The page, when its stream of events is open: anew where there is none yet."""
        Client(self.url, patience=600).ask("GET", "/v1/health")
        if self._page is None:
            self._opened += 1
            self._page = self._open.enter_context(browsing(self.home / f"profile-{self._opened}"))
            self._page.send("Page.addScriptToEvaluateOnNewDocument", source=REMEMBER)
            self._page.go(self.url)
        self._page.until(FOLLOWING, 300)
        return self._page

    def struck(self, number: int) -> None:
        """kill -9 of the browser with all its processes, just after the page has sent a request; whoever
        asks again."""
        key = f"struck-browser-{number:04d}"
        self.follow().run(ASK % (json.dumps(ASKED), json.dumps(key)))
        time.sleep(random.uniform(0, 0.2))
        self.close()
        Client(self.url, patience=600).ask("POST", "/v1/jobs", ASKED, key=key)

    def close(self) -> None:
        self._open.close()
        self._page = None


def strike(server: Server, onlooker: Onlooker, what: str, number: int) -> bool:
    """Whether there was anything to strike."""
    if what == "server":
        server.kill()
        server.start()
    elif what == "worker":
        pids = server.worker_pids()
        if not pids:
            return False
        try:
            os.kill(random.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            return False
    elif what == "browser":
        onlooker.struck(number)
    else:
        struck_client(server.url, number)
    return True


def measure(home: Path, kills: int, jobs: int, workers: int, pause: float, limit: float) -> dict[str, Any]:
    """The figures of one sitting."""
    root = home / "runs"
    root.mkdir()
    server, before, began = Server(root, workers), machine(), time.monotonic()
    server.start()
    server.wait()
    submitting = threading.Thread(
        target=submit_all, args=(server.url, jobs, kills * pause / jobs), daemon=True
    )
    submitting.start()
    counts: Counter[str] = Counter()
    onlooker = Onlooker(server.url, home)
    while sum(counts.values()) < kills:
        onlooker.follow()
        time.sleep(random.uniform(0, 2 * pause))
        what = random.choice(STRUCK)
        counts[what] += strike(server, onlooker, what, counts[what])
    onlooker.close()
    submitting.join()
    client, asked = Client(server.url, patience=300), jobs + counts["client"] + counts["browser"]
    over = finished(client, asked, limit)
    server.stop()
    figures = accounted(root, over, asked)
    return {
        "killed": dict(counts),
        "workers": workers,
        "seconds": round(time.monotonic() - began, 1),
        **figures,
        "machine": before,
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pause", type=float, default=6.0, help="seconds between two strikes, on average")
    parser.add_argument(
        "--limit", type=float, default=1800, help="seconds for the jobs that are left at the end"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path, help="write the figures to this JSON file")
    args = parser.parse_args(arguments)
    if found() is None:
        parser.error("chromium is not installed (apt-get install chromium)")
    random.seed(args.seed)
    with tempfile.TemporaryDirectory() as home:
        figures = measure(Path(home), args.kills, args.jobs, args.workers, args.pause, args.limit)
    text = json.dumps(figures, indent=1) + "\n"
    sys.stdout.write(text)
    if args.to is not None:
        args.to.write_text(text)
    return int(
        any(figures[name] for name in ("lost", "doubled", "runs_doubled", "runs_of_no_job", "unequal"))
    )


if __name__ == "__main__":
    sys.exit(main())
