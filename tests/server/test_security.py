"""Who is let in: known names, own pages, the token; and how much may be sent."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastapi.testclient import TestClient

from dreamlab.core.errors import InputError
from dreamlab.server.api import create_app
from dreamlab.server.security import COOKIE, Guard, Security, is_loopback, name_of, names_of
from dreamlab.server.tokens import checked, kept_token
from tests.server.desk import HERE, client, settings

TOKEN = "a-token-of-some-length"
JOB = {"prompt": "a red ball"}


@pytest.fixture
def desk(tmp_path: Path) -> TestClient:
    return client(tmp_path)


@pytest.fixture
def locked_desk(tmp_path: Path) -> TestClient:
    return client(tmp_path, guard=Guard(token=TOKEN))


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8420", "127.0.0.1:1", "[::1]:8420", "LOCALHOST", "localhost."]
)
def test_the_names_of_this_machine_are_known(desk: TestClient, host: str) -> None:
    assert desk.get("/v1/jobs", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "10.0.0.1",
        "",
        "[",
        "localhost@evil",
        "a b",
    ],
)
def test_a_foreign_name_is_refused_though_it_means_this_machine(desk: TestClient, host: str) -> None:
    """As of a page whose name was made to mean 127.0.0.1 after it had been loaded."""
    assert desk.get("/v1/jobs", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},  # another server on this machine
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": HERE, "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},  # a form of another page
    ],
)
def test_a_foreign_page_changes_nothing(desk: TestClient, headers: dict[str, str]) -> None:
    for method, path in (("POST", "/v1/jobs"), ("DELETE", "/v1/jobs/x"), ("POST", "/v1/jobs/x/retry")):
        assert desk.request(method, path, json=JOB, headers=headers).status_code == 403
    assert desk.get("/v1/jobs").json() == {"jobs": []}


def test_own_pages_and_programs_may_change_things(desk: TestClient) -> None:
    for headers in ({"origin": HERE}, {"origin": HERE, "sec-fetch-site": "same-origin"}, {}):
        assert desk.post("/v1/jobs", json=JOB, headers=headers).status_code == 201


def test_a_foreign_page_reads_nothing_but_may_link_here(desk: TestClient) -> None:
    assert desk.get("/v1/jobs", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert desk.get("/v1/jobs", headers=link).status_code == 200
    assert "access-control-allow-origin" not in desk.get("/v1/jobs").headers


def test_a_body_that_is_no_json_is_no_request(desk: TestClient) -> None:
    """What a form can send without asking first."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = desk.post("/v1/jobs", content=json.dumps(JOB), headers={"content-type": kind})
        assert answer.status_code == 422


def test_without_the_token_nothing_is_told(locked_desk: TestClient) -> None:
    for path in (
        "/v1/jobs",
        "/v1/events",
        "/v1/openapi.json",
        "/metrics",
        "/v1/presets",
        "/nowhere",
        "/v1/health/",
    ):
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"},
                        {"authorization": f"Bearer {TOKEN}x"}, {"cookie": f"{COOKIE}=wrong"},
                        {"authorization": "Bearer tök".encode()}):  # fmt: skip
            answer = locked_desk.get(path, headers=headers)
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer", path
    assert locked_desk.get("/v1/health").status_code == 200


def test_the_token_opens_as_a_header_and_as_a_cookie(locked_desk: TestClient) -> None:
    for headers in ({"authorization": f"Bearer {TOKEN}"}, {"cookie": f"other=1; {COOKIE}={TOKEN}"}):
        assert locked_desk.get("/v1/jobs", headers=headers).status_code == 200


def test_a_browser_is_asked_for_the_token_and_gets_a_cookie_no_script_reads(locked_desk: TestClient) -> None:
    page = locked_desk.get("/", headers={"accept": "text/html"}, follow_redirects=False)
    assert page.status_code == 303 and page.headers["location"] == "/login"
    assert 'name="token"' in locked_desk.get("/login").text
    wrong = locked_desk.post("/login", data={"token": "<script>"})
    assert wrong.status_code == 401 and "<script>" not in wrong.text and "set-cookie" not in wrong.headers
    right = locked_desk.post("/login", data={"token": TOKEN}, follow_redirects=False)
    cookie = right.headers["set-cookie"].lower()
    assert right.status_code == 303 and "httponly" in cookie and "samesite=strict" in cookie
    assert locked_desk.get("/v1/jobs").status_code == 200  # the client keeps it
    foreign = locked_desk.post("/login", data={"token": TOKEN}, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403


def test_where_no_token_is_needed_there_is_no_cookie(desk: TestClient) -> None:
    assert desk.get("/login").status_code == 404
    assert "set-cookie" not in desk.get("/v1/jobs").headers


def test_a_request_is_no_longer_than_it_may_be_whatever_its_header_says(desk: TestClient) -> None:
    large = b'{"prompt": "' + b"a" * 70_000 + b'"}'

    def pieces() -> Any:
        yield large[:40_000]
        yield large[40_000:]

    kind = {"content-type": "application/json"}
    assert desk.post("/v1/jobs", content=large, headers=kind).status_code == 413
    streamed = desk.post("/v1/jobs", content=pieces(), headers=kind)
    assert streamed.status_code == 413 and set(streamed.json()) == {"error", "mend"}


def test_uploads_may_be_longer_where_they_belong() -> None:
    guard = Guard(body=10, uploads={"/v1/meshes": 1000})
    got: dict[str, int] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got[scope["path"]] = len((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    desk = TestClient(Security(app, guard), base_url=HERE)
    assert desk.post("/v1/meshes", content=b"x" * 900).status_code == 200
    assert desk.post("/v1/meshes", content=b"x" * 1001).status_code == 413
    assert desk.post("/v1/other", content=b"x" * 11).status_code == 413
    assert got == {"/v1/meshes": 900}


def test_every_answer_says_what_a_browser_may_do_with_it(desk: TestClient) -> None:
    for path, headers in (("/v1/jobs", {}), ("/nowhere", {}), ("/v1/jobs", {"host": "evil.example"})):
        told = desk.get(path, headers=headers).headers
        assert "default-src 'none'" in told["content-security-policy"]
        assert "frame-ancestors 'none'" in told["content-security-policy"]
        assert told["x-content-type-options"] == "nosniff" and told["cache-control"] == "no-store"
        assert told["cross-origin-resource-policy"] == "same-origin" and "server" not in told


def test_sockets_that_are_no_http_are_not_spoken_to(desk: TestClient) -> None:
    called = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        called.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    anyio.run(Security(app, Guard()), {"type": "websocket", "path": "/"}, nothing, nothing)
    assert called == []


def test_names_are_read_as_they_are_meant() -> None:
    assert name_of("[::1]:80") == "::1" and name_of("Example.ORG.:80") == "example.org" and name_of("[") == ""
    assert names_of(["Dreams.example.org"], "10.0.0.5")[-2:] == ("10.0.0.5", "dreams.example.org")
    assert is_loopback("127.0.0.2") and is_loopback("::1") and not is_loopback("0.0.0.0")
    assert not is_loopback("127.evil.example") and not is_loopback("")


def test_a_token_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = kept_token(path)
    assert len(token) >= 40 and kept_token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(InputError, match="others may read"):
        kept_token(path)
    with pytest.raises(InputError, match="cannot write the token"):
        kept_token(tmp_path / "no" / "token")


@pytest.mark.parametrize("token", ["", "short", "x" * 20 + " y", "x" * 20 + "\x00", "ü" * 20])
def test_a_token_that_could_be_guessed_or_not_sent_is_refused(token: str) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        checked(token, "DREAMLAB_TOKEN")


def test_the_schema_of_the_server_is_open_to_tools(tmp_path: Path) -> None:
    schema = create_app(settings(tmp_path)).openapi()
    assert schema["info"]["title"] == "dreamlab"
    assert all(path.startswith(("/v1/", "/metrics")) for path in schema["paths"])
