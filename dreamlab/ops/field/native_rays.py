"""Rays in C++: marching, sample points, compositing (see native)."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from dreamlab.core.types import Rays, Samples
from dreamlab.ops.interface import MAX_STEPS, Composite, too_many_steps, unsorted_samples
from dreamlab.ops.library import call, ready, ready_in_graph, threads

_STEP_GROUP = 16
_DIAGONAL = 3.4642  # of the scene box, a little generous


def march(rays: Rays, occupancy: Tensor, step: float, jitter: Tensor) -> Samples:
    origins, directions = ready("ray origins", rays.origins), ready("ray directions", rays.directions)
    jitter, occupancy = ready("jitter", jitter), ready("occupancy", occupancy, torch.bool)
    most = min(_DIAGONAL / step + 2, MAX_STEPS)
    # Directions are unit vectors, so no ray is longer in the box than its diagonal; if one is not, ask again.
    for steps in (int(most), MAX_STEPS):
        found = _march(origins, directions, occupancy, step, jitter, steps // _STEP_GROUP + 1)
        if found is not None:
            return found
    raise too_many_steps(step)


def _march(
    origins: Tensor, directions: Tensor, occupancy: Tensor, step: float, jitter: Tensor, groups: int
) -> Samples | None:
    n = origins.shape[0]
    near, counts = torch.empty(n), torch.empty(n, dtype=torch.int32)
    masks = torch.empty(n, groups, dtype=torch.int16)
    c_step = ctypes.c_float(step)
    total = call(
        "dl_march_find",
        origins,
        directions,
        jitter,
        n,
        occupancy,
        occupancy.shape[0],
        c_step,
        groups,
        near,
        masks,
        counts,
        threads(),
    )
    if total < 0:
        return None
    index, t0, t1 = torch.empty(total, dtype=torch.int64), torch.empty(total), torch.empty(total)
    call("dl_march_fill", near, jitter, masks, counts, n, groups, c_step, index, t0, t1, threads())
    return Samples(index, t0, t1)


def sample_points(rays: Rays, samples: Samples) -> Tensor:
    origins, directions = ready("ray origins", rays.origins), ready("ray directions", rays.directions)
    index = ready("ray_index", samples.ray_index, torch.int64)
    _ray_starts(index, origins.shape[0])
    out = torch.empty(index.shape[0], 3)
    call(
        "dl_sample_points",
        origins,
        directions,
        index,
        ready("t0", samples.t0),
        ready("t1", samples.t1),
        index.shape[0],
        out,
        threads(),
    )
    return out


def _ray_starts(ray_index: Tensor, n_rays: int) -> Tensor:
    start = torch.empty(n_rays + 1, dtype=torch.int64)
    if call("dl_ray_starts", ray_index, ray_index.shape[0], n_rays, start):
        raise unsorted_samples(n_rays)
    return start


class _Composite(Function):
    @staticmethod
    def forward(
        ctx: Any, sigma: Tensor, rgb: Tensor, t0: Tensor, t1: Tensor, start: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        n_rays = start.shape[0] - 1
        ctx.save_for_backward(sigma, rgb, t0, t1, start)
        out = torch.empty(n_rays, 3), torch.empty(n_rays), torch.empty(n_rays), torch.empty_like(sigma)
        call("dl_composite", sigma, rgb, t0, t1, start, n_rays, *out, threads())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        sigma, rgb, t0, t1, start = ctx.saved_tensors
        dense = [g.contiguous() for g in gradients]
        g_sigma, g_rgb = torch.empty_like(sigma), torch.empty_like(rgb)
        call(
            "dl_composite_backward",
            sigma,
            rgb,
            t0,
            t1,
            start,
            start.shape[0] - 1,
            *dense,
            g_sigma,
            g_rgb,
            threads(),
        )
        return g_sigma, g_rgb, None, None, None


def composite(sigma: Tensor, rgb: Tensor, samples: Samples, n_rays: int) -> Composite:
    start = _ray_starts(ready("samples.ray_index", samples.ray_index, torch.int64), n_rays)
    t0, t1 = ready("samples.t0", samples.t0), ready("samples.t1", samples.t1)
    return Composite(
        *_Composite.apply(ready_in_graph("sigma", sigma), ready_in_graph("rgb", rgb), t0, t1, start)
    )
