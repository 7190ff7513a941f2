"""The hot loops behind one small interface, in four back ends that agree.

"reference" is plain torch: always there, any device, float32 and float64, the oracle of every test. "native"
is C++ built at install, float32 on the CPU. "cuda" is tiny-cuda-nn and nerfacc, each for its operations;
"triton" is our own kernels, compiled at the first call. Unless `use_backend` says otherwise, a CPU tensor
goes to native and a CUDA tensor to cuda, operation by operation; what is missing there is done by triton,
and what is missing there, too, by the reference, which is said aloud once.
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

BackendName = Literal["reference", "native", "cuda", "triton"]

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


OPERATIONS = ("hash_encode", "mlp", "encode_mlp", "march", "sample_points", "composite")
"""Those that a field's rendering is made of, and whose back ends are chosen one by one."""


def backend(device: torch.device | str = "cpu", operation: str = "encode_mlp") -> BackendName:
    """The back end that an operation on tensors of `device` goes to: the one chosen by `use_backend`, else
    the best that is there.
    """
    return _chosen.get() or _best(torch.device(device).type, operation)


def choices(device: torch.device | str) -> dict[str, tuple[BackendName, str]]:
    """By operation the back end that it takes on this device unless told otherwise, and why not a faster
    one ("" where there is none)."""
    return {name: _choice(torch.device(device).type, name) for name in OPERATIONS}


@contextmanager
def use_backend(name: BackendName, operation: str | None = None) -> Iterator[None]:
    """Within the block every operation goes to this back end.

    Raises UnavailableError if this machine lacks it for any operation, or for the one that is named. A graph
    built inside may be run backward outside.
    """
    _module(name, operation)
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


@cache
def _choice(device_type: str, operation: str) -> tuple[BackendName, str]:
    if device_type == "cpu":
        reason = native.why_not()
        return ("reference", reason) if reason else ("native", "")
    if device_type == "cuda":
        from dreamlab.ops.field import cuda, triton_ops

        reason = cuda.why_not(operation)
        if not reason:
            return "cuda", ""
        other = triton_ops.why_not(operation)
        if not other:
            return "triton", ""
        return "reference", reason if other == reason else f"{reason}, and {other}"
    return "reference", ""


@cache
def _best(device_type: str, operation: str) -> BackendName:
    name, reason = _choice(device_type, operation)
    if reason:
        _say(device_type, reason)
    return name


@cache
def _say(device_type: str, reason: str) -> None:
    """Each reason once, with all that it makes slow."""
    slow = [name for name in OPERATIONS if _choice(device_type, name)[1] == reason]
    which = "" if len(slow) == len(OPERATIONS) else f" for {', '.join(slow)}"
    wanted = "native" if device_type == "cpu" else device_type
    warnings.warn(
        f"dreamlab's {wanted} kernels are not in use{which}: {reason}. "
        "The reference in plain torch runs, many times slower.",
        RuntimeWarning,
        stacklevel=6,
    )


def _module(name: str, operation: str | None = None) -> ModuleType:
    if name == "reference":
        return reference
    if name == "native":
        native.library()
        return native
    if name in ("cuda", "triton"):
        found = _modules()[name]
        reason = found.why_not(operation)
        if reason:
            raise UnavailableError(
                f"the {name} back end is not available: {reason}", mend="Use native or reference"
            )
        return found
    raise InputError("no such back end", expected="reference, native, cuda or triton", got=repr(name))


def _for(tensor: Tensor, operation: str) -> ModuleType:
    return _modules()[backend(tensor.device, operation)]


@cache
def _modules() -> dict[str, ModuleType]:
    """What was chosen is there: `use_backend` and `_choice` have seen to it."""
    from dreamlab.ops.field import cuda, triton_ops

    return {"reference": reference, "native": native, "cuda": cuda, "triton": triton_ops}


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
    return _for(x, "hash_encode").hash_encode(x, table, spec)


def mlp(x: Float[Tensor, "N I"], weights: Sequence[Tensor]) -> Float[Tensor, "N O"]:
    """A small MLP: x @ W.T per layer, ReLU between, no bias, linear output.

    x [N,I], weights [[out,in], ...] -> [N, last out]; the native back end takes widths up to 128.
    Differentiable once with respect to x and weights.
    """
    interface.check("x", x, (None, None))
    interface.check_mlp(x.shape[1], x, weights)
    return _for(x, "mlp").mlp(x, weights)


def encode_mlp(
    x: Float[Tensor, "N 3"], table: Float[Tensor, "T F"], spec: HashGridSpec, weights: Sequence[Tensor]
) -> Float[Tensor, "N O"]:
    """`mlp(hash_encode(x, table, spec), weights)` in one pass, with the same gradients: faster, and far less
    memory.
    """
    interface.check_hash_encode(x, table, spec)
    interface.check_mlp(spec.width, x, weights)
    return _for(x, "encode_mlp").encode_mlp(x, table, spec, weights)


def march(rays: Rays, occupancy: Bool[Tensor, "G G G"], step: float, jitter: Float[Tensor, " R"]) -> Samples:
    """Fixed steps along rays through [-1,1]^3, kept where the occupancy grid is set.

    Sample i of a ray has its middle at near + (i + jitter) * step, where near is the box's entry (or 0 inside
    it), and is kept while that middle lies before the box's exit and in an occupied cell; its interval is the
    middle +- step/2. occupancy[ix,iy,iz] covers the box evenly; jitter [R] in 0..1 (0.5: the midpoint rule)
    -> packed Samples sorted by ray, then by distance. No gradients. Raises InputError for a step <= 0 or so
    small that a ray takes > 65536.
    """
    interface.check_march(rays, occupancy, step, jitter)
    return _for(rays.origins, "march").march(rays, occupancy, step, jitter)


def sample_points(rays: Rays, samples: Samples) -> Float[Tensor, "S 3"]:
    """World positions [S,3] of the intervals' middles; samples must be sorted by ray. Differentiable in the
    rays.
    """
    interface.check_samples(rays, samples)
    wants_gradient = torch.is_grad_enabled() and (rays.origins.requires_grad or rays.directions.requires_grad)
    which = reference if wants_gradient else _for(rays.origins, "sample_points")
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
    return _for(sigma, "composite").composite(sigma, rgb, samples, n_rays)


def occupancy_threshold(ema: Float[Tensor, "G G G"], threshold: float) -> Bool[Tensor, "G G G"]:
    """Cells worth sampling: ema > min(threshold, mean of ema), so that a faint field is not lost
    altogether.
    """
    return ema > ema.mean().clamp(max=threshold)
