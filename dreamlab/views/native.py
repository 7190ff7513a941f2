"""Layers through the project's own rasteriser (dreamlab.ops): no GL needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from dreamlab.core.cameras import world_to_clip
from dreamlab.core.types import Cameras
from dreamlab.ops.raster.rasterise import interpolate, rasterise, sample_texture
from dreamlab.views.layers import Geometry, Layer, RenderedLayers

SUPERSAMPLE = 2  # rays a pixel, each way


class NativeRenderer:
    """Rasterised at twice the size and averaged in boxes of four."""

    name = "native"

    def render(
        self, geometry: Geometry, layers: Sequence[Layer], cameras: Cameras
    ) -> Iterator[RenderedLayers]:
        height, width = (n * SUPERSAMPLE for n in cameras.size)
        faces = torch.from_numpy(geometry.faces.astype(np.int64))
        points = torch.from_numpy(geometry.vertices).float()
        homogeneous = torch.cat([points, torch.ones_like(points[:, :1])], -1)
        uv = None if geometry.uv is None else torch.from_numpy(geometry.uv).float()
        for view in range(len(cameras)):
            camera = cameras[view : view + 1]
            distance = float(camera.distance[0])
            clip = homogeneous @ world_to_clip(camera, distance * 0.01, distance * 10)[0].T
            fragments = rasterise(clip[None], faces, (height, width))
            covered = (fragments.face_index >= 0).float()[..., None]
            images = []
            for layer in layers:
                if layer.texture is not None and uv is not None:
                    texture = torch.from_numpy(layer.texture[..., :3].astype(np.float32) / 255)
                    at = interpolate(uv, faces, fragments)
                    if geometry.material.nearest:
                        at = texel_centres(at, texture.shape[1], texture.shape[0])
                    image = sample_texture(texture, at, geometry.material.wrap)
                elif layer.values is not None:
                    image = interpolate(torch.from_numpy(layer.values).float(), faces, fragments)
                else:
                    image = torch.ones(*covered.shape[:3], 3)
                images.append(_shrink(image * covered)[0])
            coverage = _shrink(covered)[0, ..., 0].numpy()
            yield RenderedLayers(
                [i.numpy() / np.maximum(coverage, 1e-6)[..., None] for i in images], coverage
            )


def texel_centres(uv: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """uv [...,2] moved to the centre of the texel that it lies in, where a bilinear lookup blends nothing."""
    size = torch.tensor([width, height], dtype=uv.dtype)
    return ((uv * size).floor() + 0.5) / size


def _shrink(image: torch.Tensor) -> torch.Tensor:
    """Box average over SUPERSAMPLE x SUPERSAMPLE pixels of [B,H,W,C]."""
    return torch.nn.functional.avg_pool2d(image.permute(0, 3, 1, 2), SUPERSAMPLE).permute(0, 2, 3, 1)
