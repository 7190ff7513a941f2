"""Which parts of the scene are worth sampling: a coarse grid of the field's recent density.

Müller et al. 2022 (instant-ngp, appendix C): an exponential moving average of the density per cell,
refreshed now and then at random points, thresholded by the opacity that a marching step inside the cell
would add.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from dreamlab import ops

DensityFunction = Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]


class OccupancyConfig(BaseModel):
    """`resolution` cells along each axis of [-1, 1]^3, refreshed every `every` steps.

    `threshold` is the opacity of one marching step below which a cell is empty (or the mean density, if
    that is less). A new grid has a warm-up: in its first `warm_up` steps `warm_up_threshold` stands in for
    it, so that matter may appear where there is little yet; a grid that a stage took over has none. 0 counts
    any density, which for a ball under softplus is all of the field's bounds: six times the samples of the
    steps that follow. `decay` is how much of the old density stays at a refresh. `margin` adds the neighbours
    of occupied cells: safer for thin parts and growth, for half as many samples again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolution: int = Field(default=32, ge=4, le=256)
    warm_up: int = Field(default=4, ge=0)
    every: int = Field(default=8, ge=1)
    decay: float = Field(default=0.8, ge=0.0, lt=1.0)
    threshold: float = Field(default=0.01, gt=0.0, lt=1.0)
    warm_up_threshold: float = Field(default=0.001, ge=0.0, lt=1.0)
    margin: bool = False

    def build(self, step_length: float) -> OccupancyGrid:
        return OccupancyGrid(self, step_length)


class OccupancyGrid:
    """See OccupancyConfig. `occupied` [G,G,G] bool is indexed [ix,iy,iz]; `cells` is the averaged density."""

    def __init__(self, config: OccupancyConfig, step_length: float) -> None:
        self.config, self.step_length = config, step_length
        g = config.resolution
        self.cells: Float[Tensor, "G G G"] = torch.zeros(g, g, g)
        self.occupied: Bool[Tensor, "G G G"] = torch.ones(g, g, g, dtype=torch.bool)

    @torch.no_grad()
    def update(self, density: DensityFunction, step: int, generator: torch.Generator) -> None:
        """Call once a step, before rendering; looks at the field only when it is due.

        step counts within the stage: at 0 the grid is measured, whatever it knows already.
        """
        c = self.config
        if step < c.warm_up:
            if step == 0:
                new = not bool(self.cells.any())
                self.refresh(density, generator)
                if new:
                    self._mark(min(c.warm_up_threshold, c.threshold))
        elif (step - c.warm_up) % c.every == 0:
            self.refresh(density, generator)

    @torch.no_grad()
    def refresh(self, density: DensityFunction, generator: torch.Generator | None) -> None:
        """Measure the density once in every cell, at a random point or (without generator) the centre."""
        g, device = self.config.resolution, self.cells.device
        index = torch.arange(g, device=device)
        corner = torch.stack(torch.meshgrid(index, index, index, indexing="ij"), dim=-1).view(-1, 3)
        within = 0.5 if generator is None else torch.rand(corner.shape, generator=generator).to(device)
        measured = density((corner + within) * (2 / g) - 1).view(g, g, g)
        self.cells = torch.maximum(self.cells * self.config.decay, measured)
        self._mark(self.config.threshold)

    def _mark(self, opacity: float) -> None:
        """Cells that would add this opacity to a step are occupied."""
        least = -math.log1p(-opacity) / self.step_length
        self.occupied = self._dilated(ops.occupancy_threshold(self.cells, least))

    def reset(self) -> None:
        """Forget everything: all cells occupied."""
        self.cells = torch.zeros_like(self.cells)
        self.occupied = torch.ones_like(self.occupied)

    def take_over(self, other: OccupancyGrid) -> None:
        """Know what another grid has measured, if it has as many cells."""
        if other.cells.shape == self.cells.shape:
            self.load_state_dict(other.state_dict())

    def to(self, device: torch.device | str) -> OccupancyGrid:
        self.cells, self.occupied = self.cells.to(device), self.occupied.to(device)
        return self

    def state_dict(self) -> dict[str, Tensor]:
        return {"cells": self.cells.clone(), "occupied": self.occupied.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        device = self.cells.device
        self.cells, self.occupied = state["cells"].clone().to(device), state["occupied"].clone().to(device)

    def _dilated(self, occupied: Tensor) -> Tensor:
        if not self.config.margin:
            return occupied
        grown = torch.nn.functional.max_pool3d(occupied[None, None].float(), 3, stride=1, padding=1)
        return grown[0, 0] > 0
