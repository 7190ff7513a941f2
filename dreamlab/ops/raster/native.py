"""The rasteriser's C++ kernels as differentiable torch functions: float32 on the CPU."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dreamlab.ops.field import native


def _call(name: str, *arguments: Tensor | int | ctypes.c_int32) -> None:
    """Call a kernel: tensors become pointers (they must be contiguous), plain integers int64, c_int32
    themselves.
    """
    kernel = getattr(native.library(), name)
    kernel.restype = None
    kernel(*(_c_argument(a) for a in arguments))


def _c_argument(value: Tensor | int | ctypes.c_int32) -> Any:
    if isinstance(value, Tensor):
        return ctypes.c_void_p(value.data_ptr())
    return ctypes.c_int64(value) if isinstance(value, int) else value


def _threads() -> ctypes.c_int32:
    return ctypes.c_int32(max(1, torch.get_num_threads()))


class Rasterise(torch.autograd.Function):
    """clip [B,V,4], faces [F,3], (H, W) -> face_index, barycentric, depth."""

    @staticmethod
    def forward(
        ctx: Any, clip: Tensor, faces: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        clip, faces = clip.contiguous(), faces.contiguous()
        views, vertices, _ = clip.shape
        index = torch.empty(views, *size, dtype=torch.int64)
        barycentric, depth = torch.empty(views, *size, 3), torch.empty(views, *size)
        shape = (views, vertices, faces, len(faces), *size, _threads())
        _call("dl_rasterise", clip, *shape, index, barycentric, depth)
        ctx.mark_non_differentiable(index)
        ctx.save_for_backward(clip, faces, index)
        return index, barycentric, depth

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        _, grad_barycentric, grad_depth = grad_outputs
        clip, faces, index = ctx.saved_tensors
        grad = torch.empty_like(clip)
        views, vertices, _ = clip.shape
        shape = (views, vertices, faces, *index.shape[1:], _threads())
        grads = (grad_barycentric.contiguous(), grad_depth.contiguous())
        _call("dl_rasterise_backward", clip, *shape, index, *grads, grad)
        return grad, None, None


class Interpolate(torch.autograd.Function):
    """attributes [V,A] or [B,V,A], faces, face_index [B,H,W], barycentric [B,H,W,3] -> [B,H,W,A]."""

    @staticmethod
    def forward(ctx: Any, attributes: Tensor, faces: Tensor, index: Tensor, barycentric: Tensor) -> Tensor:
        saved = tuple(t.contiguous() for t in (attributes, faces, index, barycentric))
        attributes, faces, index, barycentric = saved
        vertices, width = attributes.shape[-2:]
        stride = 0 if attributes.dim() == 2 else vertices * width
        views, pixels = index.shape[0], index.shape[1] * index.shape[2]
        out = torch.empty(*index.shape, width)
        sizes = (views, pixels, _threads())
        _call("dl_interpolate", attributes, stride, width, faces, index, barycentric, *sizes, out)
        ctx.save_for_backward(*saved)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        attributes, faces, index, barycentric = ctx.saved_tensors
        vertices, width = attributes.shape[-2:]
        stride = 0 if attributes.dim() == 2 else vertices * width
        views, pixels = index.shape[0], index.shape[1] * index.shape[2]
        grad_attributes, grad_barycentric = torch.zeros_like(attributes), torch.empty_like(barycentric)
        inputs = (attributes, stride, vertices, width, faces, index, barycentric, views, pixels, _threads())
        outputs = (grad_outputs[0].contiguous(), grad_attributes, grad_barycentric)
        _call("dl_interpolate_backward", *inputs, *outputs)
        return grad_attributes, None, None, grad_barycentric


class SampleTexture(torch.autograd.Function):
    """texture [H,W,C], uv [...,2] -> [...,C]."""

    @staticmethod
    def forward(ctx: Any, texture: Tensor, uv: Tensor, repeat: bool) -> Tensor:
        texture, uv = texture.contiguous(), uv.contiguous()
        out = torch.empty(*uv.shape[:-1], texture.shape[2])
        sizes = (uv.numel() // 2, ctypes.c_int32(repeat), _threads())
        _call("dl_sample_texture", texture, *texture.shape, uv, *sizes, out)
        ctx.save_for_backward(texture, uv)
        ctx.repeat = repeat
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        texture, uv = ctx.saved_tensors
        grad_texture, grad_uv = torch.empty_like(texture), torch.empty_like(uv)
        sizes = (uv.numel() // 2, ctypes.c_int32(ctx.repeat), _threads())
        outputs = (grad_outputs[0].contiguous(), grad_texture, grad_uv)
        _call("dl_sample_texture_backward", texture, *texture.shape, uv, *sizes, *outputs)
        return grad_texture, grad_uv, None
