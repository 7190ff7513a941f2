"""The 3x3 convolution in C++ (see native), forward and to all its gradients."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from dreamlab.ops.field.native import _scratch
from dreamlab.ops.library import call, ready, threads

_LAST = torch.channels_last


class _Conv3x3(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _forward(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        gradient = gradient.contiguous(memory_format=_LAST)
        g_x = _convolve(gradient, weight, None, weight.shape[1], turned=True) if of_x else None
        if not (of_weight or of_bias):
            return g_x, None, None
        g_weight, g_bias = _to_weights(x, weight, gradient)
        return g_x, g_weight if of_weight else None, g_bias if of_bias else None


def _forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return _convolve(x, weight, bias, weight.shape[0], turned=False)


def _strides(weight: Tensor) -> Any:
    """In floats: of an output, an input, a row and a column. No copy, whichever way the weight lies."""
    return (ctypes.c_int64 * 4)(*weight.stride())


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, outputs: int, turned: bool) -> Tensor:
    n, inputs, height, width = x.shape
    out = torch.empty((n, outputs, height, width), memory_format=_LAST)
    shape = (n, height, width, inputs, outputs)
    space = _scratch.take(call("dl_conv3x3_floats", *shape, ctypes.c_int32(0)))
    call(
        "dl_conv3x3",
        *shape,
        x,
        weight,
        _strides(weight),
        ctypes.c_int32(turned),
        bias,
        out,
        space,
        threads(),
    )
    return out


def _to_weights(x: Tensor, weight: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    n, inputs, height, width = x.shape
    shape = (n, height, width, inputs, weight.shape[0])
    g_weight, g_bias = torch.zeros_like(weight), torch.zeros(weight.shape[0])
    space = _scratch.take(call("dl_conv3x3_floats", *shape, ctypes.c_int32(1)))
    call(
        "dl_conv3x3_weights",
        *shape,
        x,
        gradient,
        g_weight,
        _strides(g_weight),
        g_bias,
        space,
        threads(),
    )
    return g_weight, g_bias


def conv3x3(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    for name, tensor in (("x", x), ("weight", weight), ("bias", bias)):
        if tensor is not None:
            ready(name, tensor[:0])
    x = x.contiguous(memory_format=_LAST)
    bias = None if bias is None else bias.contiguous()
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, weight, bias)):
        return _Conv3x3.apply(x, weight, bias)
    return _forward(x, weight, bias)
