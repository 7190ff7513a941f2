"""Packages that only some things need, and that come with an extra."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from dreamlab.core.errors import UnavailableError


def importable(module: str) -> bool:
    """Whether a package is installed, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # it was imported before, and is marked as missing
        return False


@contextmanager
def extra(name: str, need: str, otherwise: str) -> Iterator[None]:
    """Around the import of such a package: if it fails, UnavailableError says what needs it ("Draco
    compression needs DracoPy"), which extra brings it, and how to do without.
    """
    try:
        yield
    except ImportError as error:
        raise UnavailableError(
            f"{need}, which is not installed",
            got=str(error),
            mend=f"pip install 'dreamlab[{name}]', or {otherwise}",
        ) from error
