"""gpu_check, the operations: values and gradients on the device against the reference in float64 on the
CPU."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from gpu_check_record import Check, Setting
from torch import Tensor

from dreamlab import ops
from dreamlab.core.types import Rays, Samples

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
    sizes = (0, 1, 257, 1 << 12 if setting.quick else 1 << 20)
    made = [
        Check(f"{name} N={n}", lambda make=make, n=n: _compared(make(n), setting))
        for name, make in _CASES.items()
        for n in sizes
    ]
    made += [Check(f"march N={n}", lambda n=n: _marched(n, setting)) for n in sizes]
    return [*made, Check("rasterise", lambda: _rasterised(setting))]


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


def _compared(case: _Case, setting: Setting) -> dict[str, Any]:
    """The largest errors of values and gradients, as shares of the largest value."""
    mine = _values_and_gradients(case, lambda t: t.to(setting.device))
    with ops.use_backend("reference"):
        theirs = _values_and_gradients(case, lambda t: t.double() if t.is_floating_point() else t)
    found = {}
    for name, tensor in theirs.items():
        found[name] = error(mine[name], tensor, _STRAYS if name == "gradient 0" else 0.0)
        assert found[name] <= _TOLERANCE, f"{name} is off by {found[name]:.2e} of its largest value"
    return found


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


def _marched(n: int, setting: Setting) -> dict[str, Any]:
    """Rays through a grid of blocks: the same samples on all rays but a few that graze a border."""
    origins = _random(n, 3) * 0.2 + torch.tensor([0.0, 0.0, -3.0])
    directions = torch.nn.functional.normalize(
        _random(n, 3, seed=8) * 0.2 + torch.tensor([0.0, 0.0, 1.0]), dim=1
    )
    blocks = _random(16, 16, 16, seed=9) > 0
    jitter, step = _random(n, seed=10, uniform=True), 1 / 32
    tensors = [t.to(setting.device) for t in (origins, directions, blocks, jitter)]
    mine = ops.march(Rays(tensors[0], tensors[1]), tensors[2], step, tensors[3])
    with ops.use_backend("reference"):
        theirs = ops.march(Rays(origins.double(), directions.double()), blocks, step, jitter.double())
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
