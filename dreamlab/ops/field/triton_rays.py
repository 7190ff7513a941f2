"""Rays in Triton: marching (count, then fill) and compositing along packed samples.

A program takes RAYS rays at once and STEPS samples of each at a time. The twins are `reference.march` and
`reference.composite`.
"""

# pyright: reportMissingImports=false, reportIndexIssue=false, reportArgumentType=false
# pyright: reportOperatorIssue=false, reportAttributeAccessIssue=false, reportCallIssue=false

from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl

_LARGEST = tl.constexpr(3.4028234e38)


# ---- marching ----


@triton.jit
@no_type_check
def _low(a, b):
    """The smaller of two; a NaN is passed over, as torch.fmin does."""
    return tl.where((a < b) | (b != b), a, b)


@triton.jit
@no_type_check
def _high(a, b):
    return tl.where((a > b) | (b != b), a, b)


@triton.jit
@no_type_check
def _slab(origins, directions, ray, axis: tl.constexpr, inside):
    """Origin and direction along an axis, and where the ray crosses the box's two planes (Kay and Kajiya
    1986)."""
    o = tl.load(origins + ray * 3 + axis, mask=inside, other=0.0)
    d = tl.load(directions + ray * 3 + axis, mask=inside, other=1.0)
    inverse = tl.div_rn(tl.full(d.shape, 1.0, tl.float32), d)
    a, b = (-1.0 - o) * inverse, (1.0 - o) * inverse
    return o, d, _low(a, b), _high(a, b)


@triton.jit
@no_type_check
def _cell(o, d, middle, grid):
    """The occupancy grid's cell along an axis; what is no number falls into cell 0."""
    at = (o[:, None] + middle * d[:, None] + 1.0) * (grid * 0.5)
    at = tl.where(at == at, at, 0.0)
    return tl.minimum(tl.maximum(at, 0.0), grid - 1.0).to(tl.int32)


@triton.jit(do_not_specialize=["n_rays", "grid", "step", "most_steps"])
@no_type_check
def march(
    origins, directions, occupancy, jitter, counts, starts, index, t0, t1, n_rays, grid, step,
    most_steps, FILL: tl.constexpr, RAYS: tl.constexpr, STEPS: tl.constexpr,
):  # fmt: skip
    """Without FILL: counts [R] of the samples on every ray, -1 where it would take more than most_steps.
    With FILL: the samples themselves, those of ray r from starts[r] on."""
    ray = tl.program_id(0).to(tl.int64) * RAYS + tl.arange(0, RAYS)
    inside = ray < n_rays
    o0, d0, low0, high0 = _slab(origins, directions, ray, 0, inside)
    o1, d1, low1, high1 = _slab(origins, directions, ray, 1, inside)
    o2, d2, low2, high2 = _slab(origins, directions, ray, 2, inside)
    near = _high(_high(_high(low0, low1), low2), tl.zeros((RAYS,), dtype=tl.float32))
    far = _low(_low(high0, high1), high2)
    u = tl.load(jitter + ray, mask=inside, other=0.0)
    taken = tl.ceil((far - near) / step - u)
    size = tl.abs(o0) + tl.abs(o1) + tl.abs(o2) + tl.abs(d0) + tl.abs(d1) + tl.abs(d2)
    sane = inside & (far > near) & (size <= _LARGEST) & (tl.abs(taken) <= _LARGEST)
    taken = tl.where(sane, taken, 0.0)
    too_many = taken > most_steps
    taken = tl.where(too_many, 0.0, taken)
    # One step more than the count, so that its rounding cannot lose the last sample: `middle < far` decides.
    length = tl.max(taken, axis=0).to(tl.int32) + 1
    real_grid = grid.to(tl.float32)
    found = tl.zeros((RAYS,), dtype=tl.int32)
    if FILL:
        start = tl.load(starts + ray, mask=inside, other=0)
    for base in range(0, length, STEPS):
        i = base + tl.arange(0, STEPS)
        middle = near[:, None] + (i.to(tl.float32)[None, :] + u[:, None]) * step
        kept = (middle < far[:, None]) & (taken > 0.0)[:, None]
        x, y = _cell(o0, d0, middle, real_grid), _cell(o1, d1, middle, real_grid)
        z = _cell(o2, d2, middle, real_grid)
        kept = kept & (tl.load(occupancy + (x * grid + y) * grid + z, mask=kept, other=0) != 0)
        ones = kept.to(tl.int32)
        if FILL:
            place = start[:, None] + found[:, None] + tl.cumsum(ones, axis=1) - 1
            tl.store(index + place, tl.broadcast_to(ray[:, None], (RAYS, STEPS)), mask=kept)
            tl.store(t0 + place, middle - step * 0.5, mask=kept)
            tl.store(t1 + place, middle + step * 0.5, mask=kept)
        found += tl.sum(ones, axis=1)
    if not FILL:
        tl.store(counts + ray, tl.where(too_many, -1, found), mask=inside)


# ---- compositing ----


@triton.jit
@no_type_check
def _opacity(thickness):
    """1 - exp(-thickness), to a relative rounding error also where it is tiny (Taylor's series there)."""
    x = thickness
    series = 1.0 - x * 0.25 * (1.0 - x * 0.2 * (1.0 - x * (1.0 / 6.0) * (1.0 - x * (1.0 / 7.0))))
    series = x * (1.0 - x * 0.5 * (1.0 - x * (1.0 / 3.0) * series))
    return tl.where(x < 0.35, series, 1.0 - tl.exp(-x))


@triton.jit(do_not_specialize=["n_rays"])
@no_type_check
def composite(
    sigma, rgb, t0, t1, starts, seen, opacity, depth, weights, reaching, n_rays,
    RAYS: tl.constexpr, STEPS: tl.constexpr,
):  # fmt: skip
    """Rays' colour [R,3], opacity and depth [R], the samples' weights [S], and `reaching` [S]: the light that
    is left before a sample."""
    ray = tl.program_id(0).to(tl.int64) * RAYS + tl.arange(0, RAYS)
    inside = ray < n_rays
    first = tl.load(starts + ray, mask=inside, other=0)
    count = tl.load(starts + ray + 1, mask=inside, other=0) - first
    before = tl.zeros((RAYS,), dtype=tl.float32)  # optical thickness
    red, green, blue = before, before, before
    total, far = before, before
    for base in range(0, tl.max(count, axis=0).to(tl.int32), STEPS):
        i = base + tl.arange(0, STEPS)
        s = first[:, None] + i[None, :]
        kept = i[None, :] < count[:, None]
        a = tl.load(t0 + s, mask=kept, other=0.0)
        b = tl.load(t1 + s, mask=kept, other=0.0)
        thickness = tl.load(sigma + s, mask=kept, other=0.0) * (b - a)
        # Of the samples before: a running sum less the own one would cancel.
        past = kept & (i > 0)[None, :]
        length = tl.load(t1 + s - 1, mask=past, other=0.0) - tl.load(t0 + s - 1, mask=past, other=0.0)
        earlier = tl.load(sigma + s - 1, mask=past, other=0.0) * length
        left = tl.exp(-(before[:, None] + tl.cumsum(earlier, axis=1)))
        before += tl.sum(earlier, axis=1)
        weight = tl.where(kept, left * _opacity(thickness), 0.0)
        tl.store(weights + s, weight, mask=kept)
        tl.store(reaching + s, left, mask=kept)
        red += tl.sum(weight * tl.load(rgb + s * 3, mask=kept, other=0.0), axis=1)
        green += tl.sum(weight * tl.load(rgb + s * 3 + 1, mask=kept, other=0.0), axis=1)
        blue += tl.sum(weight * tl.load(rgb + s * 3 + 2, mask=kept, other=0.0), axis=1)
        total += tl.sum(weight, axis=1)
        far += tl.sum(weight * ((a + b) * 0.5), axis=1)
    tl.store(seen + ray * 3, red, mask=inside)
    tl.store(seen + ray * 3 + 1, green, mask=inside)
    tl.store(seen + ray * 3 + 2, blue, mask=inside)
    tl.store(opacity + ray, total, mask=inside)
    tl.store(depth + ray, far, mask=inside)


@triton.jit(do_not_specialize=["n_rays"])
@no_type_check
def composite_backward(
    sigma, rgb, t0, t1, starts, weights, reaching, g_seen, g_opacity, g_depth, g_weights, g_sigma, g_rgb,
    n_rays, RAYS: tl.constexpr, STEPS: tl.constexpr,
):  # fmt: skip
    """Gradients to sigma [S] and rgb [S,3]. With q_i the gradient to weight i,
    g_sigma_j = d_j (q_j reaching_j exp(-sigma_j d_j) - sum_{i>j} q_i w_i): from the last sample to the
    first."""
    ray = tl.program_id(0).to(tl.int64) * RAYS + tl.arange(0, RAYS)
    inside = ray < n_rays
    first = tl.load(starts + ray, mask=inside, other=0)
    count = tl.load(starts + ray + 1, mask=inside, other=0) - first
    g_red = tl.load(g_seen + ray * 3, mask=inside, other=0.0)[:, None]
    g_green = tl.load(g_seen + ray * 3 + 1, mask=inside, other=0.0)[:, None]
    g_blue = tl.load(g_seen + ray * 3 + 2, mask=inside, other=0.0)[:, None]
    g_total = tl.load(g_opacity + ray, mask=inside, other=0.0)[:, None]
    g_far = tl.load(g_depth + ray, mask=inside, other=0.0)[:, None]
    behind = tl.zeros((RAYS,), dtype=tl.float32)
    for base in range(0, tl.max(count, axis=0).to(tl.int32), STEPS):
        i = count[:, None] - 1 - (base + tl.arange(0, STEPS))[None, :]
        s = first[:, None] + i
        kept = i >= 0
        a = tl.load(t0 + s, mask=kept, other=0.0)
        b = tl.load(t1 + s, mask=kept, other=0.0)
        weight = tl.load(weights + s, mask=kept, other=0.0)
        q = g_red * tl.load(rgb + s * 3, mask=kept, other=0.0)
        q += g_green * tl.load(rgb + s * 3 + 1, mask=kept, other=0.0)
        q += g_blue * tl.load(rgb + s * 3 + 2, mask=kept, other=0.0)
        q += g_total + g_far * ((a + b) * 0.5) + tl.load(g_weights + s, mask=kept, other=0.0)
        share = tl.where(kept, q * weight, 0.0)
        hidden = behind[:, None] + tl.cumsum(share, axis=1) - share
        behind += tl.sum(share, axis=1)
        thickness = tl.load(sigma + s, mask=kept, other=0.0) * (b - a)
        through = tl.load(reaching + s, mask=kept, other=0.0) * tl.exp(-thickness)
        tl.store(g_sigma + s, (b - a) * (q * through - hidden), mask=kept)
        tl.store(g_rgb + s * 3, weight * g_red, mask=kept)
        tl.store(g_rgb + s * 3 + 1, weight * g_green, mask=kept)
        tl.store(g_rgb + s * 3 + 2, weight * g_blue, mask=kept)
