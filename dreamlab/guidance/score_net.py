"""A small trainable score model for variational distillation, for priors that have no trainable copy of
themselves.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dreamlab.core.diffusion import Image, per_image
from dreamlab.core.types import Cameras, Condition, Views
from dreamlab.priors.protocols import Prior

FREQUENCIES = 6


def camera_features(cameras: Cameras) -> Float[Tensor, "B 5"]:
    """Where each camera stands, smoothly around the circle."""
    azimuth, elevation = cameras.azimuth, cameras.elevation
    return torch.stack(
        [azimuth.sin(), azimuth.cos(), elevation.sin(), elevation.cos(), cameras.distance.log()], dim=1
    )


class ScoreNet(nn.Module):
    """x0_phi = x0_prior - sigma * net(z, x0_prior, t, camera): the prior's own answer and a learnt
    correction.

    The part that a LoRA plays in ProlificDreamer, for any prior: the last layer starts at zero, so that it
    starts as the prior itself, and what it learns is by how much the renders differ from the prior's images.
    The factor sigma makes the net predict a velocity.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(
            nn.Linear(2 * FREQUENCIES + 5, width), nn.SiLU(), nn.Linear(width, 2 * width)
        )
        self.first = nn.Conv2d(2 * channels, width, 3, padding=1)
        self.middle = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, channels, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        self.last.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, z: Image, x0_prior: Image, t: Float[Tensor, " B"], cameras: Cameras) -> Image:
        """The velocity that is taken off, before the factor sigma."""
        angles = t[:, None] * (math.pi * 2.0 ** torch.arange(FREQUENCIES, device=t.device, dtype=t.dtype))
        known = torch.cat([angles.sin(), angles.cos(), camera_features(cameras).to(t)], dim=1)
        scale, shift = self.embed(known)[:, :, None, None].chunk(2, dim=1)
        hidden = torch.nn.functional.silu(self.first(torch.cat([z, x0_prior], dim=1)) * (1 + scale) + shift)
        return self.last(torch.nn.functional.silu(self.middle(hidden)) + hidden)


class AdaptedPrior(nn.Module):
    """A frozen prior with a ScoreNet on top, callable as (z, t, condition, views) -> x0_phi."""

    def __init__(self, prior: Prior, width: int) -> None:
        super().__init__()
        self._prior = [prior]  # in a list: the prior's weights are not this module's
        self.net = ScoreNet(prior.channels, width)

    def forward(self, z: Image, t: Float[Tensor, " B"], condition: Condition, views: Views) -> Image:
        prior = self._prior[0]
        with torch.no_grad():
            x0 = prior.denoise(z, t, condition, views).to(z.dtype)
        sigma = prior.alpha_sigma(t)[1]
        velocity = self.net(z.float(), x0.float(), t.float(), views.cameras)
        return x0 - per_image(sigma, z) * velocity.to(z.dtype)
