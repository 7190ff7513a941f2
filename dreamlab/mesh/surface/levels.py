"""What counts as a field's surface: a level of its density, or where its own signed distance is zero.

Both are put as one number at a point, the *depth*: positive inside, zero on the surface, about as steep on
both of its sides, and clipped to +-BAND, so that marching cubes and root-finding need not know which they
look at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dreamlab.core.errors import DreamlabError
from dreamlab.core.types import Field, HasDistance

CHUNK = 1 << 18  # points a call: bounds the memory of the field's activations
BAND = 2.0  # depths are clipped here, so that huge values do not pull vertices to lattice points


class Level(Protocol):
    """The surface of a field; `iso` is the value that the field has on it."""

    @property
    def iso(self) -> float: ...

    def at(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """The field's own value at N world points."""
        ...

    def depth(self, values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Values as depths, -BAND..BAND."""
        ...

    def inside(self, values: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        """Which values lie inside the surface."""
        ...

    def near(self, grid: Float[Tensor, "n n n"]) -> Bool[np.ndarray, "n n n"]:
        """Where in a survey of values over [-1, 1]^3 the surface may pass, as a finer lattice would see
        it."""
        ...


@dataclass(frozen=True)
class DensityLevel:
    """The surface density == iso. Depth is log(density / iso); a level of 0 or less has no inside."""

    field: Field
    iso: float

    def at(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        return density_at(self.field, x)

    def depth(self, values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return (values.clamp(min=1e-30) / self.iso).log().clamp(-BAND, BAND)

    def inside(self, values: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        return values > (self.iso if self.iso > 0 else torch.inf)

    def near(self, grid: Float[Tensor, "n n n"]) -> Bool[np.ndarray, "n n n"]:
        from scipy.ndimage import maximum_filter, minimum_filter

        sigma = grid.numpy()
        # a survey cell counts if its neighbourhood holds outside and anything that a finer lattice may find
        # inside
        return (maximum_filter(sigma, 3) > 0.25 * self.iso) & (
            minimum_filter(sigma, 3, mode="constant", cval=0.0) < self.iso
        )


@dataclass(frozen=True)
class DistanceLevel:
    """The surface distance == 0. Depth is -distance in cells of the lattice."""

    field: HasDistance
    resolution: int
    iso: float = 0.0

    def at(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        return distance_at(self.field, x)

    def depth(self, values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return (values * (-self.resolution / 2)).clamp(-BAND, BAND)

    def inside(self, values: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        return values < 0

    def near(self, grid: Float[Tensor, "n n n"]) -> Bool[np.ndarray, "n n n"]:
        from scipy.ndimage import maximum_filter, minimum_filter

        distance, cell = grid.numpy(), 2 / (grid.shape[0] - 1)
        # within a cell of zero counts too: what a finer lattice may find between the points of this one
        return (minimum_filter(distance, 3) < cell) & (
            maximum_filter(distance, 3, mode="constant", cval=np.inf) > -cell
        )


def density_at(field: Field, x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
    """The field's density at N world points, in chunks, without gradients, checked and on the CPU as
    float32."""
    return _values(field, field.density, "density", x)


def distance_at(field: HasDistance, x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
    """The field's signed distance at N world points, as `density_at`."""
    return _values(field, field.distance, "distance", x)


def sample_lattice(field: Field, cells: int) -> Float[Tensor, "n n n"]:
    """Density at the (cells + 1)^3 corners of a regular grid over [-1, 1]^3, indexed [x, y, z]."""
    return on_lattice(lambda x: density_at(field, x), cells)


def on_lattice(function: Callable[[Tensor], Tensor], cells: int) -> Float[Tensor, "n n n"]:
    """A function of points at the (cells + 1)^3 corners of a regular grid over [-1, 1]^3, indexed [x, y,
    z]."""
    axis = torch.linspace(-1, 1, cells + 1)
    n = cells + 1
    slabs = max(1, CHUNK // (n * n))
    out = [
        function(torch.stack(torch.meshgrid(x, axis, axis, indexing="ij"), -1).reshape(-1, 3))
        for x in axis.split(slabs)
    ]
    return torch.cat(out).reshape(n, n, n)


def _values(field: Field, function: Callable[[Tensor], Tensor], name: str, x: Tensor) -> Tensor:
    device = next((p.device for p in field.parameters()), torch.device("cpu"))
    with torch.no_grad():
        parts = [function(p.to(device)).reshape(-1).float().cpu() for p in x.split(CHUNK)]
    values = torch.cat(parts) if parts else torch.zeros(0)
    bad = int((~torch.isfinite(values)).sum())
    if bad:
        raise DreamlabError(
            f"the field's {name} is not finite",
            expected="numbers",
            got=f"NaN or infinity at {bad} of {len(values)} points",
            mend="Go back to an earlier checkpoint",
        )
    return values
