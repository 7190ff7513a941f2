"""Small pictures of runs for a gallery: a still of each, made once while its turntable stays the same."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path

from dreamlab.views.comparison import picture_of, still

_KEPT = 500  # stills of some 10 kB
QUALITY = 85


def thumbnail(run: Path) -> bytes:
    """A WebP of 256 pixels a side: of the turntable at three quarters, else of the newest preview; grey, and
    says so, where there is none."""
    path = picture_of(run)
    changed = 0 if path is None else path.stat().st_mtime_ns
    return _encoded(run, path, changed)


def turning(run: Path) -> Path | None:
    """The film that a thumbnail becomes, or None."""
    path = run / "turntable.webp"
    return path if path.is_file() and not path.is_symlink() else None


@lru_cache(maxsize=_KEPT)
def _encoded(run: Path, path: Path | None, changed: int) -> bytes:
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(still(run)).save(buffer, "webp", quality=QUALITY)
    return buffer.getvalue()
