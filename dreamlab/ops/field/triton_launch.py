"""The Triton kernels on whole tensors: what `triton_ops` gives is contiguous, float32 and on one device.

Errors of the compiler pass through here; `triton_ops` deals with them.
"""

# pyright: reportIndexIssue=false

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from dreamlab.core.types import Rays, Samples
from dreamlab.ops.field import triton_grid, triton_rays
from dreamlab.ops.interface import MAX_STEPS, HashGridSpec, too_many_steps

# A warp takes a ray, 128 points take four. In the interpreter a program costs milliseconds whatever its size.
_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
POINTS = 4096 if _INTERPRETED else 128
RAYS = 256 if _INTERPRETED else 4
STEPS = 32


def _programs(n: int, each: int) -> int:
    return -(-n // each)


@cache
def _layout(spec: HashGridSpec, device: torch.device) -> tuple[Tensor, Tensor]:
    """Scales [L] and by level resolution, rows, whether dense, first row [L,4], on the device."""
    columns = zip(spec.resolutions, spec.rows, spec.dense, spec.offsets, strict=False)
    layout = torch.tensor([[int(v) for v in level] for level in columns], dtype=torch.int32)
    return torch.tensor(spec.scales, dtype=torch.float32).to(device), layout.to(device)


def encode(x: Tensor, table: Tensor, spec: HashGridSpec) -> Tensor:
    """Points [N,3] and a table [T,F] -> [N, L * F]."""
    out, n = x.new_empty(x.shape[0], spec.width), x.shape[0]
    if n:
        with torch.cuda.device_of(x):
            triton_grid.encode[(_programs(n, POINTS), spec.levels)](
                x, table, *_layout(spec, x.device), out, n, spec.levels, FEATURES=spec.features, BLOCK=POINTS
            )
    return out


def encode_backward(
    x: Tensor, table: Tensor, spec: HashGridSpec, gradient: Tensor, wants: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients to x and table, as wanted, from that of the encoding [N, L * F]."""
    g_x = torch.zeros_like(x) if wants[0] else None
    g_table = torch.zeros_like(table) if wants[1] else None
    n = x.shape[0]
    if not n:
        return g_x, g_table
    sizes = {"FEATURES": spec.features, "BLOCK": POINTS}
    with torch.cuda.device_of(x):
        layout = _layout(spec, x.device)
        if g_x is not None:
            triton_grid.encode_to_points[(_programs(n, POINTS),)](
                x, table, *layout, gradient, g_x, n, spec.levels, **sizes
            )
        if g_table is not None:
            triton_grid.encode_to_table[(_programs(n, POINTS), spec.levels)](
                x, *layout, gradient, g_table, n, spec.levels, **sizes
            )
    return g_x, g_table


def march(rays: Rays, occupancy: Tensor, step: float, jitter: Tensor) -> Samples:
    """Two passes: how many samples a ray has, then the samples."""
    n, device = jitter.shape[0], jitter.device
    nowhere, nothing = torch.empty(0, dtype=torch.int64, device=device), jitter.new_empty(0)
    if not n:
        return Samples(nowhere, nothing, nothing)
    counts = torch.zeros(n, dtype=torch.int32, device=device)

    def run(fill: bool, starts: Tensor, index: Tensor, t0: Tensor, t1: Tensor) -> None:
        with torch.cuda.device_of(jitter):
            triton_rays.march[(_programs(n, RAYS),)](
                rays.origins, rays.directions, occupancy.view(torch.uint8), jitter, counts, starts, index, t0,
                t1, n, occupancy.shape[0], float(step), MAX_STEPS, FILL=fill, RAYS=RAYS, STEPS=STEPS,
            )  # fmt: skip

    run(False, nowhere, nowhere, nothing, nothing)
    ends = counts.cumsum(0, dtype=torch.int64)
    total, fewest = torch.stack([ends[-1], counts.min().long()]).tolist()
    if fewest < 0:
        raise too_many_steps(step)
    index = torch.empty(total, dtype=torch.int64, device=device)
    t0, t1 = jitter.new_empty(total), jitter.new_empty(total)
    if total:
        run(True, ends - counts, index, t0, t1)
    return Samples(index, t0, t1)


def composite(sigma: Tensor, rgb: Tensor, t0: Tensor, t1: Tensor, starts: Tensor) -> tuple[Tensor, ...]:
    """Colour [R,3], opacity [R], depth [R], weights [S], and the light left before each sample [S]; samples
    of ray r are starts[r] to starts[r + 1]."""
    n = starts.shape[0] - 1
    out = sigma.new_empty(n, 3), sigma.new_empty(n), sigma.new_empty(n), torch.empty_like(sigma)
    reaching = torch.empty_like(sigma)
    if n:
        with torch.cuda.device_of(sigma):
            triton_rays.composite[(_programs(n, RAYS),)](
                sigma, rgb, t0, t1, starts, *out, reaching, n, RAYS=RAYS, STEPS=STEPS
            )
    return *out, reaching


def composite_backward(saved: Sequence[Tensor], gradients: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Gradients to sigma and rgb. `saved`: what composite was given, its weights, and the light left."""
    sigma, rgb, t0, t1, starts, weights, reaching = saved
    g_seen, g_opacity, g_depth, g_weights = gradients
    g_sigma, g_rgb = torch.empty_like(sigma), torch.empty_like(rgb)
    n = starts.shape[0] - 1
    if n:
        with torch.cuda.device_of(sigma):
            triton_rays.composite_backward[(_programs(n, RAYS),)](
                sigma, rgb, t0, t1, starts, weights, reaching,
                g_seen, g_opacity, g_depth, g_weights, g_sigma, g_rgb, n, RAYS=RAYS, STEPS=STEPS,
            )  # fmt: skip
    return g_sigma, g_rgb
