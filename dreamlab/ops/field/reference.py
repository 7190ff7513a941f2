"""The twin of every kernel in plain torch: any device, float32 and float64, differentiable; the oracle of the
tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dreamlab.core.types import Rays, Samples
from dreamlab.ops.constants import constant
from dreamlab.ops.interface import MAX_STEPS, Composite, HashGridSpec, too_many_steps, unsorted_samples

_PRIMES = (1, 2654435761, 805459861)  # Mueller et al. 2022, equation 4
_POINTS_AT_ONCE = 1 << 16  # what is kept beside the table is some 3 kB a point at 16 levels
_RAYS_AT_ONCE = 8192


def hash_encode(
    x: Float[Tensor, "N 3"], table: Float[Tensor, "T F"], spec: HashGridSpec
) -> Float[Tensor, "N LF"]:
    levels = _levels(spec, x.device, x.dtype)
    return torch.cat([_encode(part, table, levels) for part in x.clamp(0, 1).split(_POINTS_AT_ONCE)])


def _encode(x: Tensor, table: Tensor, levels: _Levels) -> Tensor:
    """All levels and corners at once, so that the number of operations depends on neither."""
    position = x[:, None] * levels.scale + 0.5
    # A point that is not a number reads cell 0; the NaN stays in the interpolation weight and thus in the
    # result.
    cell = position.detach().nan_to_num(0.0).floor()
    far = position - cell
    x1, y1, z1 = torch.stack([1 - far, far], dim=-1).unbind(dim=2)
    weight = (x1[..., None, :] * y1[..., :, None])[:, :, None] * z1[..., None, None]
    rows = table[_rows(cell.long(), levels)]
    return (rows * weight.flatten(2)[..., None]).sum(dim=2).flatten(1)


def _rows(cell: Int[Tensor, "N L 3"], levels: _Levels) -> Int[Tensor, "N L 8"]:
    """Table rows of a cell's corners on every level, x fastest. The half cell beyond the last vertex of a
    dense level wraps around, as in tiny-cuda-nn.
    """
    x, y, z = ((cell[..., None] + levels.corner) * levels.factor).unbind(dim=2)
    x, y, z = x[:, :, None, None, :], y[:, :, None, :, None], z[:, :, :, None, None]
    index = torch.where(levels.dense, x + y + z, x ^ y ^ z).flatten(2)
    return index % levels.rows + levels.start


class _Levels(NamedTuple):
    """What the levels differ in, each ready to be broadcast: a vertex (x, y, z) has row (x, y, z) * factor,
    summed where the level is dense, else joined by xor, modulo rows (of hashed levels a power of 2)."""

    scale: Tensor
    corner: Tensor
    factor: Tensor
    dense: Tensor
    rows: Tensor
    start: Tensor


def _levels(spec: HashGridSpec, device: torch.device, dtype: torch.dtype) -> _Levels:
    factor = tuple(
        (1, r, r * r) if dense else _PRIMES for r, dense in zip(spec.resolutions, spec.dense, strict=True)
    )
    return _Levels(
        constant(spec.scales, dtype, device)[:, None],
        constant((0, 1), torch.int64, device),
        constant(factor, torch.int64, device)[..., None],
        constant(spec.dense, torch.bool, device).view(-1, 1, 1, 1),
        constant(spec.rows, torch.int64, device)[:, None],
        constant(spec.offsets[:-1], torch.int64, device)[:, None],
    )


def mlp(x: Float[Tensor, "N I"], weights: Sequence[Tensor]) -> Float[Tensor, "N O"]:
    for weight in weights[:-1]:
        x = torch.relu(x @ weight.T)
    return x @ weights[-1].T


def encode_mlp(
    x: Float[Tensor, "N 3"], table: Float[Tensor, "T F"], spec: HashGridSpec, weights: Sequence[Tensor]
) -> Float[Tensor, "N O"]:
    return mlp(hash_encode(x, table, spec), weights)


def conv3x3(
    x: Float[Tensor, "N I H W"], weight: Float[Tensor, "O I 3 3"], bias: Float[Tensor, " O"] | None
) -> Float[Tensor, "N O H W"]:
    return torch.nn.functional.conv2d(x, weight, bias, padding=1)


@torch.no_grad()
def march(rays: Rays, occupancy: Bool[Tensor, "G G G"], step: float, jitter: Float[Tensor, " R"]) -> Samples:
    parts = [
        _march_some(Rays(origins, directions), occupancy, step, u)
        for origins, directions, u in zip(
            rays.origins.split(_RAYS_AT_ONCE),
            rays.directions.split(_RAYS_AT_ONCE),
            jitter.split(_RAYS_AT_ONCE),
            strict=True,
        )
    ]
    index = torch.cat([part.ray_index + i * _RAYS_AT_ONCE for i, part in enumerate(parts)])
    return Samples(index, torch.cat([part.t0 for part in parts]), torch.cat([part.t1 for part in parts]))


def _march_some(rays: Rays, occupancy: Tensor, step: float, jitter: Tensor) -> Samples:
    near, far = ray_box(rays)
    steps = ((far - near) / step - jitter).ceil()
    sane = torch.cat(rays, dim=1).isfinite().all(dim=1) & steps.isfinite()
    steps = torch.where((far > near) & sane, steps, torch.zeros_like(steps))
    most = steps.max().item() if steps.numel() else 0.0
    if most > MAX_STEPS:
        raise too_many_steps(step)
    # One step more than the count, so that its rounding cannot lose the last sample: `middle < far` decides.
    i = torch.arange(math.ceil(most) + 1, device=near.device, dtype=near.dtype)
    middle = near[:, None] + (i + jitter[:, None]) * step
    kept = (middle < far[:, None]) & (steps[:, None] > 0)
    grid = occupancy.shape[0]
    cell = []
    for axis in range(3):
        x = rays.origins[:, axis, None] + middle * rays.directions[:, axis, None]
        cell.append(((x + 1) * (grid / 2)).nan_to_num(0.0).clamp(0, grid - 1).long())
    kept &= occupancy[cell[0], cell[1], cell[2]]
    ray_index, column = kept.nonzero(as_tuple=True)
    t = middle[ray_index, column]
    return Samples(ray_index, t - step / 2, t + step / 2)


def ray_box(rays: Rays) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave [-1,1]^3 (slab method, Kay and Kajiya 1986); never behind the origin.

    A miss has far <= near. A direction of 0 within a slab gives an infinity or a NaN that fmin and fmax pass
    over.
    """
    inverse = 1 / rays.directions
    a, b = (-1 - rays.origins) * inverse, (1 - rays.origins) * inverse
    low, high = torch.fmin(a, b), torch.fmax(a, b)
    near = torch.fmax(torch.fmax(low[:, 0], low[:, 1]), low[:, 2])
    far = torch.fmin(torch.fmin(high[:, 0], high[:, 1]), high[:, 2])
    return torch.fmax(near, torch.zeros_like(near)), far


def sample_points(rays: Rays, samples: Samples) -> Float[Tensor, "S 3"]:
    middle = (samples.t0 + samples.t1) / 2
    return rays.origins[samples.ray_index] + middle[:, None] * rays.directions[samples.ray_index]


def composite(
    sigma: Float[Tensor, " S"], rgb: Float[Tensor, "S 3"], samples: Samples, n_rays: int
) -> Composite:
    ray, t0, t1 = samples
    n = ray.shape[0]
    start = torch.searchsorted(ray, torch.arange(n_rays + 1, device=ray.device))
    longest = _longest(ray, start, n_rays) if n else 0
    # A padded [R, longest] table, not one running sum over all samples: that would cancel in float32.
    column = torch.arange(n, device=ray.device) - start[ray]
    thickness = sigma * (t1 - t0)
    padded = sigma.new_zeros(n_rays, longest + 1).index_put((ray, column + 1), thickness)
    transmittance = (-padded.cumsum(dim=1)).exp()[ray, column]
    weights = transmittance * -torch.expm1(-thickness)
    middle = (t0 + t1) / 2
    values = torch.cat([rgb, torch.ones_like(rgb[:, :1]), middle[:, None]], dim=1) * weights[:, None]
    total = sigma.new_zeros(n_rays, 5).index_add(0, ray, values)
    return Composite(total[:, :3], total[:, 3], total[:, 4], weights)


def _longest(ray: Tensor, start: Tensor, n_rays: int) -> int:
    """Samples of the fullest ray; what is needed to refuse bad indices comes in the same transfer."""
    fall = -ray.diff().amin() if len(ray) > 1 else torch.zeros_like(ray[0])
    longest = start.diff().amax() if n_rays else torch.zeros_like(ray[0])
    first, last, down, most = torch.stack([ray[0], ray[-1], fall, longest]).tolist()
    if first < 0 or last >= n_rays or down > 0:
        raise unsorted_samples(n_rays)
    return most
