"""Where the cameras of a data set stand: rings, a sphere, a random hemisphere, a spiral, or a path.

All look through one lens. Angles in settings are degrees, as on the command line.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor
from typing_extensions import Self

from dreamlab.core.cameras import look_at_cameras, orbit_cameras
from dreamlab.core.errors import InputError
from dreamlab.core.types import Cameras
from dreamlab.dataset.world import from_z_up

GOLDEN = math.pi * (3 - math.sqrt(5))  # the golden angle
STEEPEST = 0.9999  # cosine to the vertical up to which a camera's up is known
Range = tuple[float, float]


class Frame(NamedTuple):
    """What the cameras are to hold: a ball of `radius` around `centre` [3], seen with `fovy` (radians) in
    pictures of size (H, W)."""

    centre: Float[Tensor, " 3"]
    radius: float
    fovy: float
    size: tuple[int, int]

    @property
    def distance(self) -> float:
        """From which the ball just fits into the picture, the narrower way."""
        height, width = self.size
        half = math.atan(math.tan(self.fovy / 2) * min(1.0, width / height))
        return self.radius / math.sin(half)


class _Placed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    distance: Range = (1.1, 1.1)
    """Nearest and furthest, in distances from which the object just fits."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not 0.1 <= self.distance[0] <= self.distance[1] <= 100:
            raise ValueError(f"distance must be two rising numbers within 0.1 and 100, got {self.distance}")
        return self

    def _around(
        self, frame: Frame, azimuth: np.ndarray, elevation: np.ndarray, rng: np.random.Generator
    ) -> Cameras:
        """Cameras at these angles (radians) around the frame's centre."""
        factor = rng.uniform(*self.distance, size=len(azimuth))
        angles = _tensor(azimuth), _tensor(elevation)
        fovy = torch.full((len(azimuth),), frame.fovy)
        cameras = orbit_cameras(*angles, _tensor(factor * frame.distance), fovy, frame.size)
        cameras.c2w[:, :3, 3] += frame.centre
        return cameras


class OrbitConfig(_Placed):
    """Rings at these elevations, each once around from the front; the views are shared out evenly."""

    kind: Literal["orbit"] = "orbit"
    elevation: tuple[Annotated[float, Field(ge=-90, le=90)], ...] = Field(default=(20.0,), min_length=1)

    def cameras(self, n: int, frame: Frame, rng: np.random.Generator) -> Cameras:
        rings = len(self.elevation)
        share = [n // rings + (k < n % rings) for k in range(rings)]
        # each ring begins a part of a step further on, so that no two views look from above one another
        azimuth = [(np.arange(m) + k / rings) * 2 * math.pi / max(m, 1) for k, m in enumerate(share)]
        elevation = np.repeat(np.radians(self.elevation), share)
        return self._around(frame, np.concatenate(azimuth), elevation, rng)


class _Banded(_Placed):
    elevation: Range = (-90.0, 90.0)

    @model_validator(mode="after")
    def _within(self) -> Self:
        if not -90 <= self.elevation[0] <= self.elevation[1] <= 90:
            raise ValueError(f"elevation must be two rising angles within -90 and 90, got {self.elevation}")
        return self

    def _sines(self) -> tuple[float, float]:
        low, high = (math.sin(math.radians(e)) for e in self.elevation)
        return low, high


class SphereConfig(_Banded):
    """Evenly spread over the sphere, or the band of it between two elevations: a Fibonacci lattice (Gonzalez
    2010), from below to above."""

    kind: Literal["sphere"] = "sphere"

    def cameras(self, n: int, frame: Frame, rng: np.random.Generator) -> Cameras:
        low, high = self._sines()
        height = low + (high - low) * (np.arange(n) + 0.5) / max(n, 1)
        return self._around(frame, (np.arange(n) * GOLDEN) % (2 * math.pi), np.arcsin(height), rng)


class HemisphereConfig(_Banded):
    """At random by the seed, uniform by area, over the upper half or between two elevations."""

    kind: Literal["hemisphere"] = "hemisphere"
    elevation: Range = (0.0, 90.0)

    def cameras(self, n: int, frame: Frame, rng: np.random.Generator) -> Cameras:
        azimuth = rng.uniform(0, 2 * math.pi, n)
        return self._around(frame, azimuth, np.arcsin(rng.uniform(*self._sines(), size=n)), rng)


class SpiralConfig(_Banded):
    """A trajectory that winds up from the lower elevation to the higher one."""

    kind: Literal["spiral"] = "spiral"
    elevation: Range = (-10.0, 60.0)
    turns: float = Field(default=3.0, gt=0, le=1000)

    def cameras(self, n: int, frame: Frame, rng: np.random.Generator) -> Cameras:
        along = np.arange(n) / max(n - 1, 1)
        low, high = np.radians(self.elevation)
        return self._around(frame, along * self.turns * 2 * math.pi, low + (high - low) * along, rng)


class Keyframe(BaseModel):
    """Where the camera stands and what it looks at, in the data set's world (metres, +Z up)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    position: tuple[float, float, float]
    target: tuple[float, float, float] = (0.0, 0.0, 0.0)


class KeyframesConfig(BaseModel):
    """A trajectory through keyframes, smooth (Catmull and Rom 1974), the views evenly shared between them;
    `closed` ends it where it began."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["keyframes"] = "keyframes"
    keyframes: tuple[Keyframe, ...] = Field(min_length=2)
    closed: bool = False

    @classmethod
    def read(cls, path: Path) -> KeyframesConfig:
        """Keyframes from JSON: {"keyframes": [{"position": [x, y, z], "target": [x, y, z]}, ...]}.

        Raises InputError for a file that holds none.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls.model_validate(values)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error).replace("\n", " ")
            raise InputError(
                f"{path} cannot be read as a path of cameras",
                expected='JSON such as {"keyframes": [{"position": [3, 0, 1], "target": [0, 0, 0]}, ...]}',
                got=reason or "nothing",
            ) from error

    def cameras(self, n: int, frame: Frame, rng: np.random.Generator) -> Cameras:
        keys = np.array([[*key.position, *key.target] for key in self.keyframes])
        path = catmull_rom(keys, n, self.closed)
        position, target = from_z_up(path[:, :3]), from_z_up(path[:, 3:])
        sight = position - target
        steep = np.abs(sight[:, 1]) >= STEEPEST * np.linalg.norm(sight, axis=1)
        if steep.any():
            raise InputError(
                f"view {int(steep.argmax())} of the path looks straight up or down, or at where it stands",
                mend="Move that keyframe a little aside",
            )
        up = torch.tensor([0.0, 1.0, 0.0]).expand(n, 3)
        fovy = torch.full((n,), frame.fovy)
        cameras = look_at_cameras(_tensor(position), _tensor(target), up, fovy, frame.size)
        return replace(cameras, distance=(cameras.c2w[:, :3, 3] - frame.centre).norm(dim=1))


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).float()


def catmull_rom(keys: Float[np.ndarray, "K C"], n: int, closed: bool = False) -> Float[np.ndarray, "n C"]:
    """n points, evenly spaced in the parameter, on the uniform Catmull-Rom spline through K >= 2 keys: from
    the first to the last, or around and not quite back to the first. Each key is reached."""
    spans = len(keys) if closed else len(keys) - 1
    t = np.arange(n) * spans / max(n if closed else n - 1, 1)
    k = np.minimum(t.astype(int), spans - 1)
    u = (t - k)[:, None]
    if closed:
        before, here, there, after = (keys[(k + i) % len(keys)] for i in (-1, 0, 1, 2))
    else:  # beyond the ends the path goes straight on
        ends = np.concatenate([2 * keys[:1] - keys[1:2], keys, 2 * keys[-1:] - keys[-2:-1]])
        before, here, there, after = (ends[k + i] for i in range(4))
    square = 2 * before - 5 * here + 4 * there - after
    cube = 3 * (here - there) + after - before
    return here + u / 2 * (there - before + u * (square + u * cube))


CamerasConfig = Annotated[
    OrbitConfig | SphereConfig | HemisphereConfig | SpiralConfig | KeyframesConfig,
    Field(discriminator="kind"),
]
