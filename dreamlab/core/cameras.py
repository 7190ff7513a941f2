"""Cameras: orbits, rays and the distributions that training views are sampled from.

One convention (see dreamlab.core.types): OpenGL camera-to-world, world Y up, the object faces +Z; azimuth 0
stands on +Z, azimuth +pi/2 on +X. Pixel centres are at half-integers and image row 0 is the top.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Protocol

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Self

from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras, Rays

Size = tuple[int, int]
Range = tuple[float, float]


# ---- from angles to matrices, rays and clip space ----


def orbit_cameras(
    azimuth: Float[Tensor, " B"],
    elevation: Float[Tensor, " B"],
    distance: Float[Tensor, " B"],
    fovy: Float[Tensor, " B"],
    size: Size,
) -> Cameras:
    """Cameras on an orbit that look at the origin with world Y up; radians. Well defined at the poles too.

    The camera stands at distance * (cos el sin az, sin el, cos el cos az).
    """
    sin_az, cos_az, zero = azimuth.sin(), azimuth.cos(), torch.zeros_like(azimuth)
    back = torch.stack([elevation.cos() * sin_az, elevation.sin(), elevation.cos() * cos_az], dim=-1)
    right = torch.stack([cos_az, zero, -sin_az], dim=-1)
    up = torch.linalg.cross(back, right)
    c2w = _pose(right, up, back, back * distance[:, None])
    return Cameras(c2w, fovy, azimuth, elevation, distance, size)


def look_at_cameras(
    position: Float[Tensor, "B 3"],
    target: Float[Tensor, "B 3"],
    up: Float[Tensor, "B 3"],
    fovy: Float[Tensor, " B"],
    size: Size,
) -> Cameras:
    """Cameras at `position` that look at `target`; azimuth, elevation and distance are those of the position.

    `up` must not be parallel to the line of sight.
    """
    back = F.normalize(position - target, dim=-1)
    right = F.normalize(torch.linalg.cross(up, back), dim=-1)
    c2w = _pose(right, torch.linalg.cross(back, right), back, position)
    distance = position.norm(dim=-1)
    azimuth = torch.atan2(position[:, 0], position[:, 2])
    elevation = torch.asin((position[:, 1] / distance.clamp_min(1e-8)).clamp(-1, 1))
    return Cameras(c2w, fovy, azimuth, elevation, distance, size)


def turntable(n: int, elevation: float, distance: float, fovy: float, size: Size) -> Cameras:
    """n views at evenly spaced azimuths from the front onwards, towards +X first; radians."""
    azimuth = torch.arange(n) * (2 * math.pi / n)
    return orbit_cameras(
        azimuth, torch.full((n,), elevation), torch.full((n,), distance), torch.full((n,), fovy), size
    )


def camera_rays(cameras: Cameras) -> Rays:
    """One ray through every pixel centre, R = B*H*W, view by view in row-major order; unit directions."""
    height, width = cameras.size
    device, dtype = cameras.c2w.device, cameras.c2w.dtype
    half = torch.tan(cameras.fovy / 2)[:, None, None]
    y = 1 - 2 * (torch.arange(height, device=device, dtype=dtype) + 0.5) / height
    x = (2 * (torch.arange(width, device=device, dtype=dtype) + 0.5) / width - 1) * (width / height)
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    local = torch.stack([grid_x * half, grid_y * half, -torch.ones_like(grid_x * half)], dim=-1)
    world = torch.einsum("bij,bhwj->bhwi", cameras.c2w[:, :3, :3], local)
    directions = F.normalize(world, dim=-1).reshape(-1, 3)
    origins = cameras.c2w[:, None, None, :3, 3].expand(-1, height, width, -1).reshape(-1, 3)
    return Rays(origins.contiguous(), directions)


def world_to_clip(cameras: Cameras, near: float = 0.05, far: float = 20.0) -> Float[Tensor, "B 4 4"]:
    """OpenGL projection times view: clip = M @ (x, y, z, 1), with z/w from -1 at `near` to 1 at `far`."""
    height, width = cameras.size
    focal = 1 / torch.tan(cameras.fovy / 2)
    projection = torch.zeros_like(cameras.c2w)
    projection[:, 0, 0] = focal * height / width
    projection[:, 1, 1] = focal
    projection[:, 2, 2] = (far + near) / (near - far)
    projection[:, 2, 3] = 2 * far * near / (near - far)
    projection[:, 3, 2] = -1
    return projection @ torch.linalg.inv(cameras.c2w)


def distance_to_fit(fovy: Float[Tensor, " B"], radius: float = 1.0) -> Float[Tensor, " B"]:
    """The distance at which a sphere of this radius just touches the upper and lower image border."""
    return radius / torch.sin(fovy / 2)


def _pose(right: Tensor, up: Tensor, back: Tensor, position: Tensor) -> Float[Tensor, "B 4 4"]:
    c2w = torch.zeros(right.shape[0], 4, 4, dtype=right.dtype, device=right.device)
    c2w[:, :3] = torch.stack([right, up, back, position], dim=-1)
    c2w[:, 3, 3] = 1
    return c2w


# ---- distributions ----


class CameraDistribution(Protocol):
    """Something that training views are sampled from."""

    def sample(self, n: int, progress: float, generator: torch.Generator) -> Cameras:
        """n cameras on the CPU; progress runs 0..1 over the stage."""
        ...


class OrbitCamerasConfig(BaseModel):
    """Views from an orbit around the origin, in groups of `views` at evenly spaced azimuths with a random
    start.

    Angles in degrees. The distance is the one at which the unit sphere just fits the field of view, times a
    factor sampled from `distance_factor`; with fit "plane" the one at which a plane through the origin, two
    units high, does (MVDream's 1 / tan(fovy / 2)). With `shared`, the views of a group have elevation, fovy
    and distance in common (MVDream's layout); else each view samples its own. Until progress `widen_until`
    the elevation and fovy ranges grow from their middle to their full width. A share `by_area` of elevations
    is uniform by area on the sphere between the bounds, which is nearer to the horizon, not in the angle.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["orbit"] = "orbit"
    views: int = Field(default=4, ge=1)
    shared: bool = True
    elevation: Range = (-10.0, 60.0)
    fovy: Range = (35.0, 45.0)
    distance_factor: Range = (1.0, 1.1)
    fit: Literal["sphere", "plane"] = "sphere"
    by_area: float = Field(default=0.0, ge=0.0, le=1.0)
    widen_until: float = Field(default=0.0, ge=0.0, le=1.0)

    @model_validator(mode="after")
    def _sane(self) -> Self:
        _check_range("elevation", self.elevation, -90, 90)
        _check_range("fovy", self.fovy, 1, 170)
        _check_range("distance_factor", self.distance_factor, 0.1, 10)
        return self

    def build(self, size: Size = (64, 64)) -> OrbitCameras:
        return OrbitCameras(self, size)


class OrbitCameras:
    """See OrbitCamerasConfig."""

    def __init__(self, config: OrbitCamerasConfig, size: Size) -> None:
        self.config, self.size = config, size

    def sample(self, n: int, progress: float, generator: torch.Generator) -> Cameras:
        """n cameras, group by group. n must be a multiple of the config's `views`, else ConfigError."""
        c = self.config
        if n % c.views:
            raise ConfigError(
                "the number of views a step does not fit the camera layout",
                expected=f"a multiple of cameras.views = {c.views}",
                got=str(n),
                mend="Change the stage's views or cameras.views",
            )
        groups = n // c.views
        start = _uniform((0, 2 * math.pi), groups, generator)
        step = torch.arange(c.views) * (2 * math.pi / c.views)
        azimuth = (start[:, None] + step).flatten() % (2 * math.pi)
        width = min(progress / c.widen_until, 1.0) if c.widen_until > 0 else 1.0
        count, repeats = (groups, c.views) if c.shared else (n, 1)
        elevation = _elevations(_narrowed(c.elevation, width), c.by_area, count, generator)
        fovy = _uniform(_narrowed(c.fovy, width), count, generator).deg2rad()
        fitting = distance_to_fit(fovy) if c.fit == "sphere" else 1 / torch.tan(fovy / 2)
        distance = _uniform(c.distance_factor, count, generator) * fitting
        elevation, distance, fovy = (v.repeat_interleave(repeats) for v in (elevation, distance, fovy))
        return orbit_cameras(azimuth, elevation, distance, fovy, self.size)


class DreamFusionCamerasConfig(BaseModel):
    """DreamFusion's camera distribution (Poole et al. 2022, appendix A.2), every view sampled for itself.

    Elevation: with probability 1/2 uniform in the angle between -10 and 90 degrees, else uniform by area on
    the upper half sphere. Distance U(1, 1.5); position jitter U(-0.1, 0.1) an axis; look-at point normal
    with deviation 0.2; up vector normal around +Y with deviation 0.02; focal length U(0.7, 1.35) image
    heights. The paper does not say whether 0.2 and 0.02 are deviations or variances; they are read as
    deviations, as other implementations do.

    `by_area` is the share of elevations that are uniform by area, and `area` where they lie: on the upper
    half sphere up to the highest elevation ("upper", the paper), or between both bounds ("range",
    threestudio). `scale` multiplies every length. At 1 the cameras can stand inside the unit sphere, as in
    the paper.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["dreamfusion"] = "dreamfusion"
    scale: float = Field(default=1.0, gt=0)
    elevation: Range = (-10.0, 90.0)
    distance: Range = (1.0, 1.5)
    focal: Range = (0.7, 1.35)
    position_jitter: float = Field(default=0.1, ge=0)
    look_at_deviation: float = Field(default=0.2, ge=0)
    up_deviation: float = Field(default=0.02, ge=0)
    by_area: float = Field(default=0.5, ge=0.0, le=1.0)
    area: Literal["upper", "range"] = "upper"

    @model_validator(mode="after")
    def _sane(self) -> Self:
        _check_range("elevation", self.elevation, -90, 90)
        _check_range("distance", self.distance, 0.01, 100)
        _check_range("focal", self.focal, 0.05, 100)
        return self

    def build(self, size: Size = (64, 64)) -> DreamFusionCameras:
        return DreamFusionCameras(self, size)


class DreamFusionCameras:
    """See DreamFusionCamerasConfig."""

    def __init__(self, config: DreamFusionCamerasConfig, size: Size) -> None:
        self.config, self.size = config, size

    def sample(self, n: int, progress: float, generator: torch.Generator) -> Cameras:
        """n independent cameras; the distribution does not change with progress."""
        c = self.config
        azimuth = _uniform((0, 2 * math.pi), n, generator)
        lowest = 0.0 if c.area == "upper" else c.elevation[0]
        by_angle = _uniform(c.elevation, n, generator).deg2rad()
        by_area = _uniform_by_area((lowest, max(c.elevation[1], lowest)), n, generator)
        elevation = torch.where(torch.rand(n, generator=generator) < 1 - c.by_area, by_angle, by_area)
        distance = _uniform(c.distance, n, generator)
        fovy = 2 * torch.atan(0.5 / _uniform(c.focal, n, generator))
        on_orbit = orbit_cameras(azimuth, elevation, distance, fovy, self.size).c2w[:, :3, 3]
        jitter = (2 * torch.rand(n, 3, generator=generator) - 1) * c.position_jitter
        target = torch.randn(n, 3, generator=generator) * c.look_at_deviation
        up = torch.tensor([0.0, 1.0, 0.0]) + torch.randn(n, 3, generator=generator) * c.up_deviation
        return look_at_cameras((on_orbit + jitter) * c.scale, target * c.scale, up, fovy, self.size)


CamerasConfig = Annotated[OrbitCamerasConfig | DreamFusionCamerasConfig, Field(discriminator="kind")]


def _uniform(bounds: Range, n: int, generator: torch.Generator) -> Float[Tensor, " n"]:
    return bounds[0] + (bounds[1] - bounds[0]) * torch.rand(n, generator=generator)


def _uniform_by_area(degrees: Range, n: int, generator: torch.Generator) -> Float[Tensor, " n"]:
    """Latitudes, in radians, of points that are uniform on the sphere between two of them."""
    low, high = (math.sin(math.radians(angle)) for angle in degrees)
    return torch.asin(_uniform((low, high), n, generator))


def _elevations(degrees: Range, share: float, n: int, generator: torch.Generator) -> Float[Tensor, " n"]:
    """Radians; this share of them uniform by area, the others in the angle."""
    by_angle = _uniform(degrees, n, generator).deg2rad()
    if share == 0:
        return by_angle  # and nothing more is drawn
    by_area = _uniform_by_area(degrees, n, generator)
    return torch.where(torch.rand(n, generator=generator) < share, by_area, by_angle)


def _narrowed(bounds: Range, width: float) -> Range:
    middle, half = (bounds[0] + bounds[1]) / 2, (bounds[1] - bounds[0]) / 2 * width
    return middle - half, middle + half


def _check_range(name: str, bounds: Range, lowest: float, highest: float) -> None:
    if not lowest <= bounds[0] <= bounds[1] <= highest:
        raise ValueError(f"{name} must be two rising numbers within {lowest} and {highest}, got {bounds}")
