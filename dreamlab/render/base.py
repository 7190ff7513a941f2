"""What the loop asks of a renderer, whatever sort of scene it renders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Any, ClassVar, Literal, Protocol

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from typing_extensions import Self

from dreamlab.core.types import Buffer, Cameras, RenderOutput
from dreamlab.render.shading import Shading

BackgroundFunction = Callable[[Float[Tensor, "B H W 3"], torch.Generator | None], Float[Tensor, "B H W 3"]]


class RendererSettings(BaseModel, ABC):
    """Base of a renderer's settings. `draws` is the sort of scene that it can render: a run that would give
    it another is refused before anything is loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    draws: ClassVar[Literal["field", "mesh"]] = "field"

    @abstractmethod
    def build(self) -> Renderer: ...


class Renderer(Protocol):
    """Scene and cameras to images. What it learns of a scene on the way is its state."""

    config: Any
    """Its settings; `config.build()` makes another like it."""

    def __call__(
        self,
        scene: Any,
        cameras: Cameras,
        *,
        background: BackgroundFunction,
        shading: Shading | None = None,
        generator: torch.Generator | None = None,
        buffers: Collection[Buffer] = (),
    ) -> RenderOutput:
        """Render the scene. Differentiable with respect to the scene and the background.

        Args:
            background: colours for ray directions [B,H,W,3].
            shading: how to light; None is plain albedo.
            generator: of whatever is sampled, here and for the background; None for still images.
            buffers: what to fill beside colour, opacity and depth.

        Raises ConfigError for a sort of scene that it does not render.
        """
        ...

    def update(self, scene: Any, step: int, generator: torch.Generator) -> None:
        """Keep up with a scene that changes; call once a training step, before rendering."""
        ...

    def prepare(self, scene: Any) -> None:
        """Forget what is known, and learn all there is to know of a scene that will not change."""
        ...

    def reset(self) -> None:
        """Forget what is known of the scene."""
        ...

    def take_over(self, other: Renderer) -> None:
        """Know what another renderer has learned of the scene, as far as it fits."""
        ...

    def to(self, device: torch.device | str) -> Any: ...

    def state_dict(self) -> dict[str, Tensor]: ...

    def load_state_dict(self, state: dict[str, Tensor]) -> None: ...


class Stateless:
    """What a Renderer says that learns nothing of a scene and needs no more than to be called."""

    def update(self, scene: Any, step: int, generator: torch.Generator) -> None:
        """Nothing to keep up with."""

    def prepare(self, scene: Any) -> None:
        """Nothing to learn."""

    def reset(self) -> None:
        """Nothing to forget."""

    def take_over(self, other: Renderer) -> None:
        """Nothing to know."""

    def to(self, device: torch.device | str) -> Self:
        return self

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Raises ValueError for a state of another renderer."""
        if state:
            name = type(self).__name__
            raise ValueError(f"{name} has no state, but got {', '.join(sorted(state))}")
