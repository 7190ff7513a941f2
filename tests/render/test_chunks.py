"""A render in chunks has the gradient of the whole one, and never more than one chunk in memory."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from dreamlab import ops
from dreamlab.core.cameras import turntable
from dreamlab.core.types import Cameras, RenderOutput
from dreamlab.render import Shading, VolumeRenderer, VolumeRendererConfig, volume
from dreamlab.render.background import LearnedBackgroundConfig
from dreamlab.render.chunks import in_chunks
from dreamlab.scenes import HashGridFieldConfig
from dreamlab.scenes.hashgrid import HashGridField

VIEWS, SIDE, SAMPLES = 2, 8, 16
LIT = Shading("lambertian", torch.tensor([[1.0, 2.0, 3.0], [-3.0, 1.0, 0.0]], dtype=torch.float64), 0.3, 0.7)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def scene() -> tuple[HashGridField, VolumeRenderer, torch.nn.Module, Cameras]:
    """A small field, its renderer, a learnt background and cameras, in float64."""
    config = HashGridFieldConfig(levels=3, log2_table_size=9, finest_resolution=24, width=16)
    field = config.build(rng())
    renderer = VolumeRendererConfig(samples=SAMPLES).build()
    renderer.update(field, 0, rng())
    field.double()
    cameras = turntable(VIEWS, 0.3, 3.0, 0.7, (SIDE, SIDE))
    cameras = replace(cameras, c2w=cameras.c2w.double(), fovy=cameras.fovy.double())
    return field, renderer, LearnedBackgroundConfig().build(rng()).double(), cameras


def gradients(
    scene: Any, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[RenderOutput, list[torch.Tensor]]:
    """The render in chunks of so many rays, and what a loss of all its buffers says to every parameter."""
    field, renderer, background, cameras = scene
    monkeypatch.setitem(volume._CHUNK, "reference", at_once * SAMPLES)
    with ops.use_backend("reference"):
        out = renderer(
            field, cameras, background=background, shading=LIT, generator=rng(),
            buffers={"normal", "depth_variance"},
        )  # fmt: skip
    seen = (out.rgb, out.opacity, out.depth, out.normal, out.depth_variance)
    weights = [torch.randn(part.shape, generator=rng(), dtype=torch.float64) for part in seen]
    loss = sum((part * weight).sum() for part, weight in zip(seen, weights, strict=True))
    learned = [*field.parameters(), *background.parameters()]
    return out, list(torch.autograd.grad(loss, learned))  # outside of use_backend, as the loop has it


@pytest.mark.parametrize("at_once", [33, 50, VIEWS * SIDE**2 - 1])
def test_the_gradient_in_chunks_is_that_of_the_whole(
    scene: Any, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, wanted = gradients(scene, VIEWS * SIDE**2, monkeypatch)
    pieces, found = gradients(scene, at_once, monkeypatch)
    for name in ("rgb", "opacity", "depth", "normal", "depth_variance"):
        torch.testing.assert_close(getattr(pieces, name), getattr(whole, name), rtol=1e-12, atol=1e-12)
    assert all(bool(gradient.any()) for gradient in wanted)
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


def test_with_gradient_no_more_than_a_chunk_is_ever_kept(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that autograd keeps at once, counted where it takes and gives them back."""
    kept = {"now": 0, "most": 0}

    class Held:
        def __init__(self, tensor: torch.Tensor) -> None:
            self.tensor, self.size = tensor, tensor.numel() * tensor.element_size()
            kept["now"] += self.size
            kept["most"] = max(kept.values())

        def __del__(self) -> None:
            kept["now"] -= self.size

    most = {}
    for at_once in (VIEWS * SIDE**2, 16):
        kept.update(now=0, most=0)
        with torch.autograd.graph.saved_tensors_hooks(Held, lambda held: held.tensor):
            gradients(scene, at_once, monkeypatch)
        most[at_once] = kept["most"]
    assert most[16] < most[VIEWS * SIDE**2] / 4  # of eight chunks, and the joined outputs


def test_what_fits_into_a_chunk_is_computed_once(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    forward = HashGridField.forward
    monkeypatch.setattr(HashGridField, "forward", lambda s, x: calls.append(len(x)) or forward(s, x))
    gradients(scene, VIEWS * SIDE**2, monkeypatch)
    assert len(calls) == 1
    gradients(scene, VIEWS * SIDE**2 // 2, monkeypatch)
    assert len(calls) == 1 + 2 + 2


# ---- rows and jobs ----


def job(parameter: torch.Tensor, limit: int, seen: list[int]) -> Callable[..., Any]:
    """Squares of rows by a parameter, which fit into memory up to `limit` rows."""

    def squares(x: torch.Tensor) -> tuple[torch.Tensor, None]:
        if len(x) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        seen.append(len(x))
        return (x * parameter).square(), None

    return squares


def test_what_does_not_fit_is_halved_until_it_does_and_has_the_same_gradient() -> None:
    parameter, x, seen = torch.tensor(3.0, requires_grad=True), torch.arange(10.0), []
    with pytest.warns(UserWarning, match="10 rays did not fit into memory: they are rendered in halves"):
        out, nothing = in_chunks(job(parameter, 3, seen), (x,), 100, [parameter])
    assert nothing is None and out is not None and torch.equal(out, (3 * x).square())
    assert max(seen) <= 3
    with pytest.warns(UserWarning, match="rays did not fit"):
        (gradient,) = torch.autograd.grad(out.sum(), parameter)
    assert float(gradient) == float(6 * x.square().sum())


def test_memory_that_runs_out_in_the_second_pass_alone_counts_no_ray_twice() -> None:
    parameter, x, seen = torch.tensor(3.0, requires_grad=True), torch.arange(10.0), []
    squares = job(parameter, 10, seen)

    def tight(rows: torch.Tensor) -> Any:
        if torch.is_grad_enabled() and len(rows) > 2:
            raise RuntimeError("CUDA error: out of memory")
        return squares(rows)

    out, _ = in_chunks(tight, (x,), 5, [parameter])
    assert out is not None
    with pytest.warns(UserWarning, match="5 rays did not fit"):
        (gradient,) = torch.autograd.grad(out.sum(), parameter)
    assert float(gradient) == float(6 * x.square().sum())


def test_a_single_row_that_does_not_fit_is_the_error_that_it_is() -> None:
    parameter = torch.tensor(3.0, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(torch.OutOfMemoryError):
            in_chunks(job(parameter, 0, []), (torch.arange(4.0),), 2, [parameter])


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def broken(x: torch.Tensor) -> Any:
        raise RuntimeError("expected scalar type Half but found Float")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeError, match="expected scalar type"):
            in_chunks(broken, (torch.arange(4.0),), 2, [])


def test_the_second_pass_takes_the_back_end_of_the_first_in_whatever_thread() -> None:
    parameter, chosen = torch.tensor(3.0, requires_grad=True), []

    def noting(x: torch.Tensor) -> Any:
        chosen.append(ops.backend())
        return (x * parameter,)

    with ops.use_backend("reference"):
        (out,) = in_chunks(noting, (torch.arange(4.0),), 2, [parameter])
    assert out is not None
    backward = threading.Thread(target=out.sum().backward)
    backward.start()
    backward.join()
    assert chosen == ["reference"] * 4 and float(parameter.grad or 0) == 6.0


def test_no_rows_give_no_rows() -> None:
    parameter = torch.tensor(3.0, requires_grad=True)
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            out, _ = in_chunks(job(parameter, 3, []), (torch.zeros(0),), 2, [parameter])
        assert out is not None and out.shape == (0,)
