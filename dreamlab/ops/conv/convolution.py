"""The 3x3 convolution of the embedded prior's network, for which torch has no fast kernel on a CPU."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.ops import interface
from dreamlab.ops.conv import native as native_convolution
from dreamlab.ops.field import reference

_LEAST_CHANNELS = 16  # with fewer, part of the only chunk of sixteen is padding
_LEAST_TILES = 8  # with fewer, the weights' own transforms take longest
_MOST_PADDING = 2.5  # pixels of the tiles for each pixel of the image


def conv3x3(
    x: Float[Tensor, "N I H W"], weight: Float[Tensor, "O I 3 3"], bias: Float[Tensor, " O"] | None = None
) -> Float[Tensor, "N O H W"]:
    """Cross-correlation with 3x3 weights, stride 1, zeros around: torch's conv2d with padding=1.

    The native back end computes Winograd's F(4x4, 3x3) (Lavin & Gray 2016) in float32 on the CPU: less than
    half the time of a direct convolution, errors of about 1e-6 of the result's norm instead of 3e-7, a
    channels-last result, and the same bytes for any number of threads. A value that is not finite spoils its
    4x4 tile's whole neighbourhood, and beyond 1e36 sums may overflow. Differentiable once in all three.

    Torch's convolution runs instead on other devices, in other dtypes, under autocast, on the reference back
    end, and where tiles pay little (scripts/bench_convolution.py): fewer than 16 channels on a side, fewer
    than 8 tiles in all, or images so small that more than 2.5 pixels are computed for each that is wanted.

    Raises:
        InputError: shapes, dtypes or devices that do not fit each other.
    """
    interface.check("x", x, (None, None, None, None))
    kind = x.device.type
    cast = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    like = None if cast else x
    interface.check("weight", weight, (None, x.shape[1], 3, 3), like=like)
    if bias is not None:
        interface.check("bias", bias, (weight.shape[0],), like=like)
    if not cast and _is_native(x, weight):
        return native_convolution.conv3x3(x, weight, bias)
    return reference.conv3x3(x, weight, bias)


def _is_native(x: Tensor, weight: Tensor) -> bool:
    """Whether the C++ kernels can do the work, and are worth it."""
    from dreamlab.ops import backend

    if x.device.type != "cpu" or x.dtype != torch.float32 or backend(x.device) != "native":
        return False
    n, _, height, width = x.shape
    tiles = n * -(-height // 4) * -(-width // 4)
    if tiles < _LEAST_TILES or min(weight.shape[:2]) < _LEAST_CHANNELS:
        return False
    return 16 * tiles <= _MOST_PADDING * n * height * width
