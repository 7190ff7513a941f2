"""T3Bench's quality of an object: how good is the best side, over views from all around?

(He et al. 2023.) Views from the 162 corners of an icosphere are scored, scores are averaged with those of
neighbouring corners three times, and the best one counts: a good side must be seen from more than one place.
T3Bench scores with ImageReward and takes the best of five lenses; here the judge scores through its own lens,
so figures of the two do not compare.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.types import Cameras

ROUNDS = 3
_STRAIGHT = 1.5  # radians of elevation beyond which the picture's upright is not told


class Icosphere(NamedTuple):
    """corners [162,3] unit vectors; mean [162,162]: the average of each corner and its neighbours."""

    corners: np.ndarray
    mean: Tensor


@cache
def icosphere() -> Icosphere:
    """An icosahedron, divided twice."""
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=2)
    mean = torch.eye(len(ball.vertices))
    for a, b in ball.edges_unique:
        mean[a, b] = mean[b, a] = 1
    return Icosphere(np.asarray(ball.vertices), mean / mean.sum(1, keepdim=True))


def all_around(fovy: float = 0.7, size: int = 64) -> Cameras:
    """Cameras at the corners, that the unit sphere just fills."""
    x, y, z = torch.from_numpy(icosphere().corners).float().T
    one = torch.ones(len(x))
    elevation = torch.asin(y.clamp(-1, 1)).clamp(-_STRAIGHT, _STRAIGHT)
    distance = one / float(np.sin(fovy / 2))
    return orbit_cameras(torch.atan2(x, z) % (2 * torch.pi), elevation, distance, fovy * one, (size, size))


def best_region(scores: Float[Tensor, " corners"]) -> float:
    """The highest score after ROUNDS of averaging with neighbours; scores in the icosphere's order."""
    for _ in range(ROUNDS):
        scores = icosphere().mean.to(scores) @ scores
    return float(scores.max())
