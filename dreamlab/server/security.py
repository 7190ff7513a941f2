"""Who may ask, from where, and what a browser may do with the answers.

A page of another site can send requests to this machine, and a name that it owns can be made to mean this
machine (DNS rebinding); so the names that the server is asked by are known names, and what changes anything
must not come from a foreign page.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "::1")
COOKIE = "dreamlab-token"
LOGIN = "/login"
_HARMLESS = ("GET", "HEAD", "OPTIONS")
_OPEN = ("/v1/health", LOGIN)

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self' blob:; worker-src 'self' blob:; font-src 'self'; "
    "frame-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Guard(BaseModel):
    """What is let in.

    hosts: names that the server may be asked by; a port after them is not looked at. token: what every
    request must know; None: nothing, which is for loopback alone. csp: what pages may load. body: bytes of a
    request at most. uploads: more of them, by the beginning of the path.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hosts: tuple[str, ...] = LOOPBACK
    token: str | None = None
    csp: str = CSP
    body: int = 65_536
    uploads: dict[str, int] = {}


class Security:
    """ASGI middleware around everything that the server answers."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self.app, self.guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        answer = self._refused(scope["method"], scope["path"], Headers(scope=scope))
        if answer is None and scope["path"] == LOGIN and self.guard.token is not None:
            answer = await self._login(scope["method"], receive)
        told = _with_headers(send, self.guard.csp)
        if answer is not None:
            await answer(scope, receive, told)
            return
        await self.app(scope, _bounded(receive, self._most(scope["path"])), told)

    def _refused(self, method: str, path: str, headers: Headers) -> Response | None:
        """The answer to a request that is not let in."""
        if name_of(headers.get("host", "")) not in self.guard.hosts:
            return refusal(421, "this server has another name", "Name it with --allow-host")
        if not self._own_page(method, headers):
            return refusal(403, "the request comes from a page of another site")
        if int_of(headers.get("content-length")) > self._most(path):
            return refusal(413, f"the request is larger than {self._most(path)} bytes")
        if self.guard.token is None or path in _OPEN or self._knows_token(headers):
            return None
        if method == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse(LOGIN, 303)
        answer = refusal(401, "the token is missing or wrong", "Send it as `Authorization: Bearer TOKEN`")
        answer.headers["www-authenticate"] = "Bearer"
        return answer

    def _own_page(self, method: str, headers: Headers) -> bool:
        """Whether no page, or one of this server's own, asks; a foreign one may do no more than link here."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
            return False
        return site in ("same-origin", "none") or (
            method in _HARMLESS and headers.get("sec-fetch-mode") == "navigate"
        )

    def _knows_token(self, headers: Headers) -> bool:
        scheme, _, said = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._is_token(said.strip())
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and self._is_token(cookie.value)

    def _is_token(self, said: str) -> bool:
        return secrets.compare_digest(said.encode(), (self.guard.token or "").encode())

    def _most(self, path: str) -> int:
        """Bytes of a request to this path."""
        return max(
            [self.guard.body, *(n for begin, n in self.guard.uploads.items() if path.startswith(begin))]
        )

    async def _login(self, method: str, receive: Receive) -> Response:
        """A page that asks for the token, and the cookie of who knows it."""
        if method != "POST":
            return HTMLResponse(_PAGE.format(told=""))
        form = parse_qs((await _body(receive, 4096)).decode(errors="replace"))
        if not self._is_token(form.get("token", [""])[0].strip()):
            return HTMLResponse(_PAGE.format(told="<p>That is another token.</p>"), 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, self.guard.token or "", httponly=True, samesite="strict")
        return answer


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>dreamlab</title>
<form method="post" action="/login"><p><label>Token <input type="password" name="token" autofocus
autocomplete="current-password"></label> <button>Go on</button></p>{told}</form></html>"""


def refusal(
    status: int, error: str, mend: str = "", headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """An answer that is no success, in the one form that all of them have."""
    return JSONResponse({"error": error, "mend": mend}, status, headers)


def name_of(host: str) -> str:
    """A Host header without its port and brackets; "" for what is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    return host in LOOPBACK or (host.startswith("127.") and all(part.isdigit() for part in host.split(".")))


def int_of(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 0


def _bounded(receive: Receive, most: int) -> Receive:
    """The request's body, as long as it is no longer than it may be: its header may say nothing or lie."""
    got = 0

    async def bounded() -> Message:
        nonlocal got
        message = await receive()
        got += len(message.get("body", b""))
        if got > most:
            raise HTTPException(413, f"the request is larger than {most} bytes")
        return message

    return bounded


async def _body(receive: Receive, most: int) -> bytes:
    data, more = b"", True
    while more and len(data) <= most:
        message = await receive()
        data, more = data + message.get("body", b""), message.get("more_body", False)
    return data[:most]


def _with_headers(send: Send, csp: str) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in {**_HEADERS, "content-security-policy": csp}.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return told


def names_of(hosts: Sequence[str], bound: str) -> tuple[str, ...]:
    """What the server may be called: loopback names, the address that it listens on, and `hosts`."""
    return tuple(dict.fromkeys([*LOOPBACK, bound.lower(), *(name_of(host) for host in hosts)]))
