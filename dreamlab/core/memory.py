"""How memory that runs out shows."""

from __future__ import annotations

import errno

_WORDS = (
    "allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "DefaultCPUAllocator",
    "_ALLOC_FAILED",  # of cuBLAS, cuDNN and cuSOLVER
)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says so: Python's and numpy's own, torch's on any device, C++'s and the system's."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS)


def reason_of(error: BaseException) -> str:
    """The first line of an error's message."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__
