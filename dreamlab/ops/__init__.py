"""The hot loops behind one small interface, in three back ends that agree.

"reference" is plain torch: always there, any device, float32 and float64, the oracle of every test. "native"
is C++ built at install, float32 on the CPU. "cuda" is tiny-cuda-nn and nerfacc. Unless `use_backend` says
otherwise, a CPU tensor goes to native and a CUDA tensor to cuda; where that is missing, to the reference,
which is said aloud once.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import ModuleType
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.core.types import Rays, Samples
from dreamlab.ops import interface
from dreamlab.ops.conv.convolution import conv3x3
from dreamlab.ops.field import native, reference
from dreamlab.ops.field.normals import (
    finite_difference_gradient,
    heaviest_sample,
    normals_finite_difference,
)
from dreamlab.ops.interface import Composite, HashGridSpec
from dreamlab.ops.raster.rasterise import Fragments, interpolate, rasterise, sample_texture

BackendName = Literal["reference", "native", "cuda"]

__all__ = [
    "BackendName",
    "Composite",
    "Fragments",
    "HashGridSpec",
    "backend",
    "composite",
    "conv3x3",
    "encode_mlp",
    "finite_difference_gradient",
    "hash_encode",
    "heaviest_sample",
    "interpolate",
    "march",
    "mlp",
    "normals_finite_difference",
    "occupancy_threshold",
    "rasterise",
    "sample_points",
    "sample_texture",
    "use_backend",
]

_chosen: ContextVar[BackendName | None] = ContextVar("dreamlab_ops_backend", default=None)


# ---- which back end ----


def backend(device: torch.device | str = "cpu") -> BackendName:
    """The back end that tensors on `device` go to: the one chosen by `use_backend`, else the best that is
    there.
    """
    return _chosen.get() or _best(torch.device(device).type)


@contextmanager
def use_backend(name: BackendName) -> Iterator[None]:
    """Within the block every operation goes to this back end.

    Raises UnavailableError if this machine lacks it. A graph built inside may be run backward outside.
    """
    _module(name)
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


@cache
def _best(device_type: str) -> BackendName:
    if device_type == "cpu":
        wanted, reason = "native", native.why_not()
    elif device_type == "cuda":
        from dreamlab.ops.field import cuda

        wanted, reason = "cuda", cuda.why_not()
    else:
        return "reference"
    if not reason:
        return wanted
    warnings.warn(
        f"dreamlab's {wanted} kernels are not in use: {reason}. "
        "The reference in plain torch runs, many times slower.",
        RuntimeWarning,
        stacklevel=4,
    )
    return "reference"


def _module(name: str) -> ModuleType:
    if name == "reference":
        return reference
    if name == "native":
        native.library()
        return native
    if name == "cuda":
        from dreamlab.ops.field import cuda

        reason = cuda.why_not()
        if reason:
            raise UnavailableError(
                f"the cuda back end is not available: {reason}", mend="Use native or reference"
            )
        return cuda
    raise InputError("no such back end", expected="reference, native or cuda", got=repr(name))


def _for(tensor: Tensor) -> ModuleType:
    return _module(backend(tensor.device))


# ---- the operations ----


def hash_encode(
    x: Float[Tensor, "N 3"], table: Float[Tensor, "T F"], spec: HashGridSpec
) -> Float[Tensor, "N LF"]:
    """Multiresolution hash encoding (Mueller et al. 2022, section 3), trilinear.

    x [N,3] in 0..1 (outside is clamped), table [spec.table_rows, spec.features] -> [N, levels * features],
    level by level. Differentiable once with respect to table and x. Raises InputError for shapes or dtypes
    that do not fit.
    """
    interface.check_hash_encode(x, table, spec)
    return _for(x).hash_encode(x, table, spec)


def mlp(x: Float[Tensor, "N I"], weights: Sequence[Tensor]) -> Float[Tensor, "N O"]:
    """A small MLP: x @ W.T per layer, ReLU between, no bias, linear output.

    x [N,I], weights [[out,in], ...] -> [N, last out]; the native back end takes widths up to 128.
    Differentiable once with respect to x and weights.
    """
    interface.check("x", x, (None, None))
    interface.check_mlp(x.shape[1], x, weights)
    return _for(x).mlp(x, weights)


def encode_mlp(
    x: Float[Tensor, "N 3"], table: Float[Tensor, "T F"], spec: HashGridSpec, weights: Sequence[Tensor]
) -> Float[Tensor, "N O"]:
    """`mlp(hash_encode(x, table, spec), weights)` in one pass, with the same gradients: faster, and far less
    memory.
    """
    interface.check_hash_encode(x, table, spec)
    interface.check_mlp(spec.width, x, weights)
    return _for(x).encode_mlp(x, table, spec, weights)


def march(rays: Rays, occupancy: Bool[Tensor, "G G G"], step: float, jitter: Float[Tensor, " R"]) -> Samples:
    """Fixed steps along rays through [-1,1]^3, kept where the occupancy grid is set.

    Sample i of a ray has its middle at near + (i + jitter) * step, where near is the box's entry (or 0 inside
    it), and is kept while that middle lies before the box's exit and in an occupied cell; its interval is the
    middle +- step/2. occupancy[ix,iy,iz] covers the box evenly; jitter [R] in 0..1 (0.5: the midpoint rule)
    -> packed Samples sorted by ray, then by distance. No gradients. Raises InputError for a step <= 0 or so
    small that a ray takes > 65536.
    """
    interface.check_march(rays, occupancy, step, jitter)
    return _for(rays.origins).march(rays, occupancy, step, jitter)


def sample_points(rays: Rays, samples: Samples) -> Float[Tensor, "S 3"]:
    """World positions [S,3] of the intervals' middles; samples must be sorted by ray. Differentiable in the
    rays.
    """
    interface.check_samples(rays, samples)
    wants_gradient = torch.is_grad_enabled() and (rays.origins.requires_grad or rays.directions.requires_grad)
    which = reference if wants_gradient else _for(rays.origins)
    return which.sample_points(rays, samples)


def composite(
    sigma: Float[Tensor, " S"], rgb: Float[Tensor, "S 3"], samples: Samples, n_rays: int
) -> Composite:
    """Emission and absorption along packed rays (Max 1995; Mildenhall et al. 2020, equation 3).

    w_i = exp(-sum_{j<i} sigma_j d_j) * (1 - exp(-sigma_i d_i)), d = t1 - t0. sigma [S] >= 0 per world unit,
    rgb [S,3]. Differentiable once with respect to sigma and rgb from all four outputs; the samples' t0, t1
    are constants. Rays without samples are zero everywhere. Raises InputError if samples are not sorted by
    ray.
    """
    interface.check_composite(sigma, rgb, samples, n_rays)
    return _for(sigma).composite(sigma, rgb, samples, n_rays)


def occupancy_threshold(ema: Float[Tensor, "G G G"], threshold: float) -> Bool[Tensor, "G G G"]:
    """Cells worth sampling: ema > min(threshold, mean of ema), so that a faint field is not lost
    altogether.
    """
    return ema > ema.mean().clamp(max=threshold)
