"""The words of the hot loops: the hash grid's layout, what compositing returns, and the checks at the
door.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.errors import InputError
from dreamlab.core.types import Rays, Samples

MAX_STEPS = 1 << 16  # samples that one ray may take: beyond this the step is surely a mistake
MAX_WIDTH = 128  # neurons of an MLP layer that the fused kernels take
FEATURES = (1, 2, 4, 8)


@dataclass(frozen=True)
class HashGridSpec:
    """Layout of a multiresolution hash grid over [0,1]^3 (Mueller et al. 2022, section 3).

    Level l has scale s_l = base_resolution * per_level_scale^l - 1 and ceil(s_l) + 1 vertices along an axis;
    a point x falls at s_l * x + 0.5. A level whose vertices fit into the table is dense (x fastest, rows
    padded to 8), the others hash with (x * 1) xor (y * 2654435761) xor (z * 805459861). That is
    tiny-cuda-nn's layout, so tables are portable.

    levels 1..16; features per vertex 1, 2, 4 or 8; a level has at most 2^log2_table_size rows;
    finest_resolution is the last level's (ignored when levels = 1).
    """

    levels: int = 8
    features: int = 2
    log2_table_size: int = 15
    base_resolution: int = 16
    finest_resolution: int = 256

    def __post_init__(self) -> None:
        limits = {
            "levels": 1 <= self.levels <= 16,
            "features": self.features in FEATURES,
            "log2_table_size": 3 <= self.log2_table_size <= 24,
            "base_resolution": 2 <= self.base_resolution <= 4096,
            "finest_resolution": self.base_resolution <= self.finest_resolution <= 16384,
        }
        for name, fits in limits.items():
            if not fits:
                raise InputError(
                    f"hash grid: {name} = {getattr(self, name)} cannot be used",
                    expected="levels 1..16, features 1, 2, 4 or 8, log2_table_size 3..24, "
                    "2 <= base_resolution <= 4096, base_resolution <= finest_resolution <= 16384",
                )

    @property
    def per_level_scale(self) -> float:
        """Growth factor b between levels (equation 3)."""
        if self.levels == 1:
            return 1.0
        return math.exp(math.log(self.finest_resolution / self.base_resolution) / (self.levels - 1))

    @cached_property
    def scales(self) -> tuple[float, ...]:
        """s_l of every level, rounded to float32 as the GPU kernels do: a ceil depends on it."""
        log2_scale = np.log2(np.float32(self.per_level_scale))
        levels = np.arange(self.levels, dtype=np.float32)
        scales = np.exp2(levels * log2_scale) * np.float32(self.base_resolution) - np.float32(1.0)
        return tuple(float(s) for s in scales)

    @cached_property
    def resolutions(self) -> tuple[int, ...]:
        """Vertices along an axis, of every level."""
        return tuple(math.ceil(s) + 1 for s in self.scales)

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """Table rows of every level."""
        most = 1 << self.log2_table_size
        return tuple(min((r**3 + 7) // 8 * 8, most) for r in self.resolutions)

    @cached_property
    def dense(self) -> tuple[bool, ...]:
        """Which levels are stored vertex by vertex, without hashing."""
        return tuple(r**3 <= n for r, n in zip(self.resolutions, self.rows, strict=True))

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """First row of every level, and the total at the end (levels + 1 entries)."""
        return tuple(int(v) for v in np.concatenate([[0], np.cumsum(self.rows)]))

    @property
    def table_rows(self) -> int:
        """T: the table is [T, features]."""
        return self.offsets[-1]

    @property
    def width(self) -> int:
        """Length of an encoded point: levels * features."""
        return self.levels * self.features


class Composite(NamedTuple):
    """What n_rays rays see. rgb [R,3] is premultiplied (no background); opacity [R] in 0..1; depth [R] = sum
    w * t with t the interval's middle; weights [S] of the samples."""

    rgb: Float[Tensor, "R 3"]
    opacity: Float[Tensor, " R"]
    depth: Float[Tensor, " R"]
    weights: Float[Tensor, " S"]


def _shape(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')} on {tensor.device}"


def check(name: str, tensor: Tensor, shape: Sequence[int | None], like: Tensor | None = None) -> None:
    """One float tensor of the given shape (None: any length), of the same dtype and device as `like`."""
    if not isinstance(tensor, Tensor):
        raise InputError(f"{name} is not a tensor", got=type(tensor).__name__)
    sizes = "[" + ", ".join("any" if n is None else str(n) for n in shape) + "]"
    fits = tensor.dim() == len(shape) and all(
        n is None or n == m for n, m in zip(shape, tensor.shape, strict=False)
    )
    if not fits or not tensor.dtype.is_floating_point:
        raise InputError(f"{name} does not fit", expected=f"float tensor {sizes}", got=_shape(tensor))
    if like is not None and (tensor.dtype != like.dtype or tensor.device != like.device):
        raise InputError(f"{name} does not match its partners", expected=_shape(like), got=_shape(tensor))


def check_hash_encode(x: Tensor, table: Tensor, spec: HashGridSpec) -> None:
    check("table", table, (spec.table_rows, spec.features))
    check("x", x, (None, 3), like=table)


def check_mlp(width: int, like: Tensor, weights: Sequence[Tensor]) -> None:
    """Weights [out, in], each layer's input the output of the one before; `width` is the first input."""
    if not weights:
        raise InputError("an MLP needs at least one layer", got="no weights")
    for i, weight in enumerate(weights):
        check(f"weights[{i}]", weight, (None, width), like=like)
        width = weight.shape[0]


def check_march(rays: Rays, occupancy: Tensor, step: float, jitter: Tensor) -> None:
    check("ray origins", rays.origins, (None, 3))
    check("ray directions", rays.directions, (rays.origins.shape[0], 3), like=rays.origins)
    check("jitter", jitter, (rays.origins.shape[0],), like=rays.origins)
    grid = occupancy.shape
    if occupancy.dtype != torch.bool or len(grid) != 3 or len(set(grid)) != 1 or not 1 <= grid[0] <= 1024:
        raise InputError(
            "occupancy does not fit", expected="[G, G, G] bool, G 1..1024", got=_shape(occupancy)
        )
    if occupancy.device != rays.origins.device:
        raise InputError("occupancy is on another device than the rays", got=_shape(occupancy))
    if not (math.isfinite(step) and step > 0):
        raise InputError("march: a step must be positive and finite", got=str(step))


def too_many_steps(step: float) -> InputError:
    return InputError(
        "march: a ray would take too many steps",
        expected=f"at most {MAX_STEPS}",
        got=f"step {step}",
        mend="Raise step",
    )


def check_samples(rays: Rays, samples: Samples) -> None:
    check("ray origins", rays.origins, (None, 3))
    check("ray directions", rays.directions, (rays.origins.shape[0], 3), like=rays.origins)
    check("samples.t0", samples.t0, (None,), like=rays.origins)
    _check_packed(samples, samples.t0)


def check_composite(sigma: Tensor, rgb: Tensor, samples: Samples, n_rays: int) -> None:
    check("sigma", sigma, (None,))
    check("rgb", rgb, (sigma.shape[0], 3), like=sigma)
    _check_packed(samples, sigma)
    if n_rays < 0:
        raise InputError("n_rays must not be negative", got=str(n_rays))


def _check_packed(samples: Samples, like: Tensor) -> None:
    n, index = like.shape[0], samples.ray_index
    check("samples.t0", samples.t0, (n,), like=like)
    check("samples.t1", samples.t1, (n,), like=like)
    if index.dtype != torch.int64 or tuple(index.shape) != (n,) or index.device != like.device:
        raise InputError("samples.ray_index does not fit", expected=f"[{n}] int64", got=_shape(index))


def unsorted_samples(n_rays: int) -> InputError:
    return InputError("samples are not sorted by ray", expected=f"ray_index ascending within 0..{n_rays - 1}")
