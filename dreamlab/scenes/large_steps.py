"""Steps of a mesh's corners that move neighbours along (Nicolet et al. 2021, "Large Steps in Inverse
Rendering of Geometry").

Gradients of silhouettes are spikes at a few corners; followed as they are, they tangle a mesh. The paper
descends in u = (I + lambda L) v instead, L the combinatorial Laplacian (its equations 6 and 9): a step in u
reaches v through (I + lambda L)^-1, which spreads it over the corners around.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from scipy.sparse.linalg import splu
from torch import Tensor
from torch.autograd.function import once_differentiable


class LargeSteps:
    """The linear map (I + smoothness L)^-1 of a mesh's corners: factored once, in float64 on the CPU.

    faces [F,3] int64 are indices below `vertices`. Never changes, so copies of a scene share it.
    """

    def __init__(self, faces: Int[Tensor, "F 3"], vertices: int, smoothness: float) -> None:
        self._factors = splu(system(faces.cpu().numpy(), vertices, smoothness))

    def __call__(self, u: Float[Tensor, "V 3"]) -> Float[Tensor, "V 3"]:
        """The map applied to u; differentiable once. It is symmetric, so backward is the same."""
        return _Solve.apply(u, self)

    def __deepcopy__(self, memo: dict[int, Any]) -> LargeSteps:
        return self

    def solve(self, right: Float[Tensor, "V 3"]) -> Float[Tensor, "V 3"]:
        """The same without gradient."""
        found = self._factors.solve(right.detach().cpu().double().numpy())
        return torch.from_numpy(found).to(right)


class _Solve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, steps: LargeSteps) -> Tensor:
        ctx.steps = steps
        return steps.solve(u)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return ctx.steps.solve(grad_outputs[0]), None


def system(faces: Int[np.ndarray, "F 3"], vertices: int, smoothness: float) -> sparse.csc_matrix:
    """I + smoothness L, L = D - A: as many as a corner has neighbours, minus one for each of them."""
    start, end = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    joined = sparse.coo_matrix((np.ones(len(start)), (start, end)), shape=(vertices, vertices))
    joined = ((joined + joined.T) > 0).astype(np.float64)
    laplacian = sparse.diags(np.asarray(joined.sum(1))[:, 0]) - joined
    return (sparse.identity(vertices) + smoothness * laplacian).tocsc()
