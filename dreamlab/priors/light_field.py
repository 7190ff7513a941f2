"""The mean picture of a prompt from a camera: a light field network that is conditioned on text.

A light field network (Sitzmann et al. 2021, section 3) answers for every ray alone what it sees; scale and
shift by the prompt (FiLM: Perez et al. 2018) make it that of the mean object of this description. Where
almost everything is noise, this mean is the answer, and a convolutional network learns it slowly: it has to
build a picture from numbers that are the same at every pixel. So the U-Net is shown it.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

FREQUENCIES = (1.0, 2.0, 4.0, 8.0)
"""Of the sines and cosines of a ray's coordinates, in quarter turns."""
PATCH = 4


class ModulatedLayer(nn.Module):
    """A residual layer for tokens; the condition scales and shifts what enters it."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.modulate = nn.Linear(condition, 2 * width)
        self.linear = nn.Linear(width, width)
        nn.init.normal_(self.modulate.weight, std=0.02)

    def forward(self, h: Float[Tensor, "B N W"], condition: Float[Tensor, "B D"]) -> Float[Tensor, "B N W"]:
        scale, shift = self.modulate(condition)[:, None].chunk(2, dim=-1)
        return h + self.linear(F.silu(torch.addcmul(shift, F.layer_norm(h, h.shape[-1:]), 1.0 + scale)))


class LightField(nn.Module):
    """Plücker rays [B,6,S/4,S/4] and what is known of prompt and camera [B,features] -> mean images
    [B,channels,S,S].
    """

    def __init__(self, features: int, channels: int, width: int, depth: int, embedding: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(
            nn.Linear(features, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU()
        )
        self.enter = nn.Linear(6 * (1 + 2 * len(FREQUENCIES)), width)
        self.layers = nn.ModuleList(ModulatedLayer(width, embedding) for _ in range(depth))
        self.leave = nn.Linear(width, channels * PATCH**2)
        nn.init.zeros_(self.leave.weight)

    def forward(
        self, rays: Float[Tensor, "B 6 s s"], features: Float[Tensor, "B F"]
    ) -> Float[Tensor, "B C S S"]:
        condition = self.embed(features)
        h = self.enter(encoded(rays.flatten(2).transpose(1, 2)))
        for layer in self.layers:
            h = layer(h, condition)
        patches = self.leave(F.layer_norm(h, h.shape[-1:])).transpose(1, 2)
        return F.pixel_shuffle(patches.unflatten(2, rays.shape[2:]), PATCH)


def encoded(rays: Float[Tensor, "B N 6"]) -> Float[Tensor, "B N K"]:
    """The coordinates, and their sines and cosines at FREQUENCIES (NeRF, Mildenhall et al. 2020, eq. 4)."""
    angles = [rays * (f * math.pi / 2) for f in FREQUENCIES]
    return torch.cat([rays, *(wave for a in angles for wave in (a.sin(), a.cos()))], dim=-1)
