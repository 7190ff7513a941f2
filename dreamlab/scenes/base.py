"""What every density field shares: density and colour from four raw numbers a point, and one group of
parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from dreamlab.scenes.density import Density
from dreamlab.scenes.start_shape import StartShape


class FieldSettings(BaseModel, ABC):
    """Base of a field's settings. `knows_distance` says that its scene is a HasDistance: losses of distances
    beside any other are refused before anything is loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    knows_distance: ClassVar[bool] = False

    @abstractmethod
    def build(self, generator: torch.Generator) -> RadianceField: ...


class RadianceField(nn.Module, ABC):
    """sigma and sRGB albedo at world points. A field says its `raw` numbers: one of density, three of
    colour. It begins as a ball, or as its `start` shape, which is part of its state."""

    activation: Density
    start: StartShape | None

    def __init__(self) -> None:
        super().__init__()
        self.start = None

    @abstractmethod
    def raw(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, "N 4"]: ...

    @abstractmethod
    def restart(self, generator: torch.Generator, blob_factor: float = 1.0) -> None:
        """Begin anew from random values; `blob_factor` sets how much denser the first ball is."""

    def density(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """sigma [N] at world points."""
        return self.activation(self.raw(x)[:, 0], x, self.start)

    def forward(self, x: Float[Tensor, "N 3"]) -> tuple[Float[Tensor, " N"], Float[Tensor, "N 3"]]:
        """sigma [N] and sRGB albedo [N,3] in 0..1 at world points."""
        raw = self.raw(x)
        return self.activation(raw[:, 0], x, self.start), torch.sigmoid(raw[:, 1:])

    def advance(self, progress: float) -> None:
        """Nothing here changes with the stage but what is learned."""

    def parameter_groups(self) -> dict[str, list[str]]:
        """Names of the parameters by what may have a learning rate of its own."""
        return {"network": [name for name, _ in self.named_parameters()]}
