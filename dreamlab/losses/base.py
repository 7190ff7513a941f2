"""What every regulariser shares: a weight that may change over the stage, and what it needs to see."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from dreamlab.core.schedules import Ramp
from dreamlab.core.types import Buffer, Cameras, RenderOutput, Scene


class Loss(Protocol):
    """One regulariser of a step. `needs` names the buffers that the renderer must fill for it."""

    needs: ClassVar[frozenset[Buffer]]

    def __call__(
        self, render: RenderOutput, scene: Scene, cameras: Cameras, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """The unweighted loss: a mean over pixels or points, so that a weight means the same at every image
        size and batch. Whatever it draws it draws from `generator`."""
        ...


class LossConfig(BaseModel, ABC):
    """Base of a regulariser's settings. `weight` is a number or a ramp over the stage; at 0 the loss is not
    worked out, nor what only it needs rendered."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    needs_distance: ClassVar[bool] = False  # only for scenes that know a distance to their surface
    needs_triangles: ClassVar[bool] = False  # only for meshes

    weight: Ramp = Ramp.constant(1.0)

    @abstractmethod
    def build(self) -> Loss: ...


class WeightedLosses:
    """The regularisers of a stage and their sum."""

    def __init__(self, configs: Sequence[LossConfig]) -> None:
        self._terms = [(config.weight, config.build()) for config in configs]

    def needs(self, progress: float) -> frozenset[Buffer]:
        """The buffers that some loss with weight at this progress looks at."""
        return frozenset().union(*(loss.needs for weight, loss in self._terms if weight(progress)))

    def __call__(
        self,
        render: RenderOutput,
        scene: Scene,
        cameras: Cameras,
        progress: float,
        generator: torch.Generator,
    ) -> Float[Tensor, ""]:
        """The weighted sum of what counts at this progress; a plain zero if nothing does."""
        values = [
            weight(progress) * loss(render, scene, cameras, generator)
            for weight, loss in self._terms
            if weight(progress)
        ]
        return torch.stack(values).sum() if values else render.rgb.new_zeros(())
