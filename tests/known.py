"""A prior that knows one object, a red ball, and settings so small that a whole run takes a second or two."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dreamlab.core.cameras import turntable
from dreamlab.core.types import Condition, Views
from dreamlab.priors.analytic import TargetImagesPrior
from dreamlab.run.config import RunConfig
from dreamlab.run.resolve import from_values, merge

SIZE = 16
# Of the ball whose silhouette the prior draws: a disc over half the image, 2.5 away, fovy 0.7 radians.
BALL_RADIUS = 2.5 * math.sin(math.atan(0.5 * math.tan(0.35)))


def red_ball_prior() -> TargetImagesPrior:
    """Eight views of a red disc on grey, as seen from anywhere."""
    cameras = turntable(8, 0.3, 2.5, 0.7, (SIZE, SIZE))
    axis = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
    inside = (axis[:, None] ** 2 + axis[None] ** 2 < 0.5**2).float()
    alpha = inside.expand(8, 1, SIZE, SIZE)
    red = torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1) * alpha
    return TargetImagesPrior(torch.cat([red, alpha], dim=1), cameras)


class BallSDF(nn.Module):
    """A grey ball that knows its distance in closed form, times `slope`; and is as hard as it says."""

    finest_cell = 2 / 64

    def __init__(self, radius: float, slope: float = 1.0, hardness: float = 300.0) -> None:
        super().__init__()
        self.radius, self.slope, self.hardness = radius, slope, hardness

    def distance(self, x: torch.Tensor) -> torch.Tensor:
        return self.slope * (x.norm(dim=-1) - self.radius)

    def density(self, x: torch.Tensor) -> torch.Tensor:
        return self.hardness * torch.sigmoid(-self.distance(x) / 0.01)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.density(x), torch.full_like(x, 0.5)


class Balls(TargetImagesPrior):
    """Red balls and, where the prompt says so, blue ones; without text, both. It can be shown a picture."""

    def __init__(self) -> None:
        red = red_ball_prior()
        self.__dict__.update(red.__dict__)
        self.colors = (red.images, red.images[:, [2, 1, 0, 3]])

    def embed(self, prompts: Sequence[str]) -> Condition:
        share = torch.tensor([[[float("blue" in p) if p else 0.5]] for p in prompts])
        return Condition(share, torch.ones(len(prompts), 1, dtype=torch.bool))

    def denoise(self, z_t: Tensor, t: Tensor, condition: Condition, views: Views | None = None) -> Tensor:
        share, answers = condition.tokens[:, :, :, None], []
        for images in self.colors:
            self.images = images
            answers.append(super().denoise(z_t, t, condition, views))
        return (1 - share) * answers[0] + share * answers[1]

    def denoise_with_image(
        self,
        z_t: Tensor,
        t: Tensor,
        condition: Condition,
        image: Tensor,
        views: Views | None = None,
    ) -> Tensor:
        return (self.denoise(z_t, t, condition, views) + image) / 2


SMALL_END: list[Any] = [
    {"kind": "extract", "resolution": 24, "views": 4, "view_size": 24, "refine": 2},
    "clean",
    {"kind": "simplify", "faces": 300, "color_weight": 0.01},
    {"kind": "texture", "into": "vertices"},
    {"kind": "export"},
    {"kind": "turntable", "frames": 0},
]
"""What turns the field of a tiny run into files."""


def small_values(**changes: Any) -> dict[str, Any]:
    """Plain settings of a tiny run; `changes` replace whole top-level settings, but a mapping for `stages`
    only changes those that it names."""
    values = {
        "prompt": "a red ball",
        "seed": 3,
        "device": "cpu",
        "guidance": {"kind": "sds"},
        "cfg": {"text": 1.0, "camera": None, "mean_color": None},
        "noise": {"t_min": 0.02, "t_max": 0.98, "shared": False},
        "field": {
            "kind": "hashgrid",
            "levels": 2,
            "log2_table_size": 10,
            "finest_resolution": 32,
            "width": 16,
            "density": {"strength": 10.0, "scale": 1.0},  # whatever the presets begin with
        },
        "renderer": {"samples": 24, "occupancy": {"resolution": 16}},
        "stages": [
            {"name": "shape", "steps": 8, "views": 4, "lr": 0.02},
            {"name": "colour", "steps": 4, "views": 4, "lr": 0.01},
            *copy.deepcopy(SMALL_END),
        ],
        "saving": {"checkpoint_every": 3, "preview_every": 5, "preview_size": 16},
    }
    if isinstance(changes.get("stages"), dict):
        changes["stages"] = merge(values, {"stages": changes["stages"]})["stages"]
    return values | changes


def small_config(**changes: Any) -> RunConfig:
    return from_values(small_values(**changes))
