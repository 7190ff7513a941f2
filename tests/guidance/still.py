"""A source of an edit that needs no scene."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamlab.core.types import Cameras, RenderOutput


class Still:
    """Points [B,2] as B pixels, whatever the camera."""

    def __init__(self, points: Tensor) -> None:
        self.points = points

    def __call__(self, cameras: Cameras, background: Tensor) -> RenderOutput:
        rgb = torch.cat([self.points, torch.zeros_like(self.points[:, :1])], dim=1)[:, None, None]
        one = torch.ones_like(rgb[..., :1])
        return RenderOutput(rgb, one, one, torch.zeros_like(rgb))

    def state_dict(self) -> dict[str, Tensor]:
        return {"points": self.points.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.points = state["points"].clone()
