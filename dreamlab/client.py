"""A client of `dreamlab serve` that needs nothing but Python.

from dreamlab.client import Client

client = Client("http://localhost:8420")
job = client.make("a red mushroom", preset="fast")
client.save(job, "glb", "mushroom.glb")
client.make("a yellow duck", images=["front.png@0", "side.png@90,10"])
"""

from __future__ import annotations

import http.client
import json
import secrets
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from dreamlab.core.errors import DreamlabError, InputError, UnavailableError
from dreamlab.core.files import atomic_path
from dreamlab.pictures.option import image_settings

OVER = ("done", "failed", "cancelled")
Job = dict[str, Any]
"""A job as GET /v1/jobs/{id} tells it: id, state, step, steps, files, error, ..."""
_NOT_THERE = (ConnectionError, TimeoutError, http.client.HTTPException, urllib.error.URLError)


class RefusedError(DreamlabError):
    """The server said no. `status`: that of HTTP."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status

    def __str__(self) -> str:
        return self.what


class Client:
    """A server by its address.

    url: such as http://localhost:8420. token: what the server wants to hear. patience: seconds for which a
    server that does not answer is asked again, as while it is started anew.
    """

    def __init__(
        self, url: str = "http://localhost:8420", token: str | None = None, patience: float = 60
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise InputError("the server's address cannot be used", expected="http://HOST:PORT", got=url)
        self.url, self.token, self.patience = url.rstrip("/"), token, patience
        self._opener = urllib.request.build_opener(_NoRedirects)  # a token goes nowhere else

    def make(self, prompt: str | None = None, told: Callable[[Job], None] | None = None, **asked: Any) -> Job:
        """Submit a job and wait until it is done; `asked` as for `submit`, `told` as for `wait`.

        Raises RefusedError where it cannot be made, and InputError where it failed or was cancelled.
        """
        job = self.wait(self.submit(prompt, **asked)["id"], told)
        if job["state"] != "done":
            raise InputError(f"the job {job['id']} {job['state']}", got=job["error"] or "")
        return job

    def submit(
        self, prompt: str | None = None, images: Sequence[str | Mapping[str, Any]] = (), **asked: Any
    ) -> Job:
        """Queue a job: preset, seed, negative, settings, formats. Sent again where no answer comes, and still
        one job.

        prompt: None: what the first picture is taken for. images: files as FILE[@AZIMUTH[,ELEVATION]], in
        degrees; or what `send_picture` has answered, as {"picture": id, "azimuth": 30}. Raises InputError for
        a file that is not there, RefusedError where a picture or job cannot be used.
        """
        said = {} if prompt is None else {"prompt": prompt}
        shown = [self._sent(image) for image in images]
        return self.ask("POST", "/v1/jobs", {**said, "images": shown, **asked}, key=secrets.token_hex(16))

    def send_picture(self, data: bytes) -> str:
        """Send a picture's file for jobs that name it; its id, which is the same for the same bytes."""
        return self.ask("POST", "/v1/pictures", data)["picture"]

    def _sent(self, image: str | Mapping[str, Any]) -> dict[str, Any]:
        if isinstance(image, Mapping):
            return dict(image)
        camera = image_settings(image)
        return {"picture": self.send_picture(Path(camera.pop("path")).read_bytes()), **camera}

    def submit_variations(self, prompt: str | None, variations: int, **asked: Any) -> list[Job]:
        """So many jobs, with seeds that follow each other."""
        found = self.submit(prompt, variations=variations, **asked)
        return found["jobs"] if "jobs" in found else [found]

    def wait(self, job_id: str, told: Callable[[Job], None] | None = None, every: float = 1.0) -> Job:
        """Until the job is over; `told` gets it whenever it was looked at."""
        while True:
            job = self.job(job_id)
            if told is not None:
                told(job)
            if job["state"] in OVER:
                return job
            time.sleep(every)

    def job(self, job_id: str) -> Job:
        return self.ask("GET", _path(job_id))

    def jobs(self, **where: Any) -> list[Job]:
        """The newest first; state, limit, after."""
        return self.ask("GET", f"/v1/jobs?{urlencode(where)}")["jobs"]

    def cancel(self, job_id: str) -> Job:
        return self.ask("DELETE", _path(job_id))

    def retry(self, job_id: str) -> Job:
        return self.ask("POST", f"{_path(job_id)}/retry", {})

    def save(self, job: Mapping[str, Any], kind: str, to: str | Path) -> Path:
        """Fetch a file of a job that is done, such as its "glb"."""
        if kind not in job["files"]:
            raise InputError(
                f"the job has no {kind}", expected=", ".join(job["files"]) or "a job that is done"
            )
        with self._open("GET", job["files"][kind]) as answer, atomic_path(to) as path:
            with path.open("wb") as file:
                shutil.copyfileobj(answer, file)
        return Path(to)

    def events(self, job_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Name and facts of what happens to a job, from its beginning until it is over."""
        last, name, data = "0", "", ""
        end = time.monotonic() + self.patience
        while True:
            try:
                with self._open("GET", f"{_path(job_id)}/events", headers={"Last-Event-ID": last}) as answer:
                    if answer.status == 204:
                        return
                    for raw in answer:
                        field, _, value = raw.decode().rstrip("\n").partition(": ")
                        if field == "event":
                            name = value
                        elif field == "data":
                            data = value
                        elif field == "id":
                            last, end = value, time.monotonic() + self.patience
                        elif not field and name:
                            yield name, json.loads(data)
                            name = ""
            except _NOT_THERE as error:
                self._give_up(error, end)

    def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        """A request and its answer as JSON; sent again for `patience` seconds where none comes. Bytes are
        sent as they are."""
        headers = {"Idempotency-Key": key} if key else {}
        end = time.monotonic() + self.patience
        while True:
            try:
                with self._open(method, path, body, headers) as answer:
                    return json.loads(answer.read())
            except _NOT_THERE as error:
                self._give_up(error, end)

    def _open(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        as_it_is = body is None or isinstance(body, bytes)
        data = body if as_it_is else json.dumps(body).encode()
        asked = urllib.request.Request(self.url + path, data, dict(headers or {}), method=method)
        if data is not None:
            asked.add_header("Content-Type", "application/octet-stream" if as_it_is else "application/json")
        if self.token is not None:
            asked.add_header("Authorization", f"Bearer {self.token}")
        try:
            return self._opener.open(asked, timeout=60)
        except urllib.error.HTTPError as error:
            with error:
                raise RefusedError(error.code, _line(error)) from error

    def _give_up(self, error: Exception, end: float) -> None:
        if time.monotonic() > end:
            reason = getattr(error, "reason", None) or error
            raise UnavailableError(
                f"{self.url} does not answer", got=str(reason), mend="Start it with `dreamlab serve`"
            ) from error
        time.sleep(0.5)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any) -> None:
        return None


def _path(job_id: str) -> str:
    return f"/v1/jobs/{quote(job_id, safe='')}"


def _line(error: urllib.error.HTTPError) -> str:
    """What the server says of its refusal."""
    try:
        return str(json.loads(error.read(65_536))["error"])
    except (ValueError, LookupError, TypeError, OSError):
        return f"the server answers {error.code} {error.reason}"
