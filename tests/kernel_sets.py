"""The back ends that a test of an operation goes through. Triton's kernels run in its interpreter here
(conftest.py); where triton is not installed, tests that want them are skipped and say so."""

from importlib.util import find_spec

import pytest

TRITON = pytest.param(
    "triton", marks=pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
)
BACKENDS = ("reference", "native", TRITON)
