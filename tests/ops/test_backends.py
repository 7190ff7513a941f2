"""Which back end runs, and what is said when the wanted one cannot."""

import threading
import warnings
from pathlib import Path

import pytest
import torch

from dreamlab import ops
from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.core.types import Samples
from dreamlab.ops import library as native_library
from dreamlab.ops.field import cuda, native


@pytest.fixture
def fresh():
    """What was found out about this machine is forgotten before and after."""

    def forget():
        native_library._load.cache_clear()
        ops._choice.cache_clear()
        ops._best.cache_clear()
        ops._say.cache_clear()

    forget()
    yield
    forget()


def without_library(monkeypatch, folder):
    monkeypatch.setattr(native_library, "_HERE", folder)
    monkeypatch.delenv("DREAMLAB_NATIVE_LIBRARY", raising=False)


def test_native_is_chosen_for_the_cpu_where_it_was_built():
    assert native.why_not() == ""
    assert ops.backend() == "native"
    assert native.instruction_set() in ("base", "avx2", "avx512")


def test_a_choice_holds_within_its_block_and_its_thread_only():
    seen = []
    with ops.use_backend("reference"):
        assert ops.backend() == "reference"
        other = threading.Thread(target=lambda: seen.append(ops.backend()))
        other.start()
        other.join()
        with ops.use_backend("native"):
            assert ops.backend() == "native"
        assert ops.backend() == "reference"
    assert ops.backend() == "native" and seen == ["native"]


def test_an_unknown_back_end_is_refused():
    with pytest.raises(InputError, match="no such back end"):
        ops._module("quantum")


def test_without_the_library_the_reference_runs_and_says_so_once(fresh, monkeypatch, tmp_path):
    without_library(monkeypatch, tmp_path)
    samples = Samples(torch.zeros(1, dtype=torch.int64), torch.zeros(1), torch.ones(1))
    with pytest.warns(RuntimeWarning, match="native kernels are not in use: .* never built"):
        seen = ops.composite(torch.ones(1), torch.ones(1, 3), samples, 1)
    assert seen.opacity.item() == pytest.approx(1 - 2.718281828**-1)
    assert ops.backend() == "reference"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ops.composite(torch.ones(1), torch.ones(1, 3), samples, 1)


def test_choosing_native_without_the_library_is_an_error_with_the_mend(fresh, monkeypatch, tmp_path):
    without_library(monkeypatch, tmp_path)
    with pytest.raises(UnavailableError, match=r"never built\. Run `pip install"), ops.use_backend("native"):
        pass


def test_the_reason_written_at_install_is_told(fresh, monkeypatch, tmp_path):
    without_library(monkeypatch, tmp_path)
    (tmp_path / "_native_why_not.txt").write_text("no C++ compiler was found at install\n")
    assert native.why_not() == "no C++ compiler was found at install"


def test_a_library_that_cannot_be_loaded_is_a_reason_not_a_crash(fresh, monkeypatch, tmp_path):
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"not a library")
    monkeypatch.setenv("DREAMLAB_NATIVE_LIBRARY", str(broken))
    assert "broken.so cannot be loaded" in native.why_not()


def test_a_library_of_another_version_is_a_reason_not_a_crash(fresh, monkeypatch):
    elsewhere = Path(torch.__file__).parent / "lib" / "libtorch_global_deps.so"
    if not elsewhere.exists():
        pytest.skip(f"{elsewhere.name} is not here to stand in for an old build")
    monkeypatch.setenv("DREAMLAB_NATIVE_LIBRARY", str(elsewhere))
    assert "older than this version of dreamlab" in native.why_not()


# ---- CUDA ----


def test_choosing_cuda_without_a_gpu_is_an_error_with_the_reason():
    if not cuda.why_not():
        pytest.skip("this machine has the CUDA back end")
    with pytest.raises(UnavailableError, match="cuda back end is not available: "), ops.use_backend("cuda"):
        pass


@pytest.mark.skipif(bool(cuda.why_not()), reason=f"cuda back end: {cuda.why_not()}")
def test_the_cuda_encoding_agrees_with_the_reference():
    spec = ops.HashGridSpec(levels=4, log2_table_size=12)
    table = torch.randn(spec.table_rows, 2, device="cuda", requires_grad=True)
    x = torch.rand(1000, 3, device="cuda") * 0.9
    with ops.use_backend("cuda"):
        mine = ops.hash_encode(x, table, spec)
    with ops.use_backend("reference"):
        theirs = ops.hash_encode(x, table, spec)
    torch.testing.assert_close(mine.float(), theirs, atol=1e-3, rtol=1e-3)
    gradient = torch.randn_like(theirs)
    (a,) = torch.autograd.grad(mine, table, gradient)
    (b,) = torch.autograd.grad(theirs, table, gradient)
    torch.testing.assert_close(a, b, atol=1e-2, rtol=1e-2)


@pytest.mark.skipif(bool(cuda.why_not()), reason=f"cuda back end: {cuda.why_not()}")
def test_cuda_compositing_agrees_with_the_reference():
    ray = torch.tensor([0, 0, 0, 2, 2], device="cuda")
    t0 = torch.arange(5.0, device="cuda")
    samples, sigma, rgb = (
        Samples(ray, t0, t0 + 0.5),
        torch.rand(5, device="cuda"),
        torch.rand(5, 3, device="cuda"),
    )
    with ops.use_backend("cuda"):
        mine = ops.composite(sigma, rgb, samples, 3)
    with ops.use_backend("reference"):
        theirs = ops.composite(sigma, rgb, samples, 3)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
