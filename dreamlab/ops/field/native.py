"""C++ kernels through a plain C interface: float32 on the CPU, the same bytes for any number of threads.

Each function here mirrors one of `reference`; gradients are first order. The hash encoding and the MLP stand
here, what concerns rays in native_rays, the loading of the library in native_library.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from dreamlab.core.errors import InputError
from dreamlab.ops.field.native_rays import composite, march, sample_points
from dreamlab.ops.interface import MAX_WIDTH, HashGridSpec
from dreamlab.ops.library import (
    call,
    instruction_set,
    library,
    pointers,
    ready_in_graph,
    threads,
    why_not,
)

__all__ = [
    "composite",
    "encode_mlp",
    "hash_encode",
    "instruction_set",
    "library",
    "march",
    "mlp",
    "sample_points",
    "why_not",
]

_MAX_LAYERS = 8
# Hidden activations are kept for the backward pass up to this size; beyond, they are computed again.
_MOST_HIDDEN_BYTES = 1 << 30


# ---- buffers and layouts ----


class _Level(ctypes.Structure):
    _fields_ = [
        ("scale", ctypes.c_float),
        ("resolution", ctypes.c_uint32),
        ("rows", ctypes.c_uint32),
        ("dense", ctypes.c_uint32),
        ("offset", ctypes.c_int64),
    ]


class _Grid(ctypes.Structure):
    _fields_ = [("levels", ctypes.c_int), ("features", ctypes.c_int), ("level", _Level * 16)]


@cache
def _grid(spec: HashGridSpec) -> Any:
    grid = _Grid(spec.levels, spec.features)
    for i in range(spec.levels):
        grid.level[i] = _Level(
            spec.scales[i], spec.resolutions[i], spec.rows[i], spec.dense[i], spec.offsets[i]
        )
    return ctypes.byref(grid)


def _wants_gradient(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


class _Scratch:
    """Large buffers that are lent out and come back: fresh pages cost more than the arithmetic done on
    them.
    """

    KEPT_BYTES = 2 << 30

    def __init__(self) -> None:
        self._free: list[Tensor] = []
        self._lock = threading.RLock()  # a finaliser may run in the middle of `take`

    def take(self, floats: int) -> Tensor:
        """A flat float32 tensor of at least `floats` entries; it returns here when it is garbage
        collected.
        """
        with self._lock:
            fitting = [t for t in self._free if floats <= t.numel() <= 4 * floats + 4096]
            if fitting:
                owner = min(fitting, key=Tensor.numel)
                self._free = [t for t in self._free if t is not owner]
            else:
                owner = torch.empty(floats + floats // 8)
        lent = owner.view(-1)
        weakref.finalize(lent, self._give_back, owner).atexit = False
        return lent

    def _give_back(self, owner: Tensor) -> None:
        with self._lock:
            self._free.append(owner)
            while sum(t.numel() for t in self._free) * 4 > self.KEPT_BYTES:
                self._free.pop(0)


_scratch = _Scratch()


# ---- hash encoding and MLP ----


class _HashEncode(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, spec: HashGridSpec) -> Tensor:
        ctx.spec = spec
        ctx.save_for_backward(x, table)
        out = torch.empty(x.shape[0], spec.width)
        call("dl_hash_encode", _grid(spec), table, x, x.shape[0], out, threads())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, table = ctx.saved_tensors
        spec, wants = ctx.spec, ctx.needs_input_grad[:2]
        strides = (spec.width, spec.features)
        g_x, g_table = _encode_backward(x, table, spec, gradient.contiguous(), strides, wants)
        return g_x, g_table, None


def _encode_backward(
    x: Tensor,
    table: Tensor,
    spec: HashGridSpec,
    gradient: Tensor,
    strides: tuple[int, int],
    wants: tuple[bool, ...],
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients to x and table, as wanted; `strides` lead from point to point and from level to level."""
    wants_x, wants_table = wants
    g_table = torch.zeros_like(table) if wants_table else None
    g_x = torch.empty_like(x) if wants_x else None
    row, level = strides
    call(
        "dl_hash_encode_backward",
        _grid(spec),
        table,
        x,
        x.shape[0],
        gradient,
        row,
        level,
        g_table,
        g_x,
        threads(),
    )
    return g_x, g_table


def hash_encode(x: Tensor, table: Tensor, spec: HashGridSpec) -> Tensor:
    return _HashEncode.apply(ready_in_graph("x", x), ready_in_graph("table", table), spec)


def _widths(weights: Sequence[Tensor]) -> Any:
    return (ctypes.c_int * (len(weights) + 1))(weights[0].shape[1], *(w.shape[0] for w in weights))


def _forward(
    x: Tensor,
    table: Tensor | None,
    spec: HashGridSpec | None,
    weights: Sequence[Tensor],
    features: Tensor | None = None,
    hidden: Tensor | None = None,
) -> Tensor:
    out = torch.empty(x.shape[0], weights[-1].shape[0])
    call(
        "dl_mlp",
        _grid(spec) if spec else None,
        table,
        len(weights),
        _widths(weights),
        pointers(weights),
        x,
        x.shape[0],
        features,
        hidden,
        out,
        threads(),
    )
    return out


def _backward(
    x: Tensor,
    spec: HashGridSpec | None,
    weights: Sequence[Tensor],
    hidden: Tensor | None,
    gradient: Tensor,
    g_input: Tensor | None,
) -> list[Tensor]:
    g_weights = [torch.empty_like(w) for w in weights]
    call(
        "dl_mlp_backward",
        _grid(spec) if spec else None,
        len(weights),
        _widths(weights),
        pointers(weights),
        x,
        hidden,
        gradient.contiguous(),
        gradient.shape[0],
        pointers(g_weights),
        g_input,
        threads(),
    )
    return g_weights


def _hidden(weights: Sequence[Tensor], n: int) -> Tensor | None:
    """Room for the hidden activations of n samples, or None where that is too much to keep."""
    floats = call("dl_mlp_hidden_floats", len(weights), _widths(weights), n)
    return _scratch.take(floats) if 0 < 4 * floats <= _MOST_HIDDEN_BYTES else None


class _Mlp(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *weights: Tensor) -> Tensor:
        ctx.save_for_backward(x, *weights)
        ctx.hidden = _hidden(weights, x.shape[0])
        return _forward(x, None, None, weights, hidden=ctx.hidden)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, *weights = ctx.saved_tensors
        g_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        return g_x, *_backward(x, None, weights, ctx.hidden, gradient, g_x)


class _EncodeMlp(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, spec: HashGridSpec, *weights: Tensor) -> Tensor:
        ctx.spec = spec
        ctx.features = _scratch.take(x.shape[0] * spec.width)
        ctx.hidden = _hidden(weights, x.shape[0])
        ctx.save_for_backward(x, table, *weights)
        return _forward(x, table, spec, weights, ctx.features, ctx.hidden)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, table, *weights = ctx.saved_tensors
        spec, n = ctx.spec, x.shape[0]
        wants = ctx.needs_input_grad[:2]
        g_features = _scratch.take(n * spec.width) if any(wants) else None
        g_weights = _backward(ctx.features, spec, weights, ctx.hidden, gradient, g_features)
        if g_features is None:
            return None, None, None, *g_weights
        # Level by level: [levels, n, features]
        strides = (spec.features, n * spec.features)
        g_x, g_table = _encode_backward(x, table, spec, g_features, strides, wants)
        return g_x, g_table, None, *g_weights


def _check_widths(weights: Sequence[Tensor]) -> list[Tensor]:
    widest = max(weights[0].shape[1], *(w.shape[0] for w in weights))
    narrowest = min(weights[0].shape[1], *(w.shape[0] for w in weights))
    if widest > MAX_WIDTH or narrowest < 1 or len(weights) > _MAX_LAYERS:
        raise InputError(
            "the native MLP cannot take these weights",
            expected=f"widths 1..{MAX_WIDTH}, at most {_MAX_LAYERS} layers",
            got=", ".join(str(list(w.shape)) for w in weights),
            mend='Use ops.use_backend("reference")',
        )
    return [ready_in_graph(f"weights[{i}]", w) for i, w in enumerate(weights)]


def mlp(x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    x, weights = ready_in_graph("x", x), _check_widths(weights)
    return _Mlp.apply(x, *weights) if _wants_gradient(x, *weights) else _forward(x, None, None, weights)


def encode_mlp(x: Tensor, table: Tensor, spec: HashGridSpec, weights: Sequence[Tensor]) -> Tensor:
    x, table, weights = ready_in_graph("x", x), ready_in_graph("table", table), _check_widths(weights)
    if _wants_gradient(x, table, *weights):
        return _EncodeMlp.apply(x, table, spec, *weights)
    return _forward(x, table, spec, weights)
