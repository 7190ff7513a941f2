"""How a surface is lit: plain albedo, lambertian with a point light, or the same on white clay.

DreamFusion (Poole et al. 2022, eq. 7 and A.2): colour = albedo * (diffuse * max(0, n . l) + ambient), l the
unit vector from the surface to the light.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional as F

from dreamlab.core.types import Cameras


@dataclass(frozen=True)
class Shading:
    """One light a view. `mode` "textureless" replaces the albedo by white; "albedo" ignores the light."""

    mode: Literal["albedo", "lambertian", "textureless"]
    light: Float[Tensor, "B 3"]
    ambient: float = 1.0
    diffuse: float = 0.0

    @staticmethod
    def albedo() -> Shading:
        return Shading("albedo", torch.zeros(1, 3))

    @property
    def needs_normals(self) -> bool:
        return self.mode != "albedo"


def shade(
    albedo: Float[Tensor, "N 3"],
    normal: Float[Tensor, "N 3"],
    position: Float[Tensor, "N 3"],
    light: Float[Tensor, "N 3"],
    shading: Shading,
) -> Float[Tensor, "N 3"]:
    """Colour of surface points under a light at `light`; unit normals. Result may exceed 1 only if the
    lights' sum does."""
    if shading.mode == "albedo":
        return albedo
    to_light = F.normalize(light - position, dim=-1, eps=1e-6)
    lambert = (normal * to_light).sum(-1, keepdim=True).clamp_min(0)
    base = torch.ones_like(albedo) if shading.mode == "textureless" else albedo
    return base * (shading.diffuse * lambert + shading.ambient)


class AlbedoShadingConfig(BaseModel):
    """No light at all: what is rendered is the albedo."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["albedo"] = "albedo"

    def build(self) -> AlbedoShading:
        return AlbedoShading()


class AlbedoShading:
    """See AlbedoShadingConfig."""

    def sample(self, cameras: Cameras, progress: float, generator: torch.Generator) -> Shading:
        return Shading.albedo()


class LitShadingConfig(BaseModel):
    """DreamFusion's rule: albedo alone until `albedo_until`, then lit with probability `lit`, and of the
    lit steps `textureless` of them on white clay. With the defaults 25 % albedo, 37.5 % each of the others.

    The light stands in direction N(camera position, 1), at a distance sampled from `light_distance`. With
    `light_cone` its angle from the camera's direction is even in 0..light_cone degrees instead (Magic3D: 60).
    `soft`
    samples the ambient share uniformly between `ambient` and 1 for every lit step (Magic3D's soft shading);
    the diffuse share is the rest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["lit"] = "lit"
    albedo_until: float = Field(default=1000 / 15000, ge=0.0, le=1.0)
    lit: float = Field(default=0.75, ge=0.0, le=1.0)
    textureless: float = Field(default=0.5, ge=0.0, le=1.0)
    ambient: float = Field(default=0.1, ge=0.0, le=1.0)
    soft: bool = False
    light_distance: tuple[float, float] = (0.8, 1.5)
    light_cone: float | None = Field(default=None, ge=0.0, le=180.0)

    def build(self) -> LitShading:
        return LitShading(self)


class LitShading:
    """See LitShadingConfig."""

    def __init__(self, config: LitShadingConfig) -> None:
        self.config = config

    def sample(self, cameras: Cameras, progress: float, generator: torch.Generator) -> Shading:
        """One mode for the step, one light a view. Always draws the same amount of randomness."""
        c = self.config
        coin, clay, softness = torch.rand(3, generator=generator).tolist()
        position, noise = cameras.c2w[:, :3, 3].cpu(), torch.randn(len(cameras), 3, generator=generator)
        toward = position + noise if c.light_cone is None else _within_cone(position, noise, c.light_cone)
        near, far = c.light_distance
        reach = near + (far - near) * torch.rand(len(cameras), 1, generator=generator)
        if progress < c.albedo_until or coin >= c.lit:
            return Shading.albedo()
        ambient = c.ambient + (1 - c.ambient) * softness if c.soft else c.ambient
        mode = "textureless" if clay < c.textureless else "lambertian"
        return Shading(mode, F.normalize(toward, dim=-1) * reach, ambient, 1 - ambient)


def _within_cone(
    axis: Float[Tensor, "B 3"], noise: Float[Tensor, "B 3"], degrees: float
) -> Float[Tensor, "B 3"]:
    """Unit vectors at even angles 0..degrees from the axes. The noise along an axis is standard normal and
    gives the angle; across it, it gives the side.
    """
    axis = F.normalize(axis, dim=-1)
    along = (noise * axis).sum(-1, keepdim=True)
    angle = torch.special.ndtr(along) * math.radians(degrees)
    return angle.cos() * axis + angle.sin() * F.normalize(noise - along * axis, dim=-1)


ShadingConfig = Annotated[AlbedoShadingConfig | LitShadingConfig, Field(discriminator="kind")]
