"""One small case for the Triton kernels of an operation, which must give what the reference gives.

It raises what the compiler raises, or RuntimeError where the numbers are others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dreamlab.core.types import Rays, Samples
from dreamlab.ops.field import reference, triton_launch
from dreamlab.ops.interface import HashGridSpec

_TOLERANCE = 1e-3  # of the largest value


def _same(name: str, mine: Sequence[Tensor], theirs: Sequence[Tensor]) -> None:
    for a, b in zip(mine, theirs, strict=True):
        off = float((a - b).abs().max() / b.abs().max().clamp_min(1e-6)) if a.shape == b.shape else 1.0
        if not off <= _TOLERANCE:
            raise RuntimeError(f"{name} is off by {off:.1e} of its largest value")


def _hash_encode(device: torch.device) -> None:
    spec = HashGridSpec(levels=3, log2_table_size=9, base_resolution=4, finest_resolution=40)
    # On a fine lattice off the cells' borders, where a gradient to x jumps.
    x = (torch.arange(3 * 60, device=device).view(60, 3) * 37 % 256 + 0.3) / 257
    table = (torch.arange(spec.table_rows * 2, device=device) * 0.7).sin().view(-1, 2)
    x, table = x.requires_grad_(), table.requires_grad_()
    theirs = reference.hash_encode(x, table, spec)
    gradient = theirs.detach().cos()
    slopes = torch.autograd.grad(theirs, [x, table], gradient)
    x, table = x.detach(), table.detach()
    _same("the encoding", [triton_launch.encode(x, table, spec)], [theirs.detach()])
    found = triton_launch.encode_backward(x, table, spec, gradient, (True, True))
    _same("the encoding's gradient", [g for g in found if g is not None], slopes)


def _march(device: torch.device) -> None:
    origins = torch.tensor([[0.1, 0.2, -3.0], [0.0, 0.0, 0.0], [0.0, 5.0, 0.0]], device=device)
    directions = torch.tensor([[0.0, 0.05, 1.0], [0.6, 0.8, 0.0], [0.0, 1.0, 0.0]], device=device)
    occupancy = torch.ones(3, 3, 3, dtype=torch.bool, device=device)
    occupancy[1, 1, 1] = False
    given = Rays(origins, directions), occupancy, 0.11, origins.new_tensor([0.3, 0.4, 0.5])
    mine, theirs = triton_launch.march(*given), reference.march(*given)
    _same("marching", [t.float() for t in mine], [t.float() for t in theirs])


def _composite(device: torch.device) -> None:
    ray = torch.tensor([0] * 40 + [2] * 3, device=device)
    t0 = torch.arange(43.0, device=device) * 0.1
    t1, starts = t0 + 0.08, torch.tensor([0, 40, 40, 43], device=device)
    sigma = (t0.sin() + 1).requires_grad_()
    rgb = (torch.arange(129.0, device=device).view(43, 3).cos() + 1).requires_grad_()
    theirs = reference.composite(sigma, rgb, Samples(ray, t0, t1), 3)
    gradients = [value.detach().cos() for value in theirs]
    slopes = torch.autograd.grad(theirs, [sigma, rgb], gradients)
    given = sigma.detach(), rgb.detach(), t0, t1, starts
    *mine, reaching = triton_launch.composite(*given)
    _same("compositing", mine, [value.detach() for value in theirs])
    found = triton_launch.composite_backward((*given, mine[3], reaching), gradients)
    _same("compositing's gradient", found, slopes)


TRIALS: dict[str, Callable[[torch.device], None]] = {
    "hash_encode": _hash_encode,
    "march": _march,
    "composite": _composite,
}
