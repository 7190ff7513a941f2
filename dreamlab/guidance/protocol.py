"""What the loop asks of a distillation method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance.prompts import ViewPrompts


@runtime_checkable
class Guidance(Protocol):
    """One distillation method: renders in, a loss with gradient W(t) * (x - x0_hat) / B out."""

    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        """progress runs 0..1 over the stage."""
        ...

    def state_dict(self) -> dict[str, Tensor]: ...

    def load_state_dict(self, state: dict[str, Tensor]) -> None: ...


class Source(Protocol):
    """A scene as it stood when a stage began; its state travels with the method's."""

    def __call__(self, cameras: Cameras, background: Float[Tensor, "B H W 3"]) -> RenderOutput:
        """Its views before a background, without light and without gradient."""
        ...

    def state_dict(self) -> dict[str, Tensor]: ...

    def load_state_dict(self, state: dict[str, Tensor]) -> None: ...


@runtime_checkable
class Edits(Protocol):
    """A method that compares the scene with what it was."""

    def set_source(self, freeze: Callable[[], Source]) -> None:
        """Called before the stage's first step: `freeze()` is the scene as it stands."""
        ...
