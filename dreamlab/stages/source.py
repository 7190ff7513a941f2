"""A scene as it stood when a stage began, for methods that edit it."""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras, RenderOutput
from dreamlab.render.base import Renderer
from dreamlab.stages.base import Optimisable, OptimiseConfig


class FrozenScene:
    """A copy of a scene that no longer changes, rendered as the stage renders: see
    dreamlab.guidance.protocol.Source.

    Raises ConfigError for a stage with light: the copy is seen by its albedo, and would differ by the light.
    """

    def __init__(self, scene: Optimisable, renderer: Renderer, stage: OptimiseConfig) -> None:
        if stage.shading.kind != "albedo":
            raise ConfigError(
                f"the stage {stage.name!r} edits an object, and compares it with what it was without light",
                expected="shading.kind albedo",
                got=stage.shading.kind,
            )
        self._scene = copy.deepcopy(scene)
        self._renderer = renderer.config.build().to(next(iter(scene.parameters())).device)
        self._renderer.prepare(self._scene)

    @torch.no_grad()
    def __call__(self, cameras: Cameras, background: Float[Tensor, "B H W 3"]) -> RenderOutput:
        return self._renderer(self._scene, cameras, background=lambda directions, generator: background)

    def state_dict(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self._scene.state_dict().items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._scene.load_state_dict(state)
        self._renderer.prepare(self._scene)
