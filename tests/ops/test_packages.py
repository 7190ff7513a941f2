"""GPU packages that are installed and cannot be used: a reason each, and the other operations keep their
kernels."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils import cpp_extension

from dreamlab import ops
from dreamlab.core.errors import UnavailableError
from dreamlab.core.types import Rays
from dreamlab.ops.field import cuda, packages, reference, triton_ops
from dreamlab.run import doctor


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine that says it has CUDA, with nothing known yet."""
    caches = (packages.why_not, triton_ops._tried, ops._choice, ops._best, ops._say)
    for cached in caches:
        cached.cache_clear()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    missing = ("nerfacc.csrc", "triton")
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name in missing else object())
    yield
    for cached in caches:
        cached.cache_clear()


def usable(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """These packages work, the others fail at their first call."""

    def broken() -> None:
        raise OSError("libcudart.so.99: cannot open shared object file")

    made = {
        name: (lambda: None, (lambda: None) if name in names else broken)
        for name in ("nerfacc", "tinycudann")
    }
    monkeypatch.setattr(packages, "_PACKAGES", made)


def test_operations_are_chosen_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    usable(monkeypatch, "nerfacc")
    found = ops.choices("cuda")
    assert {name for name, (where, _) in found.items() if where == "cuda"} == {
        "mlp", "march", "sample_points", "composite",
    }  # fmt: skip
    for name in ("hash_encode", "encode_mlp"):
        assert found[name] == (
            "reference",
            "tinycudann cannot be used: OSError: libcudart.so.99: cannot open shared object file, "
            "and triton is not installed",
        )


def test_what_is_slow_is_said_once_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    usable(monkeypatch, "nerfacc")
    with pytest.warns(
        RuntimeWarning, match="not in use for hash_encode, encode_mlp: tinycudann cannot be used"
    ):
        assert ops.backend("cuda") == "reference"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ops.backend("cuda", "hash_encode") == "reference"
        assert ops.backend("cuda", "march") == "cuda"


def test_all_of_it_by_name_is_an_error_where_any_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    usable(monkeypatch, "nerfacc")
    with pytest.raises(UnavailableError, match="tinycudann cannot be used"), ops.use_backend("cuda"):
        pass
    packages.why_not.cache_clear()
    usable(monkeypatch, "nerfacc", "tinycudann")
    with ops.use_backend("cuda"):
        assert ops.backend("cuda") == "cuda"


def test_a_package_that_is_not_there_is_not_called_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    assert packages.why_not("tinycudann") == "tinycudann is not installed"


def test_nerfacc_is_compiled_as_cpp17_and_put_where_it_looks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {}
    compiled = ModuleType("dreamlab_nerfacc")

    def load(name: str, sources: list[str], **flags: Any) -> Any:
        asked.update(flags, name=name, sources=sources)
        return compiled

    monkeypatch.setattr(cpp_extension, "load", load)
    monkeypatch.setattr(cpp_extension, "_get_build_directory", lambda name, verbose: str(tmp_path))
    monkeypatch.setattr(packages.shutil, "which", lambda name: "/usr/bin/nvcc")
    monkeypatch.setitem(sys.modules, "nerfacc.csrc", None)
    import nerfacc

    monkeypatch.setattr(nerfacc, "csrc", None, raising=False)
    with pytest.warns(UserWarning, match="compiled, once, for some minutes"):
        packages._load_nerfacc()
    assert "-std=c++17" in asked["extra_cflags"] and "-std=c++17" in asked["extra_cuda_cflags"]
    assert {Path(s).name for s in asked["sources"]} >= {"grid.cu", "scan.cu", "nerfacc.cpp"}
    assert sys.modules["nerfacc.csrc"] is compiled and nerfacc.csrc is compiled


def test_without_a_compiler_the_reason_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    monkeypatch.setattr(cpp_extension, "CUDA_HOME", None)
    assert "there is no nvcc: install the CUDA toolkit" in packages.why_not("nerfacc")


def test_a_failed_build_is_told_by_its_first_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def load(*args: Any, **flags: Any) -> Any:
        raise RuntimeError(
            "Error building extension\n[1/4] nvcc\nmath.cuh(12): error: lerp is ambiguous\nmore"
        )

    monkeypatch.setattr(cpp_extension, "load", load)
    monkeypatch.setattr(cpp_extension, "_get_build_directory", lambda name, verbose: str(tmp_path))
    monkeypatch.setattr(packages.shutil, "which", lambda name: "/usr/bin/nvcc")
    with pytest.warns(UserWarning, match="compiled"):
        reason = packages.why_not("nerfacc")
    assert reason == "nerfacc cannot be used: RuntimeError: math.cuh(12): error: lerp is ambiguous"


def test_kernels_that_compute_wrong_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    import nerfacc

    on_cpu = torch.tensor
    monkeypatch.setattr(torch, "tensor", lambda *a, device=None, **k: on_cpu(*a, **k))
    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *a, device=None, **k: zeros(*a, **k))
    monkeypatch.setattr(packages, "_load_nerfacc", lambda: None)
    monkeypatch.setattr(packages, "_PACKAGES", {"nerfacc": (lambda: None, packages._try_nerfacc)})
    for share, reason in ((0.9, "computes 0.1000 where 0.1353 is right"), (0.8646647, "")):
        packages.why_not.cache_clear()
        out = (on_cpu([share, 0.0]), None, None)
        monkeypatch.setattr(nerfacc, "render_weight_from_density", lambda *a, out=out, **k: out)
        assert reason in packages.why_not("nerfacc") if reason else packages.why_not("nerfacc") == ""


def test_doctor_says_what_is_slow_on_the_gpu_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    usable(monkeypatch, "nerfacc")
    (found,) = doctor._cuda_kernels()
    assert found.state == "missing" and found.detail == (
        "hash_encode, encode_mlp in plain torch: tinycudann cannot be used: OSError: libcudart.so.99: cannot "
        "open shared object file, and triton is not installed; docs/gpu.md says how to get them"
    )
    for cached in (packages.why_not, ops._choice):
        cached.cache_clear()
    usable(monkeypatch, "nerfacc", "tinycudann")
    assert doctor._cuda_kernels() == [doctor.Finding("CUDA kernels", "ok", "all there: all by cuda")]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert doctor._cuda_kernels() == []


# ---- what the calls are given ----


def test_marching_has_its_samples_where_the_reference_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """nerfacc's traversal as it is defined, intervals [near + i step, near + (i + 1) step] up to far."""
    import nerfacc.grid as grid

    def traverse(origins: Any, directions: Any, binaries: Any, box: Any, near_planes: Any, far_planes: Any,
                 step_size: float) -> Any:  # fmt: skip
        ray, left = [], []
        for r, (near, far) in enumerate(zip(near_planes.tolist(), far_planes.tolist(), strict=True)):
            i = 0
            while near + (i + 0.5) * step_size < far:
                ray.append(r)
                left.append(near + i * step_size)
                i += 1
        edges = torch.tensor([[t, t + step_size] for t in left]).flatten()
        is_left = torch.tensor([True, False] * len(left))
        intervals = SimpleNamespace(vals=edges, is_left=is_left, is_right=~is_left)
        return intervals, SimpleNamespace(ray_indices=torch.tensor(ray)), None

    monkeypatch.setattr(grid, "traverse_grids", traverse)
    generator = torch.Generator().manual_seed(0)
    origins = torch.tensor([[0.0, 0.1, -3.0], [0.2, -0.3, -2.0]])
    directions = torch.nn.functional.normalize(torch.tensor([[0.05, 0.0, 1.0], [0.0, 0.1, 1.0]]), dim=1)
    jitter = torch.rand(2, generator=generator)
    occupied = torch.ones(4, 4, 4, dtype=torch.bool)
    mine = cuda.march(Rays(origins, directions), occupied, 0.1, jitter)
    theirs = reference.march(Rays(origins, directions), occupied, 0.1, jitter)
    assert torch.equal(mine.ray_index, theirs.ray_index)
    torch.testing.assert_close(mine.t0, theirs.t0, atol=1e-5, rtol=0)


def test_an_empty_batch_has_gradients_of_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "_encoding", lambda spec: pytest.fail("tiny-cuda-nn leaves them unwritten"))
    spec = ops.HashGridSpec(levels=2, log2_table_size=6)
    table = torch.randn(spec.table_rows, 2, requires_grad=True)
    out = cuda.hash_encode(torch.zeros(0, 3), table, spec)
    out.sum().backward()
    assert out.shape == (0, 4) and table.grad is not None and not table.grad.any()
