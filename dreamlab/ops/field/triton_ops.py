"""Our own GPU kernels, in Triton, which comes with every CUDA build of torch: no CUDA toolkit to install.
At its first call Triton builds a few lines of C, for which it wants gcc or clang and Python's headers.

Hash encoding, marching and compositing; float32 on CUDA, first-order gradients. The MLP is torch's matrix
product: at widths up to 128 what it costs is reading and writing activations, and Triton's own product of
float32 at full precision runs without tensor cores. Marching and compositing repeat themselves; the gradient
to a table is added atomically, in another order each time. Under `torch.use_deterministic_algorithms(True)`
the reference's is taken.

A kernel is compiled when it is first called. Where that fails, its operation is the reference's from then
on, in the same call, and a warning says so. With TRITON_INTERPRET=1 in the environment, before triton is
imported, all of it runs on the CPU: for tests.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from dreamlab.core.errors import InputError
from dreamlab.core.types import Rays, Samples
from dreamlab.ops.field import packages, reference
from dreamlab.ops.interface import Composite, HashGridSpec, unsorted_samples

mlp = reference.mlp
sample_points = reference.sample_points

KERNELS_OF = {
    "hash_encode": "hash_encode",
    "encode_mlp": "hash_encode",
    "march": "march",
    "composite": "composite",
}
"""Whose kernels an operation needs; those that are not named here need nothing but torch."""

_Result = TypeVar("_Result")
_failed: dict[str, str] = {}  # operations whose kernels could not be compiled, and why


# ---- whether it can be used ----


def interpreted() -> bool:
    """Whether Triton's interpreter runs the kernels, on the CPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def why_not(operation: str | None = None) -> str:
    """Why an operation (None: any of them) cannot be done here by this back end; empty if it can.

    The first question compiles the kernels, in some seconds, and compares a small result with the
    reference's.
    """
    if not interpreted() and not torch.cuda.is_available():
        return "torch sees no CUDA device"
    needed = KERNELS_OF.values() if operation is None else [KERNELS_OF.get(operation, "")]
    reasons = (_failed.get(name) or _tried(name) for name in dict.fromkeys(needed) if name)
    return next((reason for reason in reasons if reason), "")


@cache
def _tried(name: str) -> str:
    def attempt() -> None:
        from dreamlab.ops.field import triton_trial

        triton_trial.TRIALS[name](torch.device("cuda" if torch.cuda.is_available() else "cpu"))

    return packages.tried("triton", attempt)


def _or_reference(
    operation: str, kernels: Callable[[], _Result], otherwise: Callable[[], _Result]
) -> _Result:
    """What the kernels give, or, where they cannot be compiled for what they are given, the reference."""
    from triton.errors import TritonError

    if operation not in _failed:
        try:
            return kernels()
        except (TritonError, RuntimeError) as error:
            # A pass of the compiler that gives up says no more than this; memory that runs out is no affair
            # of the compiler.
            if not isinstance(error, TritonError) and "PassManager" not in str(error):
                raise
            _failed[operation] = f"triton cannot be used: {packages.line(error)}"
            warnings.warn(
                f"dreamlab's Triton kernels of {operation} are not in use: {_failed[operation]}. "
                "The reference in plain torch runs, many times slower.",
                RuntimeWarning,
                stacklevel=3,
            )
    return otherwise()


def _ready(name: str, tensor: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Contiguous, of the one dtype that the kernels take, and still part of its graph."""
    where = "cpu" if interpreted() else "cuda"
    if tensor.dtype != dtype or (tensor.device.type != "cuda" and where == "cuda"):
        raise InputError(
            f"the Triton kernels cannot take {name}",
            expected=f"{str(dtype).removeprefix('torch.')} on {where}",
            got=f"{str(tensor.dtype).removeprefix('torch.')} on {tensor.device}",
            mend='Convert it, or use ops.use_backend("reference")',
        )
    return tensor.contiguous()


def _launch() -> ModuleType:
    from dreamlab.ops.field import triton_launch  # imports triton, which may not be there

    return triton_launch


# ---- hash encoding ----


def _reference_backward(
    x: Tensor, table: Tensor, spec: HashGridSpec, gradient: Tensor, wants: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    leaves = [t.detach().requires_grad_(want) for t, want in zip((x, table), wants, strict=True)]
    with torch.enable_grad():
        out = reference.hash_encode(leaves[0], leaves[1], spec)
    asked = [leaf for leaf in leaves if leaf.requires_grad]
    found = iter(torch.autograd.grad(out, asked, gradient))
    g_x, g_table = (next(found) if want else None for want in wants)
    return g_x, g_table


class _HashEncode(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, spec: HashGridSpec) -> Tensor:
        ctx.spec = spec
        ctx.save_for_backward(x, table)
        return _or_reference(
            "hash_encode",
            lambda: _launch().encode(x, table, spec),
            lambda: reference.hash_encode(x, table, spec),
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, table = ctx.saved_tensors
        spec, wants, g_out = ctx.spec, ctx.needs_input_grad[:2], gradient.contiguous()

        def otherwise() -> tuple[Tensor | None, Tensor | None]:
            return _reference_backward(x, table, spec, g_out, wants)

        if torch.are_deterministic_algorithms_enabled():
            return *otherwise(), None
        g_x, g_table = _or_reference(
            "hash_encode", lambda: _launch().encode_backward(x, table, spec, g_out, wants), otherwise
        )
        return g_x, g_table, None


def hash_encode(x: Tensor, table: Tensor, spec: HashGridSpec) -> Tensor:
    return _HashEncode.apply(_ready("x", x), _ready("table", table), spec)


def encode_mlp(x: Tensor, table: Tensor, spec: HashGridSpec, weights: Sequence[Tensor]) -> Tensor:
    return mlp(hash_encode(x, table, spec), weights)


# ---- marching ----


@torch.no_grad()
def march(rays: Rays, occupancy: Tensor, step: float, jitter: Tensor) -> Samples:
    ready = Rays(_ready("ray origins", rays.origins), _ready("ray directions", rays.directions))
    grid, u = _ready("occupancy", occupancy, torch.bool), _ready("jitter", jitter)
    return _or_reference(
        "march",
        lambda: _launch().march(ready, grid, step, u),
        lambda: reference.march(ready, grid, step, u),
    )


# ---- compositing ----


def _ray_starts(ray_index: Tensor, n_rays: int) -> Tensor:
    """Where every ray's samples begin, and the end of the last [R + 1]. Raises InputError if they are not
    sorted."""
    if ray_index.shape[0]:
        inside = (ray_index[0] >= 0) & (ray_index[-1] < n_rays)
        if not bool(inside & (ray_index[1:] >= ray_index[:-1]).all()):
            raise unsorted_samples(n_rays)
    return torch.searchsorted(ray_index, torch.arange(n_rays + 1, device=ray_index.device))


class _Composite(Function):
    @staticmethod
    def forward(
        ctx: Any, sigma: Tensor, rgb: Tensor, t0: Tensor, t1: Tensor, starts: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        *out, reaching = _launch().composite(sigma, rgb, t0, t1, starts)
        ctx.save_for_backward(sigma, rgb, t0, t1, starts, out[3], reaching)
        return out[0], out[1], out[2], out[3]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        saved = ctx.saved_tensors
        dense = [g.contiguous() for g in gradients]
        g_sigma, g_rgb = _or_reference(
            "composite",
            lambda: _launch().composite_backward(saved, dense),
            lambda: _reference_composite_backward(saved, dense),
        )
        return g_sigma, g_rgb, None, None, None


def _reference_composite_backward(
    saved: Sequence[Tensor], gradients: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    sigma, rgb, t0, t1, starts, _, _ = saved
    leaves = sigma.detach().requires_grad_(), rgb.detach().requires_grad_()
    ray = torch.repeat_interleave(starts.diff())
    with torch.enable_grad():
        out = reference.composite(*leaves, Samples(ray, t0, t1), starts.shape[0] - 1)
    g_sigma, g_rgb = torch.autograd.grad(out, leaves, gradients)
    return g_sigma, g_rgb


def composite(sigma: Tensor, rgb: Tensor, samples: Samples, n_rays: int) -> Composite:
    starts = _ray_starts(_ready("samples.ray_index", samples.ray_index, torch.int64), n_rays)
    t0, t1 = _ready("samples.t0", samples.t0).detach(), _ready("samples.t1", samples.t1).detach()
    given = (_ready("sigma", sigma), _ready("rgb", rgb))
    return _or_reference(
        "composite",
        lambda: Composite(*_Composite.apply(*given, t0, t1, starts)),
        lambda: reference.composite(*given, Samples(samples.ray_index, t0, t1), n_rays),
    )
