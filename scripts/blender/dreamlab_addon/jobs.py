"""Orders at work: as a process of dreamlab on this machine, or on a server. Blender is never held up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
import uuid
from collections import deque
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urljoin

from .orders import Order, Progress, command_line, request

_POLL = 1.0  # seconds between two questions to a server
_PATIENCE = 20.0  # seconds for an answer
_MISSES = 10  # answers that may fail to come, one after another


class Job(Protocol):
    """An order at work. `progress` may be read at any time."""

    progress: Progress

    def cancel(self) -> None:
        """Stop soon; the run keeps a checkpoint."""
        ...


class ProcessJob:
    """`dreamlab run` in a process of its own, with its runs in the folder `out`. ValueError, OSError where it
    cannot be started."""

    def __init__(self, command: str, order: Order, out: str, extra: str = "") -> None:
        self.progress, self._cancelled = Progress(), False
        self._complaint: deque[str] = deque(maxlen=5)
        # Blender's Python is none of the command's business.
        around = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")}
        self._process = subprocess.Popen(
            command_line(command, order, out, extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=around,
        )
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._listen, self._keep_complaints)
        ]
        for thread in self._threads:
            thread.start()

    def cancel(self) -> None:
        self._cancelled = True
        if self._process.poll() is None:
            if sys.platform == "win32":
                self._process.terminate()
            else:
                self._process.send_signal(signal.SIGINT)

    def wait(self, seconds: float | None = None) -> None:
        """Until the process and what it has said are at their end."""
        self._threads[0].join(seconds)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                event = json.loads(line)
                self.progress.hear(event)
            except (ValueError, KeyError, TypeError, AttributeError):  # not ours to understand
                continue
        code = self._process.wait()
        self._threads[1].join(_PATIENCE)
        if self.progress.state == "running":
            words = " ".join(self._complaint).strip()
            self.progress.error = "" if self._cancelled else words or f"dreamlab ended with code {code}"
            self.progress.state = "cancelled" if self._cancelled else "failed"

    def _keep_complaints(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._complaint.append(line.strip())


class ServerJob:
    """A job of `dreamlab serve` at `address`; its GLB is fetched into a folder of temporary files."""

    def __init__(self, address: str, order: Order, token: str = "") -> None:
        self.progress, self._token = Progress(), token
        self._base = address.rstrip("/") + "/"
        self._body, self._stop = request(order), threading.Event()
        self._key = uuid.uuid4().hex
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        self._stop.set()

    def wait(self, seconds: float | None = None) -> None:
        """Until the job is over."""
        self._thread.join(seconds)

    def _follow(self) -> None:
        try:
            job = self._ask("POST", "v1/jobs", self._body)
            place = f"v1/jobs/{job['id']}"
            while not self._heard(job):
                if self._stop.wait(_POLL):
                    self._ask("DELETE", place)
                    self.progress.state = "cancelled"
                    return
                job = self._ask("GET", place)
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.progress.error, self.progress.state = _reason(error), "failed"

    def _heard(self, job: dict[str, Any]) -> bool:
        """Whether the job is over."""
        progress, state = self.progress, job["state"]
        progress.step, progress.steps = int(job.get("step") or 0), int(job.get("steps") or 0)
        progress.phase = str(job.get("phase") or state)
        if state == "done":
            progress.files = {"glb": self._fetch(job["files"]["glb"])}
            progress.state = "done"
        elif state == "failed":
            progress.error, progress.state = str(job.get("error") or "the server gives no reason"), "failed"
        elif state == "cancelled":
            progress.state = "cancelled"
        return state in ("done", "failed", "cancelled")

    def _fetch(self, url: str) -> str:
        path = Path(tempfile.mkdtemp(prefix="dreamlab-")) / "mesh.glb"
        path.write_bytes(self._send("GET", url))
        return str(path)

    def _ask(self, method: str, place: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A question, again where no answer comes; by its key a job that is asked for twice is made once."""
        for miss in range(_MISSES):
            try:
                return json.loads(self._send(method, place, body))
            except urllib.error.HTTPError:
                raise
            except OSError:
                if miss == _MISSES - 1 or self._stop.wait(_POLL):
                    raise
        raise AssertionError  # the loop returns or raises

    def _send(self, method: str, place: str, body: dict[str, Any] | None = None) -> bytes:
        headers = {"Content-Type": "application/json", "Idempotency-Key": self._key}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(urljoin(self._base, place), data, headers, method=method)
        with urllib.request.urlopen(asked, timeout=_PATIENCE) as answer:
            return answer.read()


def _reason(error: Exception) -> str:
    """What a server says of a refusal, or what else went wrong."""
    if isinstance(error, urllib.error.HTTPError):
        text = error.read().decode("utf-8", "replace")
        try:
            said = json.loads(text)
            return f"the server says: {said['error']}. {said.get('mend', '')}".rstrip(". ")
        except (ValueError, TypeError, KeyError):
            return f"the server says: {error.code} {text[:200]}"
    if isinstance(error, KeyError):
        return f"the server's answer has no {error}"
    return str(getattr(error, "reason", None) or error)
