"""gpu_check, the operations: values and gradients on the device against the reference in float64 on the
CPU, of every back end that is there, and how long each takes. On the CPU, Triton's kernels are there with
TRITON_INTERPRET=1, where their times mean nothing."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from gpu_check_record import Check, Setting, Skip
from torch import Tensor

from dreamlab import ops
from dreamlab.core.errors import UnavailableError
from dreamlab.core.types import Rays, Samples
from dreamlab.ops.field import triton_ops

_SPEC = ops.HashGridSpec(levels=8, log2_table_size=15, base_resolution=16, finest_resolution=128)
_TOLERANCE = 1e-3  # of the largest value: float32 sums of a million terms, and no fault of one per cent
_STRAYS = 1e-3  # share of points that may lie on the other side of a kink: a cell's border, a ReLU's zero
_Call = Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor | tuple[Tensor, ...]]


@dataclass(frozen=True)
class _Case:
    """An operation at one size: leaves that want gradients, what else it is given, and the call."""

    leaves: Sequence[Tensor]
    given: Sequence[Tensor]
    call: _Call


def ops_checks(setting: Setting) -> list[Check]:
    """For every size the operation as a run has it, then in each back end; then their times."""
    sizes = (0, 1, 257, 1 << 12 if setting.quick else 1 << 20)
    made = [Check(f"{name} N={n}", partial(_compared, name, n, setting)) for name in _CASES for n in sizes]
    made += [Check(f"march N={n}", partial(_marched, n, setting)) for n in sizes]
    made += [
        Check(f"{where} {name} N={n}", partial(_compared_in, where, name, n, setting))
        for name, n, where in itertools.product([*_IN_EVERY, "march"], sizes, _back_ends(setting))
    ]
    made += [
        Check(f"{name} side by side", partial(_timed, name, sizes[-1], setting))
        for name in [*_IN_EVERY, "march"]
    ]
    return [*made, Check("rasterise", lambda: _rasterised(setting))]


def _back_ends(setting: Setting) -> tuple[ops.BackendName, ...]:
    return ("cuda", "triton", "reference") if setting.cuda else ("native", "triton", "reference")


def _compared_in(where: ops.BackendName, name: str, n: int, setting: Setting) -> dict[str, Any]:
    try:
        with ops.use_backend(where, name):
            found = _marched(n, setting) if name == "march" else _compared(name, n, setting)
    except UnavailableError as reason:
        raise Skip(str(reason)) from None
    if where == "triton":  # kernels that could not be compiled for this size would be the reference's
        assert not triton_ops.why_not(name), triton_ops.why_not(name)
    return found


def _random(*shape: int, seed: int = 0, uniform: bool = False) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand if uniform else torch.randn)(*shape, generator=generator)


def _points(n: int) -> Tensor:
    """On a fine binary lattice: float32 products with the scales lose little, so that cells are the same."""
    return torch.randint(0, 1025, (n, 3), generator=torch.Generator().manual_seed(1)) / 1024


def _layers(*widths: int) -> list[Tensor]:
    return [_random(o, i, seed=o) / i**0.5 for i, o in itertools.pairwise(widths)]


def _hash_encode(n: int) -> _Case:
    table = _random(_SPEC.table_rows, _SPEC.features)
    return _Case((_points(n), table), (), lambda leaves, _: ops.hash_encode(leaves[0], leaves[1], _SPEC))


def _mlp(n: int) -> _Case:
    leaves = (_random(n, 32), *_layers(32, 64, 64, 4))
    return _Case(leaves, (), lambda leaves, _: ops.mlp(leaves[0], leaves[1:]))


def _encode_mlp(n: int) -> _Case:
    leaves = (_points(n), _random(_SPEC.table_rows, _SPEC.features), *_layers(_SPEC.width, 64, 64, 4))
    return _Case(leaves, (), lambda v, _: ops.encode_mlp(v[0], v[1], _SPEC, v[2:]))


def _samples(n: int, n_rays: int) -> tuple[Tensor, Tensor, Tensor]:
    """Ray, start and end of n samples: sorted by ray, then by distance; rays have many, one or none."""
    ray = torch.randint(0, n_rays, (n,), generator=torch.Generator().manual_seed(2)).sort().values
    t0 = torch.arange(n) % 64 * 0.03 + 1
    order = (ray.double() * 100 + t0.double()).argsort()
    return ray, t0[order].float(), (t0[order] + 0.03).float()


def _composite(n: int) -> _Case:
    n_rays = max(1, n // 24)
    leaves = (_random(n, uniform=True) * 20, _random(n, 3, seed=3, uniform=True))
    return _Case(
        leaves,
        _samples(n, n_rays),
        lambda v, given: tuple(ops.composite(v[0], v[1], Samples(*given), n_rays)),
    )


def _sample_points(n: int) -> _Case:
    n_rays = max(1, n // 24)
    rays = (_random(n_rays, 3), torch.nn.functional.normalize(_random(n_rays, 3, seed=4), dim=1))
    given = (*rays, *_samples(n, n_rays))
    return _Case((), given, lambda _, g: ops.sample_points(Rays(g[0], g[1]), Samples(*g[2:])))


def _conv3x3(n: int) -> _Case:
    """n images would be much: their pixels are about n."""
    side = max(4, int(min(n, 1 << 18) ** 0.5) // 4)
    leaves = (_random(min(n, 16), 32, side, side), _random(32, 32, 3, 3, seed=5) / 17, _random(32, seed=6))
    return _Case(leaves, (), lambda v, _: ops.conv3x3(v[0], v[1], v[2]))


_CASES: dict[str, Callable[[int], _Case]] = {
    "hash_encode": _hash_encode,
    "mlp": _mlp,
    "encode_mlp": _encode_mlp,
    "sample_points": _sample_points,
    "composite": _composite,
    "conv3x3": _conv3x3,
}


_IN_EVERY = ("hash_encode", "encode_mlp", "composite")  # whose kernels are other ones in every back end


def _compared(name: str, n: int, setting: Setting) -> dict[str, Any]:
    """The largest errors of values and gradients, as shares of the largest value."""
    mine = _values_and_gradients(_CASES[name](n), lambda t: t.to(setting.device))
    theirs = _right(name, n)
    found = {}
    for name, tensor in theirs.items():
        found[name] = error(mine[name], tensor, _STRAYS if name == "gradient 0" else 0.0)
        assert found[name] <= _TOLERANCE, f"{name} is off by {found[name]:.2e} of its largest value"
    return found


@lru_cache(maxsize=1)
def _right(name: str, n: int) -> dict[str, Tensor]:
    """What float64 gives, kept for the next back end."""
    with ops.use_backend("reference"):
        return _values_and_gradients(_CASES[name](n), lambda t: t.double() if t.is_floating_point() else t)


def _timed(name: str, n: int, setting: Setting) -> dict[str, Any]:
    """By back end milliseconds forward, and forward and backward together, or why it is not there. Medians;
    the back ends take turns, so that a busy machine slows them alike."""
    job = _marching(n, setting) if name == "march" else _forward_and_backward(name, n, setting)
    found: dict[str, Any] = {}
    times: dict[str, list[tuple[float, float]]] = {}
    for round_ in range(2 if setting.quick else 11):
        for where in _back_ends(setting):
            if where in found:
                continue
            try:
                with ops.use_backend(where, name):
                    spent = job()
            except UnavailableError as reason:
                found[where] = str(reason)
                continue
            if round_:  # the first compiles
                times.setdefault(where, []).append(spent)
    for where, spent in times.items():
        forward, both = (round(1000 * statistics.median(column), 3) for column in zip(*spent, strict=True))
        found[where] = {"forward ms": forward, "forward and backward ms": both}
    return {"points": n, **found}


def _forward_and_backward(name: str, n: int, setting: Setting) -> Callable[[], tuple[float, float]]:
    case = _CASES[name](n)
    leaves = [leaf.to(setting.device).requires_grad_() for leaf in case.leaves]
    given = [tensor.to(setting.device) for tensor in case.given]

    def job() -> tuple[float, float]:
        start = _now(setting)
        out = case.call(leaves, given)
        outputs = out if isinstance(out, tuple) else (out,)
        middle = _now(setting)
        torch.autograd.grad(outputs, leaves, [torch.ones_like(o) for o in outputs])
        return middle - start, _now(setting) - start

    return job


def _marching(n: int, setting: Setting) -> Callable[[], tuple[float, float]]:
    """Of n / 24 rays: some n samples come of them."""
    given = [t.to(setting.device) for t in _rays(n // 24)]

    def job() -> tuple[float, float]:
        start = _now(setting)
        ops.march(Rays(given[0], given[1]), given[2], _STEP, given[3])
        spent = _now(setting) - start
        return spent, spent

    return job


def _now(setting: Setting) -> float:
    if setting.cuda:
        torch.cuda.synchronize()
    return time.perf_counter()


def _values_and_gradients(case: _Case, moved: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    leaves = [moved(leaf).requires_grad_() for leaf in case.leaves]
    out = case.call(leaves, [moved(tensor) for tensor in case.given])
    outputs = out if isinstance(out, tuple) else (out,)
    found = {f"value {i}": tensor.detach() for i, tensor in enumerate(outputs)}
    if leaves:
        weights = [moved(_random(*tensor.shape, seed=7)) for tensor in outputs]
        gradients = torch.autograd.grad(outputs, leaves, weights, materialize_grads=True)
        found |= {f"gradient {i}": tensor for i, tensor in enumerate(gradients)}
    return found


def error(mine: Tensor, theirs: Tensor, strays: float = 0.0) -> float:
    """The largest difference, but for a share of strays, as a share of the largest value."""
    assert mine.shape == theirs.shape, f"shape {tuple(mine.shape)}, not {tuple(theirs.shape)}"
    if not theirs.numel():
        return 0.0
    assert mine.isfinite().all(), "not a number"
    difference = (mine.detach().cpu().double() - theirs).abs().flatten()
    worst = difference.kthvalue(difference.numel() - int(strays * difference.numel())).values
    return float(worst / theirs.abs().max().clamp_min(1e-6))


_STEP = 1 / 32


def _rays(n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Origins and directions through a grid of blocks, and the jitter."""
    origins = _random(n, 3) * 0.2 + torch.tensor([0.0, 0.0, -3.0])
    towards = _random(n, 3, seed=8) * 0.2 + torch.tensor([0.0, 0.0, 1.0])
    blocks = _random(16, 16, 16, seed=9) > 0
    return origins, torch.nn.functional.normalize(towards, dim=1), blocks, _random(n, seed=10, uniform=True)


def _marched(n: int, setting: Setting) -> dict[str, Any]:
    """Rays through a grid of blocks: the same samples on all rays but a few that graze a border."""
    origins, directions, blocks, jitter = _rays(n)
    tensors = [t.to(setting.device) for t in (origins, directions, blocks, jitter)]
    mine = ops.march(Rays(tensors[0], tensors[1]), tensors[2], _STEP, tensors[3])
    with ops.use_backend("reference"):
        theirs = ops.march(Rays(origins.double(), directions.double()), blocks, _STEP, jitter.double())
    index = mine.ray_index.cpu()
    assert bool((index.diff() >= 0).all()), "samples are not sorted by ray"
    counts = torch.bincount(index, minlength=n), torch.bincount(theirs.ray_index, minlength=n)
    alike = counts[0] == counts[1]
    strays = 1 - float(alike.double().mean()) if n else 0.0
    assert strays <= 0.01, f"{strays:.2%} of the rays have other samples"
    start = error(mine.t0.cpu()[alike[index]], theirs.t0[alike[theirs.ray_index]])
    assert start <= _TOLERANCE, f"samples are off by {start:.2e}"
    return {"samples": len(index), "rays that differ": strays, "t0": start}


def _rasterised(setting: Setting) -> dict[str, Any]:
    """Triangles in clip space: what every pixel sees, and the gradient to the corners."""
    corners = torch.cat(
        [_random(1, 60, 2) * 0.6, _random(1, 60, 1, seed=11) * 0.3, torch.ones(1, 60, 1)], dim=2
    )
    faces = torch.randint(0, 60, (40, 3), generator=torch.Generator().manual_seed(12))

    def seen(vertices: Tensor, triangles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        vertices.requires_grad_()
        fragments = ops.rasterise(vertices, triangles, (64, 64))
        image = ops.interpolate(vertices[0], triangles, fragments)
        (gradient,) = torch.autograd.grad(image.square().sum(), vertices)
        return fragments.face_index, image, gradient

    index, image, gradient = seen(corners.to(setting.device), faces.to(setting.device))
    with ops.use_backend("reference"):
        wanted, right, slope = seen(corners.double(), faces)
    other = float((index.cpu() != wanted).double().mean())
    assert other <= 0.002, f"{other:.2%} of the pixels see another face"
    found = {"other pixels": other, "image": error(image, right), "gradient": error(gradient, slope)}
    assert found["image"] <= _TOLERANCE and (other > 0 or found["gradient"] <= 0.01), str(found)
    return found
