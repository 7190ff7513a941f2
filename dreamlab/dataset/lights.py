"""The light in the pictures of a data set: Lambert's law in linear light, without shadows."""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

import torch
from jaxtyping import Float
from numpy.random import Generator
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional as F


class Rig(NamedTuple):
    """Distant lights in dreamlab's world: directions towards them [L,3] (unit) and strengths [L]; light from
    everywhere, and from the sky above. The whole is about 1 where the strongest light falls straight."""

    directions: Float[Tensor, "L 3"]
    strengths: Float[Tensor, " L"]
    ambient: float
    sky: float

    def shade(self, albedo: Float[Tensor, "P 3"], normal: Float[Tensor, "P 3"]) -> Float[Tensor, "P 3"]:
        """Linear light from points of this albedo (linear) and unit normal; may be above 1."""
        total = normal[:, 1] * (self.sky / 2) + (self.ambient + self.sky / 2)
        for direction, strength in zip(self.directions, self.strengths.tolist(), strict=True):
            total += (normal @ direction).clamp_min_(0).mul_(strength)
        return albedo * total[:, None]


class _Lights(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NoLights(_Lights):
    """Colours as they are: the albedo."""

    kind: Literal["none"] = "none"

    def rig(self, c2w: Float[Tensor, "4 4"], rng: Generator) -> Rig:
        return Rig(torch.zeros(0, 3), torch.zeros(0), 1.0, 0.0)


class Headlight(_Lights):
    """A light at the camera: it moves with the views, so a place does not look alike from all sides."""

    kind: Literal["headlight"] = "headlight"

    def rig(self, c2w: Float[Tensor, "4 4"], rng: Generator) -> Rig:
        return Rig(c2w[None, :3, 2], torch.tensor([0.7]), 0.15, 0.15)


class Sun(_Lights):
    """One light for all views; degrees, azimuth 0 at the object's front."""

    kind: Literal["sun"] = "sun"
    azimuth: float = 40.0
    elevation: float = Field(default=50.0, ge=-90, le=90)

    def rig(self, c2w: Float[Tensor, "4 4"], rng: Generator) -> Rig:
        return Rig(towards((self.azimuth, self.elevation)), torch.tensor([0.7]), 0.12, 0.25)


class ThreePoint(_Lights):
    """A key light, a weaker one from the other side and one from behind, the same for all views."""

    kind: Literal["three-point"] = "three-point"

    def rig(self, c2w: Float[Tensor, "4 4"], rng: Generator) -> Rig:
        places = towards((-40, 40), (55, 15), (170, 45))
        return Rig(places, torch.tensor([0.6, 0.25, 0.35]), 0.12, 0.1)


class RandomLights(_Lights):
    """Another light for every view, by the seed: its place above, its strength, and the light around."""

    kind: Literal["random"] = "random"

    def rig(self, c2w: Float[Tensor, "4 4"], rng: Generator) -> Rig:
        place = math.degrees(rng.uniform(0, 2 * math.pi)), math.degrees(math.asin(rng.uniform(0.1, 1)))
        strength, ambient, sky = rng.uniform(0.4, 0.9), rng.uniform(0.05, 0.25), rng.uniform(0.05, 0.25)
        return Rig(towards(place), torch.tensor([strength]), ambient, sky)


LightsConfig = Annotated[NoLights | Headlight | Sun | ThreePoint | RandomLights, Field(discriminator="kind")]


def towards(*places: tuple[float, float]) -> Float[Tensor, "L 3"]:
    """Unit vectors towards (azimuth, elevation) in degrees, by the project's orbit convention."""
    angles = torch.tensor(places, dtype=torch.float64).deg2rad()
    azimuth, elevation = angles.unbind(1)
    flat = elevation.cos()
    place = torch.stack([flat * azimuth.sin(), elevation.sin(), flat * azimuth.cos()], 1)
    return F.normalize(place, dim=1).float()
