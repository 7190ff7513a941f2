"""The mean picture of a prompt from a camera: a light field network that is conditioned on text.

A light field network (Sitzmann et al. 2021, section 3) answers for every ray alone what it sees; scale and
shift by the prompt (FiLM: Perez et al. 2018) make it that of the mean object of this description. Which of
two things is the red one, though, the summary of a prompt hardly says; so rays look at its words too. Where
almost everything is noise, this mean is the answer, and a convolutional network learns it slowly: it has to
build a picture from numbers that are the same at every pixel. So the U-Net is shown it.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dreamlab.priors.embedded.attention import TextAttention

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
    """Plücker rays [B,6,S/4,S/4], what is known of prompt and camera [B,features] and the words [B,L,D] with
    mask [B,L] -> mean images [B,channels,S,S].

    words: width of a word, and of a head of the attention that is paid to them halfway.
    """

    def __init__(
        self, features: int, channels: int, width: int, depth: int, embedding: int, words: tuple[int, int]
    ) -> None:
        super().__init__()
        self.embed = nn.Sequential(
            nn.Linear(features, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU()
        )
        self.enter = nn.Linear(6 * (1 + 2 * len(FREQUENCIES)), width)
        self.layers = nn.ModuleList(ModulatedLayer(width, embedding) for _ in range(depth))
        self.words = TextAttention(width, *words)
        self.leave = nn.Linear(width, channels * PATCH**2)
        nn.init.zeros_(self.leave.weight)

    def forward(
        self,
        rays: Float[Tensor, "B 6 s s"],
        features: Float[Tensor, "B F"],
        text: Float[Tensor, "B L D"],
        mask: Bool[Tensor, "B L"],
    ) -> Float[Tensor, "B C S S"]:
        condition = self.embed(features)
        h = self.enter(encoded(rays.flatten(2).transpose(1, 2)))
        for number, layer in enumerate(self.layers):
            if number == len(self.layers) // 2:
                h = self.words(h, text, mask)
            h = layer(h, condition)
        patches = self.leave(F.layer_norm(h, h.shape[-1:])).transpose(1, 2)
        return F.pixel_shuffle(patches.unflatten(2, rays.shape[2:]), PATCH)


def encoded(rays: Float[Tensor, "B N 6"]) -> Float[Tensor, "B N K"]:
    """The coordinates, and their sines and cosines at FREQUENCIES (NeRF, Mildenhall et al. 2020, eq. 4)."""
    angles = [rays * (f * math.pi / 2) for f in FREQUENCIES]
    return torch.cat([rays, *(wave for a in angles for wave in (a.sin(), a.cos()))], dim=-1)
