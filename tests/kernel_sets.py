"""The back ends that a test of an operation goes through. Triton's kernels run in its interpreter here
(conftest.py); where that is not there, tests that want it are skipped and say so."""

from importlib.metadata import PackageNotFoundError, version

import pytest


def why_no_triton() -> str:
    """Why the interpreter cannot be used here; empty if it can."""
    try:
        found = version("triton")
    except PackageNotFoundError:
        return "triton is not installed"
    if tuple(int(part) for part in found.split(".")[:2]) < (3, 7):
        return f"the interpreter of triton {found} does not go with numpy 2.4: 3.7 does"
    return ""


TRITON = pytest.param("triton", marks=pytest.mark.skipif(bool(why_no_triton()), reason=why_no_triton()))
BACKENDS = ("reference", "native", TRITON)
