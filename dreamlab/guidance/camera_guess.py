"""From which side a picture was taken, by a prior that knows what a prompt shows on average from any side."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.types import Cameras, RenderOutput
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.reference import Picture
from dreamlab.priors.protocols import HasConditionalMean, Prior

SIDES = 24
"""Azimuths that are compared."""
CLEARLY = 0.95
"""Share of the front's difference that another side must have at most, to be taken instead."""


class GuessedCamera(NamedTuple):
    """azimuth in degrees, 0..360; how far the picture is from the mean picture of that side, and of the
    front."""

    azimuth: float
    apart: float
    front: float


@torch.no_grad()
def guess_azimuth(prior: Prior, prompts: ViewPrompts, picture: Picture) -> GuessedCamera | None:
    """The side whose mean picture under the prompt is nearest to the picture, in the prior's own space; the
    front unless another is CLEARLY nearer, as for what looks the same from all sides. None for a prior that
    knows no mean pictures.

    Elevation and lens are the picture's own. What of an image depends on depth, which a picture does not
    tell, is left out.
    """
    if not isinstance(prior, HasConditionalMean):
        return None
    cameras = _around(picture.camera.resized(prior.resolution, prior.resolution))
    cameras = cameras.to(prompts.positive(cameras).tokens.device)
    x, fixed = _encoded(prior, picture, cameras)
    apart = (prior.mean(prompts.positive(cameras), cameras) - x)[:, fixed].square().mean((1, 2, 3)).sqrt()
    best = int(apart.argmin())
    best = best if float(apart[best]) < CLEARLY * float(apart[0]) else 0
    return GuessedCamera(360.0 * best / SIDES, float(apart[best]), float(apart[0]))


def _around(camera: Cameras) -> Cameras:
    """The camera at all sides, the front first."""
    azimuth = torch.arange(SIDES) * (2 * math.pi / SIDES)
    height, away, lens = (v.expand(SIDES) for v in (camera.elevation, camera.distance, camera.fovy))
    return orbit_cameras(azimuth, height, away, lens, camera.size)


def _encoded(prior: Prior, picture: Picture, cameras: Cameras) -> tuple[Float[Tensor, "B C h w"], Tensor]:
    """The picture in the prior's space, once for every camera; and which channels do not look at depth."""
    shape = (len(cameras), *cameras.size)
    color, opacity = picture.sized(torch.zeros(*shape, 3, device=cameras.c2w.device))
    black, solid = torch.zeros(*shape, 3).to(color), opacity.expand(*shape, 1)
    near, far = (
        prior.encode(RenderOutput(color.expand(*shape, 3), solid, solid * depth, black), cameras).x
        for depth in (1.0, 2.0)
    )
    return near, ((near - far).abs() < 1e-6).all(3).all(2).all(0)
