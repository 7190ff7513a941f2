"""Whether views can be of one object: the visual hull of their silhouettes, seen again from every camera.

Whatever a set of silhouettes can have in common lies in their visual hull (Laurentini 1994). Silhouettes of
one object are those of its hull; where views contradict each other, the hull is cut away and shows less.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.types import Cameras


def silhouette_consistency(
    opacity: Float[Tensor, "B H W"], cameras: Cameras, resolution: int = 80
) -> Float[Tensor, " B"]:
    """Soft IoU of every silhouette with that of all silhouettes' visual hull, 0 to 1.

    The hull is sampled at resolution^3 points of the cube around the unit sphere, which should lie no further
    apart than pixels. Views of one object reach about 0.95: pixels are no points.
    """
    height, width = opacity.shape[1:]
    points = _grid(resolution).to(opacity)
    hull = torch.ones(len(points)).to(opacity)
    pixels = []
    for view, silhouette in enumerate(opacity):
        at = _projected(points, cameras, view)
        seen = F.grid_sample(silhouette[None, None], at[None, None], align_corners=False)
        hull = torch.minimum(hull, seen.flatten())
        column = ((at[:, 0] + 1) * width / 2).long().clamp(0, width - 1)
        pixels.append(((at[:, 1] + 1) * height / 2).long().clamp(0, height - 1) * width + column)
    empty = torch.zeros(height * width).to(opacity)
    again = torch.stack([empty.scatter_reduce(0, at, hull, "amax") for at in pixels]).view_as(opacity)
    both, either = torch.minimum(again, opacity), torch.maximum(again, opacity)
    return both.sum((1, 2)) / either.sum((1, 2)).clamp_min(1e-6)


def _grid(resolution: int) -> Float[Tensor, "N 3"]:
    axis = (torch.arange(resolution) + 0.5) * (2 / resolution) - 1
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).view(-1, 3)


def _projected(points: Float[Tensor, "N 3"], cameras: Cameras, view: int) -> Float[Tensor, "N 2"]:
    """Where points appear in a view: x to the right, y downwards, the picture's edges at -1 and 1."""
    c2w = cameras.c2w[view].to(points)
    across, up, back = ((points - c2w[:3, 3]) @ c2w[:3, :3]).unbind(-1)
    height, width = cameras.size
    depth = (-back).clamp_min(1e-6) * torch.tan(cameras.fovy[view].to(points) / 2)
    return torch.stack([across / depth * height / width, -up / depth], dim=-1)
