"""C++ kernels through a plain C interface (being built)."""

from __future__ import annotations

import ctypes

from dreamlab.errors import UnavailableError


def why_not() -> str:
    return "not built yet"


def library() -> ctypes.CDLL:
    raise UnavailableError("the native kernels are not available: " + why_not())
