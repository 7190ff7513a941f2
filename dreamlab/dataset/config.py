"""Settings of a data set, all of them; what it is compared by when it is gone on with."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from dreamlab.dataset.backgrounds import BackgroundConfig, Transparent
from dreamlab.dataset.cameras import CamerasConfig, SphereConfig
from dreamlab.dataset.formats import FormatConfig
from dreamlab.dataset.formats.nerfstudio import NerfstudioFormat
from dreamlab.dataset.lights import LightsConfig, ThreePoint
from dreamlab.dataset.record import SPLITS, Buffer, Split

Side = Annotated[int, Field(ge=8, le=8192)]
DepthFile = Literal["png", "exr"]


class DatasetConfig(BaseModel):
    """What is rendered, from where, and how it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: FormatConfig = NerfstudioFormat()
    views: int = Field(default=100, ge=1, le=1_000_000, description="views of each scene")
    size: tuple[Side, Side] = Field(default=(512, 512), description="(height, width) in pixels")
    fovy: float = Field(default=40.0, ge=1, le=150, description="vertical field of view in degrees")
    cameras: CamerasConfig = SphereConfig()
    lights: LightsConfig = ThreePoint()
    background: BackgroundConfig = Transparent()
    buffers: tuple[Buffer, ...] = Field(
        default=("depth", "normal", "normal_camera", "mask", "parts", "instances"),
        description="what is written beside the colour; parts and instances only where there are any",
    )
    depth: tuple[DepthFile, ...] = Field(default=("png",), min_length=1)
    depth_unit: float = Field(
        default=0.001, gt=0, allow_inf_nan=False, description="metres of one step of 16-bit depth"
    )
    split: tuple[float, float, float] = Field(
        default=(0.8, 0.1, 0.1), description="shares of train, val and test"
    )
    scale: Literal["keep", "unit"] | Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default="keep",
        description="'keep': as each mesh has it; 'unit': into the unit ball around the origin; or the "
        "length of the longest side in metres",
    )
    samples: int = Field(
        default=2, ge=1, le=8, description="samples of a pixel each way, for colour and alpha"
    )
    objects: int = Field(default=1, ge=1, le=100, description="objects of a scene")
    scenes: int = Field(default=1, ge=1, le=100_000, description="scenes, where they have several objects")
    seed: int = Field(default=0, ge=0, lt=2**63)

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if min(self.split) < 0 or not math.isclose(sum(self.split), 1, abs_tol=1e-6):
            raise ValueError(f"split must be three shares that add up to 1, got {self.split}")
        return self

    def rng(self, *keys: int) -> np.random.Generator:
        """The randomness for something, by its keys: the same whatever else was drawn before."""
        return np.random.default_rng([self.seed, *keys])

    def splits(self, scene: int) -> list[Split]:
        """The split of each view of a scene, mixed by the seed. No split with a share is empty where there
        are views enough."""
        counts = shared_out(self.views, self.split)
        names: list[Split] = []
        for name, count in zip(SPLITS, counts, strict=True):
            names.extend(name for _ in range(count))
        order = self.rng(scene, 1).permutation(self.views)
        out: list[Split] = ["train"] * self.views
        for place, name in zip(order.tolist(), names, strict=True):
            out[place] = name
        return out


def shared_out(n: int, shares: tuple[float, ...]) -> list[int]:
    """n things by shares that add up to 1: largest remainders, but one at least for every share above 0 as
    far as they go, taken from the largest."""
    exact = [n * share for share in shares]
    counts = [math.floor(x + 1e-9) for x in exact]
    by_rest = sorted(range(len(shares)), key=lambda k: counts[k] - exact[k])
    for k in by_rest[: n - sum(counts)]:
        counts[k] += 1
    for k, share in enumerate(shares):
        most = max(range(len(counts)), key=lambda j: counts[j])
        if share > 0 and counts[k] == 0 and counts[most] > 1:
            counts[k], counts[most] = 1, counts[most] - 1
    return counts
