"""Volume rendering of a field: march through occupied space, composite, and shade one surface point a ray.

Shading is deferred: the albedo is composited first and lit once per ray with the normal at the ray's heaviest
sample. DreamFusion lights every sample; there the finite differences cost several times the rest of the
step, and for opaque surfaces the two agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from dreamlab import ops
from dreamlab.core.cameras import camera_rays
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Buffer, Cameras, HasDistance, Rays, RenderOutput, Samples, Scene
from dreamlab.core.types import Field as SceneField
from dreamlab.render.base import BackgroundFunction, Renderer, RendererSettings
from dreamlab.render.chunks import in_chunks
from dreamlab.render.occupancy import OccupancyConfig, OccupancyGrid
from dreamlab.render.shading import Shading, shade

# Marching steps that are rendered at a time with gradient, by the operations' back end: a render of any size
# takes the memory of one chunk.
_CHUNK = {"native": 1 << 23, "cuda": 1 << 21, "triton": 1 << 21, "reference": 1 << 18}
# Rays a time where no gradient is wanted: bounds the memory of large previews.
_STILL = 1 << 16
# Density that counts as nothing where a logarithm is taken.
_FAINT = 0.1


class VolumeRendererConfig(RendererSettings):
    """`samples` marching steps across the unit sphere's diameter: the step length is 2 / samples.
    `normal_epsilon` is the reach of the finite differences in world units: shorter ones follow the grain
    inside soft matter."""

    kind: Literal["volume"] = "volume"
    samples: int = Field(default=64, ge=8, le=1024)
    normal_epsilon: float = Field(default=0.05, gt=0, lt=0.5)
    occupancy: OccupancyConfig = OccupancyConfig()

    def build(self) -> VolumeRenderer:
        return VolumeRenderer(self)


class VolumeRenderer:
    """See VolumeRendererConfig. The only state is the occupancy grid."""

    def __init__(self, config: VolumeRendererConfig) -> None:
        self.config = config
        self.step_length = 2 / config.samples
        self.occupancy: OccupancyGrid = config.occupancy.build(self.step_length)

    def update(self, scene: Scene, step: int, generator: torch.Generator) -> None:
        """Keep the occupancy grid up with the field; call once a training step."""
        self.occupancy.update(_field(scene).density, step, generator)

    def prepare(self, scene: Scene) -> None:
        """Measure the occupancy grid anew, for a field that will not change."""
        self.occupancy.reset()
        self.occupancy.refresh(_field(scene).density, None)

    def reset(self) -> None:
        """Forget the occupancy grid: all cells occupied."""
        self.occupancy.reset()

    def take_over(self, other: Renderer) -> None:
        """Go on with another volume renderer's occupancy grid, if it has as many cells."""
        if isinstance(other, VolumeRenderer):
            self.occupancy.take_over(other.occupancy)

    def to(self, device: torch.device | str) -> VolumeRenderer:
        self.occupancy.to(device)
        return self

    def state_dict(self) -> dict[str, Tensor]:
        return self.occupancy.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.occupancy.load_state_dict(state)

    def __call__(
        self,
        scene: Scene,
        cameras: Cameras,
        *,
        background: BackgroundFunction,
        shading: Shading | None = None,
        generator: torch.Generator | None = None,
        buffers: Collection[Buffer] = (),
    ) -> RenderOutput:
        """Render a field: see dreamlab.render.base.Renderer. The generator jitters the samples along the
        rays; normals come with any shading that needs them.

        Raises ConfigError for a scene that is no field.
        """
        field = _field(scene)
        shading = shading or Shading.albedo()
        rays = camera_rays(cameras)
        n, per_view = rays.origins.shape[0], math.prod(cameras.size)
        light = shading.light.to(rays.origins).expand(len(cameras), 3).repeat_interleave(per_view, dim=0)
        jitter = torch.full((n,), 0.5) if generator is None else torch.rand(n, generator=generator)
        normals = "normal" in buffers or shading.needs_normals
        wanted = _Wanted(shading, normals, "depth_variance" in buffers)
        rest = (jitter.to(rays.origins), light)
        job = partial(self._render_rays, field, self.occupancy.occupied, wanted)
        joined = in_chunks(job, (*rays, *rest), self._rays_at_once(rays.origins), list(field.parameters()))
        shape = (len(cameras), *cameras.size, -1)
        rgb, opacity, depth, normal, variance = (None if v is None else v.view(shape) for v in joined)
        assert rgb is not None and opacity is not None and depth is not None
        directions = rays.directions.view(shape)
        behind = background(directions, generator)
        return RenderOutput(
            rgb + (1 - opacity) * behind, opacity, depth, behind, normal, directions, variance
        )

    def _rays_at_once(self, origins: Tensor) -> int:
        """How many rays make a chunk: of a full grid, so that it depends on the settings alone."""
        size = max(1, _CHUNK[ops.backend(origins.device)] // self.config.samples)
        return size if torch.is_grad_enabled() else min(size, _STILL)

    def _render_rays(
        self,
        field: SceneField,
        occupied: Tensor,
        wanted: _Wanted,
        origins: Tensor,
        directions: Tensor,
        jitter: Tensor,
        light: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]:
        rays, n = Rays(origins, directions), origins.shape[0]
        with torch.no_grad():
            samples = ops.march(rays, occupied, self.step_length, jitter)
            position = ops.sample_points(rays, samples)
        sigma, albedo = field(position)
        rgb, opacity, depth, weights = ops.composite(sigma, albedo, samples, n)
        normal, variance = None, None
        if wanted.normals:
            unit, point = self._surface(field, rays, samples, weights.detach(), position)
            normal = unit * opacity[:, None]
            # Shading is linear in the albedo, so lighting the composited colour is exact for one normal a
            # ray.
            base = opacity[:, None].expand_as(rgb) if wanted.shading.mode == "textureless" else rgb
            rgb = shade(base, unit, point, light, wanted.shading)
        if wanted.depth_variance:
            mean = (depth / opacity.clamp_min(1e-6)).detach()
            middle = (samples.t0 + samples.t1) / 2
            spread = weights * (middle - mean[samples.ray_index]).square()
            variance = torch.zeros_like(opacity).index_add(0, samples.ray_index, spread)
            variance = variance / opacity.clamp_min(1e-6)
        return rgb, opacity, depth, normal, variance

    def _surface(
        self, field: SceneField, rays: Rays, samples: Samples, weights: Tensor, position: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Unit normal and position of every ray's heaviest sample; zeros for rays that hit nothing.

        The normal is the gradient of the signed distance by finite differences, or of minus the log density
        where the field knows no distance, and carries gradient to the field. The logarithm points the same
        way as the density and is nearly linear where that falls off, so that wide taps do no harm.
        """
        heaviest = ops.heaviest_sample(weights, samples, rays.origins.shape[0])
        hit = (heaviest >= 0).nonzero()[:, 0]
        seen = position[heaviest[hit]]
        unit = ops.normals_finite_difference(_towards_matter(field), seen, self.config.normal_epsilon)
        zeros = torch.zeros_like(rays.origins)
        return zeros.index_copy(0, hit, unit), zeros.index_copy(0, hit, seen)


def _field(scene: Scene) -> SceneField:
    if not isinstance(scene, SceneField):
        raise ConfigError(
            "a volume renderer needs a density everywhere",
            got=type(scene).__name__,
            mend="Set renderer.kind=raster for a mesh",
        )
    return scene


def _towards_matter(field: SceneField) -> Callable[[Tensor], Tensor]:
    """A function of points that grows inwards across the surface."""
    if isinstance(field, HasDistance):
        return lambda x: -field.distance(x)
    return lambda x: (field.density(x) + _FAINT).log()


@dataclass(frozen=True)
class _Wanted:
    shading: Shading
    normals: bool
    depth_variance: bool
