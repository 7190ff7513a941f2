"""The client of nothing but Python, against a real socket; and the command that opens it."""

from __future__ import annotations

import argparse
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from dreamlab.cli import main
from dreamlab.cli.serve import add_serve_options, settings_of
from dreamlab.client import Client, RefusedError
from dreamlab.core.errors import ConfigError, InputError, UnavailableError
from dreamlab.server.api import create_app
from dreamlab.server.claims import working
from dreamlab.server.listening import listening
from dreamlab.server.security import Guard
from dreamlab.server.store import Store
from tests.cli.shelf import make_run
from tests.server.desk import settings, until
from tests.test_pictures_run import ball_picture

TOKEN = "a-token-of-some-length"


@contextmanager
def served(root: Path, **changes: Any) -> Iterator[str]:
    """The address of a server that listens on a socket."""
    with listening("127.0.0.1", 0) as (sock, address):
        server = uvicorn.Server(uvicorn.Config(create_app(settings(root, **changes)), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join()


def work(root: Path, run: Path) -> None:
    """Be the worker of one job, whose result is there already."""
    store = Store(root)
    with working(store) as claims:
        job = until(claims.claim)
        claims.began(job, run.name)
        claims.step(job, 6, 12, 1.0, {})
        claims.finish(job, {"glb": "mesh.glb"}, {})


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with served(tmp_path) as address:
        yield address


def test_make_submits_waits_and_saves(url: str, tmp_path: Path) -> None:
    thread = threading.Thread(target=work, args=(tmp_path, make_run(tmp_path)))
    thread.start()
    client, seen = Client(url), []
    job = client.make("a red ball", told=lambda job: seen.append(job["state"]), seed=5)
    thread.join()
    assert job["state"] == "done" and job["seed"] == 5 and seen[-1] == "done"
    assert client.save(job, "glb", tmp_path / "ball.glb").read_bytes() == b"glTF"
    with pytest.raises(InputError, match="the job has no stl"):
        client.save(job, "stl", tmp_path / "ball.stl")
    assert [name for name, _ in client.events(job["id"])] == ["queued", "running", "finished"]
    assert client.jobs(state="done") == [job]


def test_pictures_are_sent_with_their_cameras_and_may_be_named_again(url: str, tmp_path: Path) -> None:
    file, client = ball_picture(tmp_path / "ball.png"), Client(url)
    picture = client.send_picture(file.read_bytes())
    job = client.submit("a red ball", images=[f"{file}@90,10", {"picture": picture, "azimuth": 180}])
    seen = [(image["picture"], image["azimuth"], image["elevation"]) for image in job["images"]]
    assert seen == [(picture, 90, 10), (picture, 180, None)]
    with pytest.raises(InputError, match="there is no such file"):
        client.submit("a red ball", images=["nowhere.png"])
    with pytest.raises(RefusedError, match="cannot be read") as refused:
        client.send_picture(b"no picture")
    assert refused.value.status == 422


def test_a_job_that_ends_otherwise_is_an_error(url: str, tmp_path: Path) -> None:
    client = Client(url)
    first, second = client.submit_variations("a red ball", 2)
    assert (
        client.cancel(first["id"])["state"] == "cancelled" and client.retry(first["id"])["state"] == "queued"
    )
    threading.Timer(0.3, lambda: [client.cancel(job["id"]) for job in client.jobs(state="queued")]).start()
    with pytest.raises(InputError, match="cancelled"):
        client.make("a red ball")
    assert client.job(second["id"])["state"] == "cancelled"


def test_a_refusal_is_told_in_the_servers_words(url: str) -> None:
    for asked, told, status in (({"preset": "nothing"}, "not offered", 422), ({"seed": -1}, "seed", 422)):
        with pytest.raises(RefusedError, match=told) as refused:
            Client(url).submit("a red ball", **asked)
        assert refused.value.status == status
    for name in ("nobody", "../../metrics"):
        with pytest.raises(RefusedError) as refused:
            Client(url).job(name)
        assert refused.value.status == 404


def test_the_token_is_sent_and_wanted(tmp_path: Path) -> None:
    with served(tmp_path, guard=Guard(token=TOKEN)) as url:
        assert Client(url, TOKEN).jobs() == []
        with pytest.raises(RefusedError, match="token") as refused:
            Client(url).jobs()
        assert refused.value.status == 401


def test_a_server_that_is_away_is_waited_for_and_then_given_up(tmp_path: Path) -> None:
    with listening("127.0.0.1", 0) as (_, url):
        pass  # nobody listens there any more
    with pytest.raises(UnavailableError, match="does not answer"):
        Client(url, patience=0).jobs()
    for address in ("ftp://x", "file:///etc/passwd", "localhost:8420"):
        with pytest.raises(InputError, match="address"):
            Client(address)


class Flaky(http.server.BaseHTTPRequestHandler):
    """Hangs up before it answers, once; notes the keys that it was sent; sends whoever asks elsewhere."""

    keys: list[str | None] = []  # noqa: RUF012 (of all requests together)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.keys.append(self.headers.get("Idempotency-Key"))
        if len(self.keys) == 1:
            self.close_connection = True
            return
        body = json.dumps({"id": "x"}).encode()
        self.send_response(201)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("location", "http://evil.example/")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def test_a_request_without_an_answer_is_sent_again_with_its_key_and_redirects_are_not_followed() -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), Flaky)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        client = Client(f"http://127.0.0.1:{server.server_port}", TOKEN)
        assert client.submit("a red ball") == {"id": "x"}
        assert len(Flaky.keys) == 2 and Flaky.keys[0] == Flaky.keys[1] is not None
        with pytest.raises(RefusedError, match="302"):
            client.jobs()
    finally:
        server.shutdown()
        server.server_close()


# ---- the command ----


def options(*words: str, out: Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_serve_options(parser)
    args = parser.parse_args(words)
    args.out = out
    return args


def test_beyond_loopback_a_token_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DREAMLAB_TOKEN", raising=False)
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        assert main(["serve", "--host", host, "--out", str(tmp_path)]) == 2
        assert "there is no token" in capsys.readouterr().err
    assert settings_of(options(out=tmp_path)).guard.token is None
    kept = settings_of(options("--host", "0.0.0.0", "--token-file", str(tmp_path / "token"), out=tmp_path))
    assert kept.guard.token == (tmp_path / "token").read_text().strip()
    monkeypatch.setenv("DREAMLAB_TOKEN", TOKEN)
    assert settings_of(options("--host", "0.0.0.0", out=tmp_path)).guard.token == TOKEN
    assert settings_of(options(out=tmp_path)).guard.token == TOKEN  # also where none would be needed


def test_options_become_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DREAMLAB_TOKEN", raising=False)
    found = settings_of(
        options("--workers", "3", "--preset", "quality", "--offer", "fast, default", "--limit", "steps=99",
                "--limit", "body=9999", "--allow-host", "dreams.example.org:80", out=tmp_path)
    )  # fmt: skip
    assert (found.workers, found.limits.steps, found.guard.body) == (3, 99, 9999)
    assert found.offer.presets == ("fast", "default", "quality") and found.offer.usual == "quality"
    assert "dreams.example.org" in found.guard.hosts and "localhost" in found.guard.hosts


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--workers", "-1"], "--workers"),
        (["--limit", "stepz=3"], "The nearest is steps"),
        (["--limit", "steps=many"], "--limit steps"),
        (["--preset", "nothing"], "no preset 'nothing'"),
        (["--offer", "fast,nothing"], "no preset 'nothing'"),
    ],
)
def test_options_that_cannot_be_used_are_refused(tmp_path: Path, words: list[str], told: str) -> None:
    with pytest.raises((InputError, ConfigError), match=told):
        settings_of(options(*words, out=tmp_path))


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with listening("127.0.0.1", 0) as (sock, address):
        sock.listen()
        port = address.rpartition(":")[2]
        assert main(["serve", "--port", port, "--out", str(tmp_path), "--workers", "0"]) == 2
        assert "cannot listen on" in capsys.readouterr().err
    assert main(["serve", "--port", "99999999", "--out", str(tmp_path), "--workers", "0"]) == 2


def test_the_token_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DREAMLAB_TOKEN", TOKEN)
    for words in (["config"], ["config", "--json"]):
        assert main(words) == 0
        told = capsys.readouterr().out
        assert TOKEN not in told and "DREAMLAB_TOKEN" in told and "(secret)" in told


@pytest.mark.parametrize(("command", "module"), [("serve", "fastapi"), ("mcp", "mcp.server.mcpserver")])
def test_without_its_extra_a_command_names_it(
    command: str,
    module: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import sys

    for name in [name for name in sys.modules if name.startswith("dreamlab.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    assert main([command, "--out", str(tmp_path)]) == 2
    assert f"pip install 'dreamlab[{command}]'" in capsys.readouterr().err
