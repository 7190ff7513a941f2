"""The app's pages: files of this package by their names, and nothing else."""

from __future__ import annotations

from functools import cache
from importlib import resources

from fastapi import APIRouter, HTTPException, Response

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FROM_THE_REPORT = "viewer.js"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The pages load their own files, ask this server, and nothing else."""
_HEADERS = {"Content-Security-Policy": CSP, "Cache-Control": "no-cache"}


def pages_router() -> APIRouter:
    """/ and what it loads, for `dreamlab.server.api.create_app`."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=["GET", "HEAD"])
    def index() -> Response:
        return page("index.html")

    @router.api_route("/{name}", methods=["GET", "HEAD"])
    def page(name: str) -> Response:
        if name not in _pages():
            raise HTTPException(404, "there is no such page")
        return Response(_pages()[name], media_type=_KINDS[f".{name.rpartition('.')[2]}"], headers=_HEADERS)

    return router


@cache
def _pages() -> dict[str, bytes]:
    """Every file of the pages by its name; the viewer is the report's."""
    folder = resources.files("dreamlab.app") / "page"
    found = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    viewer = resources.files("dreamlab.views") / "page" / _FROM_THE_REPORT
    return found | {_FROM_THE_REPORT: viewer.read_bytes()}
