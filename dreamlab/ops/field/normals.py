"""Normals of a density field, and the one sample of a ray that deserves one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dreamlab.core.types import Samples
from dreamlab.ops.constants import constant

Density = Callable[[Tensor], Tensor]
# Vertices of a regular tetrahedron: four evaluations give a gradient that is exact for linear fields.
_TETRAHEDRON = ((1.0, -1.0, -1.0), (-1.0, -1.0, 1.0), (-1.0, 1.0, -1.0), (1.0, 1.0, 1.0))


def normals_finite_difference(
    density: Density, x: Float[Tensor, "N 3"], epsilon: float
) -> Float[Tensor, "N 3"]:
    """Unit -grad density at x [N,3] from four evaluations on a tetrahedron of half-edge `epsilon` (world
    units).

    Differentiable with respect to whatever `density` is. Dear when asked at every sample: see
    `heaviest_sample`.
    """
    return _unit(-finite_difference_gradient(density, x, epsilon))


def finite_difference_gradient(
    function: Density, x: Float[Tensor, "N 3"], epsilon: float
) -> Float[Tensor, "N 3"]:
    """The gradient of a scalar function at x [N,3] from four evaluations on a tetrahedron of half-edge
    `epsilon` (world units): exact where the function is linear. Differentiable with respect to whatever
    `function` is.
    """
    corners = constant(_TETRAHEDRON, x.dtype, x.device)
    points = x[None] + epsilon * corners[:, None]
    values = function(points.reshape(-1, 3)).reshape(4, -1)
    return (values[:, :, None] * corners[:, None]).sum(dim=0) / (4 * epsilon)


def _unit(v: Tensor) -> Tensor:
    # Scaled first: squares of huge or denormal gradients would leave the float range.
    size = v.detach().abs().amax(dim=-1, keepdim=True)
    scaled = v / torch.where(size > 0, size, torch.ones_like(size))
    return scaled / scaled.square().sum(dim=-1, keepdim=True).clamp_min(1e-12).sqrt()


@torch.no_grad()
def heaviest_sample(weights: Float[Tensor, " S"], samples: Samples, n_rays: int) -> Int[Tensor, " R"]:
    """Index of each ray's sample of largest weight (the first of equals), -1 for a ray without samples."""
    ray = samples.ray_index
    largest = weights.new_full((n_rays,), -torch.inf).scatter_reduce(0, ray, weights, "amax")
    order = torch.arange(ray.shape[0], device=ray.device)
    candidate = torch.where(weights == largest[ray], order, ray.shape[0])
    first = order.new_full((n_rays,), ray.shape[0]).scatter_reduce(0, ray, candidate, "amin")
    return torch.where(first < ray.shape[0], first, -1)
