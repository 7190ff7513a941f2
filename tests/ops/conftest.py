"""Every set of kernels, one after another."""

from collections.abc import Iterator

import pytest
from kernel_sets import TRITON

from dreamlab.ops.field import native, triton_ops

SETS = ["base", "avx2", "avx512"]


@pytest.fixture(autouse=True)
def no_kernel_gives_up() -> Iterator[None]:
    """Where Triton's kernels fail the reference takes over, and no comparison with it would find that."""
    yield
    assert triton_ops._failed == {}


@pytest.fixture(params=SETS)
def instruction_set(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each set of native kernels that this CPU can run."""
    yield from chosen(request.param)


@pytest.fixture(params=[*SETS, TRITON])
def kernels(request: pytest.FixtureRequest) -> Iterator[str]:
    """The back end: native with each of its sets, then Triton's."""
    if request.param == "triton":
        yield "triton"
    else:
        for _ in chosen(request.param):
            yield "native"


def chosen(instructions: str) -> Iterator[None]:
    before = native.instruction_set()
    if native.library().dl_set_isa(instructions.encode()):
        pytest.skip(f"this CPU has no {instructions}")
    yield
    assert native.library().dl_set_isa(before.encode()) == 0
