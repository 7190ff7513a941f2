"""The hash encoding in Triton: one program takes a block of points at one level.

Mueller et al. 2022, section 3, in the layout of `HashGridSpec`; the twin is `reference.hash_encode`. These
modules import triton at the top and are imported by `triton_ops` alone, once triton is known to be there.
"""

# pyright: reportMissingImports=false, reportIndexIssue=false, reportArgumentType=false
# pyright: reportOperatorIssue=false, reportAttributeAccessIssue=false, reportCallIssue=false

from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl

# Kernels are compiled from their text: jaxtyping's import hook must not wrap them, hence no_type_check. A
# feature is a load of its own and rows are the same for all, which the compiler sees: blocks of [points,
# features] would go through shared memory at every corner.


@triton.jit
@no_type_check
def _axis(points, n, axis: tl.constexpr, inside, scale):
    """A coordinate clamped to 0..1, its cell along the axis and its place within that cell.

    A NaN reads cell 0 and stays in the place, thus in the result.
    """
    x = tl.load(points + n * 3 + axis, mask=inside, other=0.0)
    x = tl.where(x < 0.0, 0.0, tl.where(x > 1.0, 1.0, x))
    position = x * scale + 0.5
    cell = tl.floor(tl.where(position == position, position, 0.0))
    return cell.to(tl.int32), position - cell


@triton.jit
@no_type_check
def _row(x, y, z, resolution, rows, dense):
    """Row of a vertex within its level: vertex by vertex where the level is dense, else by the hash.

    The half cell beyond the last vertex wraps around, and never twice: a vertex is at most `resolution`.
    """
    straight = x + resolution * (y + resolution * z)
    straight = tl.where(straight >= rows, straight - rows, straight)
    # 2654435761 and 805459861 (equation 4), the first as the int32 of the same bits; products wrap.
    hashed = (x ^ (y * -1640531535) ^ (z * 805459861)) & (rows - 1)
    return tl.where(dense != 0, straight, hashed)


@triton.jit(do_not_specialize=["n_points", "levels"])
@no_type_check
def encode(
    points, table, scales, layout, out, n_points, levels,
    FEATURES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """points [N,3], table [T,F], scales [L], layout [L,4] (resolution, rows, dense, first row) ->
    out [N, L * F]."""
    level = tl.program_id(1)
    n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = n < n_points
    scale = tl.load(scales + level)
    resolution, rows = tl.load(layout + level * 4), tl.load(layout + level * 4 + 1)
    dense, start = tl.load(layout + level * 4 + 2), tl.load(layout + level * 4 + 3)
    x, u = _axis(points, n, 0, inside, scale)
    y, v = _axis(points, n, 1, inside, scale)
    z, w = _axis(points, n, 2, inside, scale)
    to = out + n * (levels * FEATURES) + level * FEATURES
    for feature in tl.static_range(FEATURES):
        total = tl.zeros((BLOCK,), dtype=tl.float32)
        for corner in tl.static_range(8):
            i, j, k = corner & 1, (corner >> 1) & 1, corner >> 2
            weight = (u if i else 1.0 - u) * (v if j else 1.0 - v) * (w if k else 1.0 - w)
            row = _row(x + i, y + j, z + k, resolution, rows, dense).to(tl.int64) + start
            total += weight * tl.load(table + row * FEATURES + feature, mask=inside, other=0.0)
        tl.store(to + feature, total, mask=inside)


@triton.jit(do_not_specialize=["n_points", "levels"])
@no_type_check
def encode_to_table(
    points, scales, layout, g_out, g_table, n_points, levels,
    FEATURES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Adds the gradient of `out` to g_table [T,F], which begins as zeros. Atomic: in no fixed order."""
    level = tl.program_id(1)
    n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = n < n_points
    scale = tl.load(scales + level)
    resolution, rows = tl.load(layout + level * 4), tl.load(layout + level * 4 + 1)
    dense, start = tl.load(layout + level * 4 + 2), tl.load(layout + level * 4 + 3)
    x, u = _axis(points, n, 0, inside, scale)
    y, v = _axis(points, n, 1, inside, scale)
    z, w = _axis(points, n, 2, inside, scale)
    at = g_out + n * (levels * FEATURES) + level * FEATURES
    for feature in tl.static_range(FEATURES):
        gradient = tl.load(at + feature, mask=inside, other=0.0)
        for corner in tl.static_range(8):
            i, j, k = corner & 1, (corner >> 1) & 1, corner >> 2
            weight = (u if i else 1.0 - u) * (v if j else 1.0 - v) * (w if k else 1.0 - w)
            row = _row(x + i, y + j, z + k, resolution, rows, dense).to(tl.int64) + start
            tl.atomic_add(g_table + row * FEATURES + feature, weight * gradient, mask=inside, sem="relaxed")


@triton.jit(do_not_specialize=["n_points", "levels"])
@no_type_check
def encode_to_points(
    points, table, scales, layout, g_out, g_points, n_points, levels,
    FEATURES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The gradient to points [N,3], over all levels: one writer a point. Zero along a clamped axis."""
    n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = n < n_points
    g_x = tl.zeros((BLOCK,), dtype=tl.float32)
    g_y = tl.zeros((BLOCK,), dtype=tl.float32)
    g_z = tl.zeros((BLOCK,), dtype=tl.float32)
    for level in range(levels):
        scale = tl.load(scales + level)
        resolution, rows = tl.load(layout + level * 4), tl.load(layout + level * 4 + 1)
        dense, start = tl.load(layout + level * 4 + 2), tl.load(layout + level * 4 + 3)
        x, u = _axis(points, n, 0, inside, scale)
        y, v = _axis(points, n, 1, inside, scale)
        z, w = _axis(points, n, 2, inside, scale)
        at = g_out + n * (levels * FEATURES) + level * FEATURES
        for feature in tl.static_range(FEATURES):
            gradient = tl.load(at + feature, mask=inside, other=0.0) * scale
            for corner in tl.static_range(8):
                i, j, k = corner & 1, (corner >> 1) & 1, corner >> 2
                row = _row(x + i, y + j, z + k, resolution, rows, dense).to(tl.int64) + start
                along = gradient * tl.load(table + row * FEATURES + feature, mask=inside, other=0.0)
                a, b, c = u if i else 1.0 - u, v if j else 1.0 - v, w if k else 1.0 - w
                g_x += along * b * c * (2 * i - 1)
                g_y += along * a * c * (2 * j - 1)
                g_z += along * a * b * (2 * k - 1)
    _store_unclamped(points, g_points, n, 0, inside, g_x)
    _store_unclamped(points, g_points, n, 1, inside, g_y)
    _store_unclamped(points, g_points, n, 2, inside, g_z)


@triton.jit
@no_type_check
def _store_unclamped(points, g_points, n, axis: tl.constexpr, inside, value):
    x = tl.load(points + n * 3 + axis, mask=inside, other=0.0)
    tl.store(g_points + n * 3 + axis, tl.where((x >= 0.0) & (x <= 1.0), value, 0.0), mask=inside)
