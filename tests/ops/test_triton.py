"""Triton's kernels: when they are taken, what happens where they cannot be compiled, and that they can be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import kernel_sets
import pytest
import torch
from kernel_sets import TRITON
from torch import Tensor

from dreamlab import ops
from dreamlab.core.errors import UnavailableError
from dreamlab.core.types import Rays, Samples
from dreamlab.ops.field import cuda, packages, reference, triton_ops
from dreamlab.ops.raster import rasterise
from dreamlab.run import doctor

SCRIPTS = Path(__file__).parents[2] / "scripts"
needs_triton = TRITON.marks[0]
SPEC = ops.HashGridSpec(levels=2, log2_table_size=7, base_resolution=3, finest_resolution=20)
SAMPLES = Samples(torch.tensor([0, 0, 1]), torch.tensor([0.0, 1.0, 0.0]), torch.tensor([1.0, 2.0, 1.0]))


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """What was found out about this machine is forgotten before and after."""

    def forget() -> None:
        for cached in (triton_ops._tried, ops._choice, ops._best, ops._say):
            cached.cache_clear()
        triton_ops._failed.clear()

    forget()
    yield
    forget()


def on_a_gpu(monkeypatch: pytest.MonkeyPatch, without_cuda: set[str], without_triton: set[str]) -> None:
    """A machine that says it has CUDA, where these operations cannot be done by the one and the other."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(cuda, "why_not", lambda name=None: "no nvcc" if name in without_cuda else "")
    monkeypatch.setattr(triton_ops, "_tried", lambda name: "it is off" if name in without_triton else "")


# ---- when they are taken ----


def test_without_triton_it_is_said_and_the_tests_that_want_it_are_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    for versions, reason in (
        (absent, "triton is not installed"),
        (lambda name: "3.6.0", "the interpreter of triton 3.6.0 does not go with numpy 2.4: 3.7 does"),
        (lambda name: "3.7.1+git1", ""),
    ):
        monkeypatch.setattr(kernel_sets, "version", versions)
        assert kernel_sets.why_no_triton() == reason
    monkeypatch.undo()
    assert needs_triton.args == (bool(kernel_sets.why_no_triton()),)
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    assert triton_ops.why_not() == "triton is not installed"
    with pytest.raises(UnavailableError, match="triton is not installed"), ops.use_backend("triton"):
        pass


def test_without_a_gpu_and_without_the_interpreter_it_is_not_available(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("TRITON_INTERPRET")
    assert triton_ops.why_not() == "torch sees no CUDA device"


def test_on_a_gpu_others_packages_come_first_then_triton_then_the_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everything = set(ops.OPERATIONS)
    on_a_gpu(monkeypatch, without_cuda={"hash_encode", "encode_mlp", "march"}, without_triton={"march"})
    assert ops.choices("cuda") == {
        "hash_encode": ("triton", ""),
        "encode_mlp": ("triton", ""),
        "march": ("reference", "no nvcc, and it is off"),
        "composite": ("cuda", ""),
        "mlp": ("cuda", ""),
        "sample_points": ("cuda", ""),
    }
    ops._choice.cache_clear()
    on_a_gpu(monkeypatch, without_cuda=everything, without_triton=set())
    assert {where for where, _ in ops.choices("cuda").values()} == {"triton"}


def test_doctor_names_what_neither_does_and_both_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_gpu(monkeypatch, without_cuda={"march", "composite"}, without_triton={"march"})
    (found,) = doctor._cuda_kernels()
    assert found.state == "missing"
    assert "march in plain torch: no nvcc, and it is off; " in found.detail
    assert "composite" not in found.detail.split(";")[0]
    ops._choice.cache_clear()
    on_a_gpu(monkeypatch, without_cuda={"march", "composite"}, without_triton=set())
    (found,) = doctor._cuda_kernels()
    assert found.state == "ok" and found.detail == "all there: march, composite by triton, others by cuda"


def test_the_cpu_never_takes_the_interpreter_by_itself() -> None:
    assert os.environ["TRITON_INTERPRET"] == "1"
    assert "triton" not in {where for where, _ in ops.choices("cpu").values()}


def test_one_operation_can_be_chosen_where_another_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_gpu(monkeypatch, without_cuda=set(), without_triton={"march"})
    with ops.use_backend("triton", "composite"):
        assert ops.backend("cuda", "composite") == "triton"
    for operation in ("march", None):
        with (
            pytest.raises(UnavailableError, match="triton back end is not available: it is off"),
            ops.use_backend("triton", operation),
        ):
            pass


@pytest.mark.parametrize("where", ["cuda", "triton"])
def test_on_a_gpu_the_rasteriser_is_the_reference_and_says_so(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(ops, "backend", lambda device: where)
    rasterise._say_reference_on_cuda.cache_clear()
    with pytest.warns(RuntimeWarning, match="there is no CUDA rasteriser"):
        assert not rasterise._is_native(torch.zeros(1))


# ---- where they cannot be compiled ----


class Refused(Exception):
    """Stands for triton's own errors."""


@pytest.fixture
def refuses(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Kernels that the compiler refuses, for tests that need no triton; those of `but` do their work."""
    errors = ModuleType("triton.errors")
    errors.TritonError = Refused  # pyright: ignore[reportAttributeAccessIssue]
    if find_spec("triton") is None:
        monkeypatch.setitem(sys.modules, "triton", ModuleType("triton"))
    monkeypatch.setitem(sys.modules, "triton.errors", errors)

    def plant(error: Exception | None = None, **but: Any) -> None:
        def fail(*_: Any) -> Any:
            raise error or Refused("at 7:4: error: unsupported")

        names = ("encode", "encode_backward", "march", "composite", "composite_backward")
        found = SimpleNamespace(**(dict.fromkeys(names, fail) | but))
        monkeypatch.setattr(triton_ops, "_launch", lambda: found)

    return plant


def leaves() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(5, 3, generator=generator)
    return x.requires_grad_(), torch.rand(SPEC.table_rows, 2, generator=generator).requires_grad_()


def test_an_encoding_that_cannot_be_compiled_is_the_references_and_it_is_said_once(
    refuses: Callable[..., None],
) -> None:
    refuses()
    x, table = leaves()
    with pytest.warns(RuntimeWarning, match=r"hash_encode are not in use: .*7:4: error: unsupported") as said:
        mine = triton_ops.hash_encode(x, table, SPEC)
        triton_ops.hash_encode(x, table, SPEC)
    assert len(said) == 1 and torch.equal(mine, reference.hash_encode(x, table, SPEC))
    assert "7:4" in triton_ops.why_not("encode_mlp"), "the next question is answered by it"


def test_a_backward_pass_that_cannot_be_compiled_is_the_references(refuses: Callable[..., None]) -> None:
    refuses(encode=reference.hash_encode)
    x, table = leaves()
    mine = triton_ops.hash_encode(x, table, SPEC).square().sum()
    with pytest.warns(RuntimeWarning, match="hash_encode are not in use"):
        found = torch.autograd.grad(mine, [x, table])
    right = torch.autograd.grad(reference.hash_encode(x, table, SPEC).square().sum(), [x, table])
    for a, b in zip(found, right, strict=True):
        torch.testing.assert_close(a, b)
    (alone,) = torch.autograd.grad(triton_ops.hash_encode(x, table, SPEC).square().sum(), x)
    torch.testing.assert_close(alone, right[0])


def test_marching_and_compositing_that_cannot_be_compiled_are_the_references(
    refuses: Callable[..., None],
) -> None:
    refuses()
    rays = Rays(torch.tensor([[0.0, 0.0, -3.0]]), torch.tensor([[0.0, 0.0, 1.0]]))
    given = rays, torch.ones(2, 2, 2, dtype=torch.bool), 0.5, torch.zeros(1)
    with pytest.warns(RuntimeWarning, match="march are not in use"):
        assert torch.equal(triton_ops.march(*given).t0, reference.march(*given).t0)
    sigma, rgb = torch.rand(3), torch.rand(3, 3)
    with pytest.warns(RuntimeWarning, match="composite are not in use"):
        mine = triton_ops.composite(sigma, rgb, SAMPLES, 2)
    assert torch.equal(mine.rgb, reference.composite(sigma, rgb, SAMPLES, 2).rgb)


def test_compositing_whose_backward_pass_cannot_be_compiled_has_the_references_gradient(
    refuses: Callable[..., None],
) -> None:
    def composite(sigma: Tensor, rgb: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        return *reference.composite(sigma, rgb, SAMPLES, 2), torch.zeros_like(sigma)

    refuses(composite=composite)
    sigma, rgb = torch.rand(3, requires_grad=True), torch.rand(3, 3, requires_grad=True)
    mine = triton_ops.composite(sigma, rgb, SAMPLES, 2)
    theirs = reference.composite(sigma, rgb, SAMPLES, 2)
    with pytest.warns(RuntimeWarning, match="composite are not in use"):
        found = torch.autograd.grad(mine.rgb.square().sum() + mine.depth.sum(), [sigma, rgb])
    right = torch.autograd.grad(theirs.rgb.square().sum() + theirs.depth.sum(), [sigma, rgb])
    for a, b in zip(found, right, strict=True):
        torch.testing.assert_close(a, b)


def test_a_pass_of_the_compiler_that_gives_up_counts_and_lack_of_memory_does_not(
    refuses: Callable[..., None],
) -> None:
    x, table = leaves()
    refuses(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(torch.OutOfMemoryError):
        triton_ops.hash_encode(x, table, SPEC)
    refuses(RuntimeError("PassManager::run failed"))
    with pytest.warns(RuntimeWarning, match="hash_encode are not in use"):
        triton_ops.hash_encode(x, table, SPEC)


def test_where_results_must_repeat_themselves_the_tables_gradient_is_the_references(
    refuses: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuses(AssertionError("atomics"), encode=reference.hash_encode)
    x, table = leaves()
    mine = triton_ops.hash_encode(x, table, SPEC).square().sum()
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    (found,) = torch.autograd.grad(mine, table)
    (right,) = torch.autograd.grad(reference.hash_encode(x, table, SPEC).square().sum(), table)
    torch.testing.assert_close(found, right)


# ---- the kernels themselves ----


@needs_triton
def test_kernels_that_compute_wrong_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamlab.ops.field import triton_launch

    right = triton_launch.encode
    monkeypatch.setattr(triton_launch, "encode", lambda *given: right(*given) * 1.01)
    assert "the encoding is off by 1.0e-02" in triton_ops.why_not("encode_mlp")
    assert triton_ops.why_not("composite") == "" == triton_ops.why_not("march")


@needs_triton
def test_many_small_programs_give_what_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamlab.ops.field import triton_launch

    monkeypatch.setattr(triton_launch, "POINTS", 16)
    monkeypatch.setattr(triton_launch, "RAYS", 2)
    monkeypatch.setattr(triton_launch, "STEPS", 4)
    x = ((torch.arange(99).view(33, 3) * 29 % 64 + 0.3) / 65).requires_grad_()
    table = leaves()[1]
    origins = torch.tensor([[0.1, 0.2, -3.0], [0.0, 0.3, 2.0], [0.3, -2.0, 0.1]])
    rays = Rays(origins, torch.nn.functional.normalize(-origins, dim=1))
    given = rays, torch.ones(2, 2, 2, dtype=torch.bool), 0.23, torch.tensor([0.1, 0.5, 0.9])
    values, slopes = [], []
    for backend in ("triton", "reference"):
        with ops.use_backend(backend):
            encoded, samples = ops.hash_encode(x, table, SPEC), ops.march(*given)
            sigma = (samples.t0 * 3).cos().square().requires_grad_()
            seen = ops.composite(sigma, torch.ones(len(sigma), 3), samples, 3)
        values.append([encoded, *samples, *seen])
        loss = encoded.square().sum() + seen.depth.square().sum()
        slopes.append(torch.autograd.grad(loss, [x, table, sigma]))
    assert len(values[0][1]) > 20
    for a, b in zip([*values[0], *slopes[0]], [*values[1], *slopes[1]], strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@needs_triton
def test_non_contiguous_points_and_gradients_are_as_good_as_any() -> None:
    x, table = (t.detach() for t in leaves())
    strided = torch.stack([x, x], dim=1)[:, 1].requires_grad_()
    plain = x.clone().requires_grad_()
    with ops.use_backend("triton"):
        out = [ops.hash_encode(points, table, SPEC) for points in (plain, strided)]
    gradient = torch.rand(5, 8, generator=torch.Generator().manual_seed(1))[:, ::2]
    slopes = [torch.autograd.grad(o, p, gradient)[0] for o, p in zip(out, (plain, strided), strict=True)]
    assert torch.equal(*out) and torch.equal(*slopes)


def compile_script(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, TRITON_CACHE_DIR=str(tmp_path))
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=SCRIPTS, capture_output=True, text=True, check=False)


@needs_triton
def test_every_kernel_compiles_for_a_card_that_is_not_there(tmp_path: Path) -> None:
    done = compile_script(tmp_path, "compile_triton.py", "--capability", "90", "--features", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("sm_90 ") == 7 == done.stdout.count(" bytes\n")


@needs_triton
def test_a_kernel_that_does_not_compile_is_found(tmp_path: Path) -> None:
    planted = (
        "import compile_triton as c; k = c.triton_rays.composite;"
        "c.kernels = lambda features: [(k, {'RAYS': 3, 'STEPS': 32})]; raise SystemExit(c.main())"
    )
    done = compile_script(tmp_path, "-c", planted)
    assert done.returncode == 1 and "FAILED" in done.stdout, done.stdout + done.stderr


@needs_triton
@pytest.mark.slow
def test_every_kernel_compiles_with_all_numbers_of_features(tmp_path: Path) -> None:
    done = compile_script(tmp_path, "compile_triton.py", "--capability", "80", "90")
    assert done.returncode == 0 and done.stdout.count(" bytes\n") == 32, done.stdout + done.stderr
