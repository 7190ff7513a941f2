"""Files of runs that may be fetched: a run's results by their names, and nothing else of the machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fastapi.responses import FileResponse

from dreamlab.run.folders import is_plain
from dreamlab.server.requests import PREVIEW

TYPES = {
    ".glb": "model/gltf-binary",
    ".obj": "text/plain; charset=utf-8",
    ".mtl": "text/plain; charset=utf-8",
    ".ply": "application/octet-stream",
    ".stl": "model/stl",
    ".3mf": "model/3mf",
    ".usdz": "model/vnd.usdz+zip",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".html": "text/html; charset=utf-8",
    ".yaml": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "text/plain; charset=utf-8",
}
_PLAIN = re.compile(r"[A-Za-z0-9][\w.-]{0,120}")
_KEPT_BACK = ("environment.json",)  # tells of the machine

REPORT_CSP = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; media-src data: blob:; connect-src data: blob:; "
    "worker-src blob:; frame-ancestors 'self'"
)
"""A report has its script and its pictures inside it: it may show them, and can reach nothing else."""


@dataclass(frozen=True)
class Servable:
    """A file that may be fetched."""

    path: Path
    media_type: str

    def response(self, run: str) -> FileResponse:
        headers = {"cache-control": "no-cache"}
        if self.path.suffix == ".html":
            headers["content-security-policy"] = REPORT_CSP
        return FileResponse(self.path, media_type=self.media_type, headers=headers)


def servable(root: Path, run: str, name: str) -> Servable | None:
    """A file of a run of `root` by its bare name; None for all that is no result, wherever it lies."""
    kind = TYPES.get(Path(name).suffix)
    if kind is None or name in _KEPT_BACK or not _PLAIN.fullmatch(name) or not is_plain(run):
        return None
    folder = root / run
    path = folder / "previews" / name if PREVIEW.fullmatch(name) else folder / name
    real = path.resolve()
    inside = real.is_relative_to(root.resolve() / run)  # no link leads out of the run
    return Servable(real, kind) if inside and real.is_file() else None
