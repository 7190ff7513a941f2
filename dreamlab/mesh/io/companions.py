"""Files that a model file names: looked for in its own folder and nowhere else, whatever system wrote the
name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

DEEPEST = 32  # steps of a path
SHOWN = 8  # names in one line
LONGEST = 60  # of them, in characters


def companion(name: str, folder: Path, base: Path | None = None) -> Path | None:
    """The file that `name` means, in `folder` or below; None if there is none.

    Backslashes, quotes, drive letters, absolute paths of other machines and other cases are understood: the
    longest end of the path that is there is taken, seen from `base` (default: `folder`) first.
    """
    parts = [part for part in re.split(r"[\\/]+", name.strip().strip("\"'")) if part not in ("", ".")]
    if not parts or len(parts) > DEEPEST or "\0" in name:
        return None
    places = dict.fromkeys([base or folder, folder])
    for start in range(len(parts)):
        for place in places:
            found = _inside(place, parts[start:], folder)
            if found is not None:
                return found
    return None


def _inside(place: Path, parts: list[str], folder: Path) -> Path | None:
    """The regular file at these steps from a place, each in any case, if it lies in the folder."""
    at = place
    try:
        root = folder.resolve()
        for part in parts:
            exact = at / part
            at = exact if part == ".." or exact.exists() else any_case(at, part)
        found = at.resolve()
        return found if found.is_relative_to(root) and found.is_file() else None
    except (OSError, RuntimeError, ValueError):  # names that are none, links in a ring
        return None


def any_case(folder: Path, name: str) -> Path:
    """The entry that is called so but for its case, the first by name."""
    same = (entry for entry in sorted(os.listdir(folder)) if entry.casefold() == name.casefold())
    return folder / next(same, name)


def plain_name(name: str) -> str:
    """The end of a path that a file names, as it can be shown: short, and without control characters."""
    steps = [step for step in re.split(r"[\\/]+", name.strip().strip("\"'")) if step]
    shown = _printable(steps[-1] if steps else "?")
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 3] + "..."


def listed(names: Iterable[str]) -> str:
    """A few names, and how many more there are, in one line: files can put anything into a name."""
    unique = list(dict.fromkeys(names))
    rest = len(unique) - SHOWN
    return _printable(", ".join(unique[:SHOWN])) + (f" and {rest} more" if rest > 0 else "")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
