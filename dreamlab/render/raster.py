"""Rasterising of a mesh: what is nearest at every pixel, antialiased so that silhouettes carry gradient."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from dreamlab import ops
from dreamlab.core.cameras import camera_rays, world_to_clip
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Buffer, Cameras, HasTriangles, RenderOutput, Scene
from dreamlab.render.base import BackgroundFunction, RendererSettings, Stateless
from dreamlab.render.shading import Shading, shade
from dreamlab.render.silhouettes import Edges, antialias

NEAR = 0.01  # world units; what is nearer to the camera is not drawn
# Colours a time where no gradient is wanted: bounds the memory of large previews.
_CHUNK = 1 << 16


class RasterRendererConfig(RendererSettings):
    """`supersample` pixels each way for one of the image, averaged."""

    draws: ClassVar[Literal["field", "mesh"]] = "mesh"

    kind: Literal["raster"] = "raster"
    supersample: int = Field(default=2, ge=1, le=8)

    def build(self) -> RasterRenderer:
        return RasterRenderer(self)


class RasterRenderer(Stateless):
    """See RasterRendererConfig. It learns nothing of a scene, so it has no state."""

    def __init__(self, config: RasterRendererConfig) -> None:
        self.config = config
        self._faces: Tensor | None = None
        self._edges: Edges | None = None

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
        """Render a mesh from both sides: see dreamlab.render.base.Renderer.

        Gradient reaches the corners through silhouettes (see dreamlab.render.silhouettes), depth, normals and
        light, and the scene's colours through what is seen of them. Where a colour is looked up counts as
        fixed: a corner does not move because the colours around it differ. Normals are the faces' own, turned
        to the side that is seen; the depth's variance is 0.

        Raises ConfigError for a scene without triangles.
        """
        if not isinstance(scene, HasTriangles):
            raise ConfigError(
                "a rasteriser draws meshes",
                got=type(scene).__name__,
                mend="Set renderer.kind=volume for a field",
            )
        shading = shading or Shading.albedo()
        corners = scene.vertices()
        triangles = _Triangles(corners, scene.faces, self._edges_of(scene.faces))
        light = shading.light.to(corners).expand(len(cameras), 3)
        size = len(cameras) if torch.is_grad_enabled() else 1
        parts = [
            self._layers(scene, triangles, cameras[rows], shading, light[rows])
            for rows in (slice(k, k + size) for k in range(0, len(cameras), size))
        ]
        rgb, opacity, depth, normal = torch.cat(parts).split((3, 1, 1, 3), dim=-1)
        directions = camera_rays(cameras).directions.view(len(cameras), *cameras.size, 3)
        behind = background(directions, generator)
        return RenderOutput(
            rgb + (1 - opacity) * behind,
            opacity,
            depth,
            behind,
            normal if "normal" in buffers or shading.needs_normals else None,
            directions,
            torch.zeros_like(opacity) if "depth_variance" in buffers else None,
        )

    def _layers(
        self,
        scene: HasTriangles,
        triangles: _Triangles,
        cameras: Cameras,
        shading: Shading,
        light: Float[Tensor, "B 3"],
    ) -> Float[Tensor, "B H W 8"]:
        """Premultiplied colour, opacity, distance along the ray and normal of every pixel."""
        corners, faces, edges = triangles
        clip = _clip_positions(corners, cameras)
        fine = tuple(n * self.config.supersample for n in cameras.size)
        fragments = ops.rasterise(clip, faces, (fine[0], fine[1]))
        seen = fragments.face_index >= 0
        view = seen.nonzero()[:, 0]
        point = ops.interpolate(corners, faces, fragments)[seen]
        sight = cameras.c2w[view, :3, 3] - point
        normals = _face_normals(corners, faces)
        normal = normals.index_select(0, fragments.face_index[seen])
        normal = torch.where((normal * sight).sum(-1, keepdim=True) < 0, -normal, normal)
        base = _albedo(scene, point.detach()) if shading.mode != "textureless" else torch.ones_like(point)
        rgb = shade(base, normal, point, light[view], shading)
        distance = sight.norm(dim=-1, keepdim=True)
        found = torch.cat([rgb, torch.ones_like(distance), distance, normal], dim=-1)
        image = found.new_zeros(*seen.shape, found.shape[-1]).index_put((seen,), found)
        image = antialias(image, clip, _facing(corners, faces, normals, cameras), edges, fragments)
        return F.avg_pool2d(image.movedim(-1, 1), self.config.supersample).movedim(1, -1)

    def _edges_of(self, faces: Tensor) -> Edges:
        """The edges of these faces, worked out once for a topology."""
        if self._edges is None or self._faces is not faces:
            self._faces, self._edges = faces, Edges.of(faces)
        return self._edges


class _Triangles(NamedTuple):
    corners: Float[Tensor, "V 3"]
    faces: Int[Tensor, "F 3"]
    edges: Edges


def _clip_positions(corners: Float[Tensor, "V 3"], cameras: Cameras) -> Float[Tensor, "B V 4"]:
    far = cameras.c2w[:, :3, 3].norm(dim=-1).max() + corners.detach().norm(dim=-1).max() + 1
    points = torch.cat([corners, torch.ones_like(corners[:, :1])], dim=-1)
    return torch.einsum("bij,vj->bvi", world_to_clip(cameras, NEAR, float(far)), points)


def _face_normals(corners: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, "F 3"]:
    # by index_select, whose backward adds up in one order whatever the number of threads
    a, b, c = corners.index_select(0, faces.reshape(-1)).view(-1, 3, 3).unbind(1)
    return F.normalize(torch.linalg.cross(b - a, c - a), dim=-1, eps=1e-12)


@torch.no_grad()
def _facing(
    corners: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], normals: Float[Tensor, "F 3"], cameras: Cameras
) -> Bool[Tensor, "B F"]:
    """Which faces each camera sees from their front."""
    return cameras.c2w[:, :3, 3] @ normals.T > (normals * corners[faces[:, 0]]).sum(-1)


def _albedo(scene: HasTriangles, points: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
    size = max(len(points), 1) if torch.is_grad_enabled() else _CHUNK
    return torch.cat([scene.albedo(some) for some in points.split(size)])
