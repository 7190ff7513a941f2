"""before-after.png: an object as it was and as it is, from two sides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dreamlab.core.types import Mesh


def write_before_after(folder: Path, was: Mesh, now: Mesh, captions: tuple[str, str]) -> Path:
    """The picture in this folder; its path."""
    from dreamlab.views.contact import write_contact_sheet
    from dreamlab.views.still import still_of

    path = folder / "before-after.png"
    pictures = [still_of(mesh, turn, 0.3, 384) for mesh in (was, now) for turn in (0.6, 3.7)]
    write_contact_sheet(path, [pictures[k] for k in (0, 2, 1, 3)], list(captions) * 2, columns=2)
    return path
