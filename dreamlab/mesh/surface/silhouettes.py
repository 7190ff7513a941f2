"""Which density level has the silhouettes that the field shows? One march through the grid answers for every
level.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from dreamlab.core.cameras import camera_rays, orbit_cameras, world_to_clip
from dreamlab.core.quadrature import opacity
from dreamlab.core.types import Cameras, Mesh
from dreamlab.ops.raster.rasterise import rasterise


def survey_cameras(views: int, size: int) -> Cameras:
    """Views spread over the sphere (golden-angle spiral) that see the whole box."""
    k = torch.arange(views, dtype=torch.float32) + 0.5
    azimuth = (k * math.pi * (3 - math.sqrt(5))) % (2 * math.pi)
    elevation = torch.asin((1 - 2 * k / views) * 0.95)
    distance = torch.full_like(k, 4.0)
    fovy = torch.full_like(k, 2 * math.asin(math.sqrt(3) / 4.0))
    return orbit_cameras(azimuth, elevation, distance, fovy, (size, size))


def march_grid(
    grid: Float[Tensor, "n n n"], cameras: Cameras
) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"]]:
    """Along every pixel's ray through the density grid: its highest density, and its opacity.

    Between lattice points the logarithm is interpolated, as networks make densities: the density itself would
    let a hard edge reach a whole cell too far.
    A ray hits the surface of level L exactly if its highest density is above L, so one march serves every
    level.
    """
    occupied = (grid > grid.max() * 1e-4).nonzero()
    if len(occupied) == 0:
        empty = torch.zeros(len(cameras) * cameras.size[0] * cameras.size[1])
        return empty, empty
    voxel = 2.0 / (grid.shape[0] - 1)
    low = occupied.amin(0) * voxel - 1 - voxel
    high = occupied.amax(0) * voxel - 1 + voxel
    rays = camera_rays(cameras)
    a, b = (low - rays.origins) / rays.directions, (high - rays.origins) / rays.directions
    near = torch.minimum(a, b).nan_to_num(-math.inf).amax(-1).clamp(min=0)
    far = torch.maximum(a, b).nan_to_num(math.inf).amin(-1)
    peak, opaque = torch.zeros(len(near)), torch.zeros(len(near))
    hit = (far > near).nonzero()[:, 0]
    steps = math.ceil(float((high - low).norm()) / voxel)
    floor = grid.max() * 1e-6
    volume = (grid + floor).log().permute(2, 1, 0)[None, None]  # grid_sample wants [D, H, W] = [z, y, x]
    for rows in hit.split(max(1, (1 << 21) // steps)):
        length = (far - near)[rows, None]
        t = near[rows, None] + (torch.arange(steps) + 0.5) / steps * length
        x = rays.origins[rows, None] + rays.directions[rows, None] * t[..., None]
        values = F.grid_sample(volume, x[None, None], align_corners=True, padding_mode="border")[0, 0, 0]
        sigma = (values.exp() - floor).clamp(min=0)
        peak[rows] = sigma.amax(-1)
        opaque[rows] = opacity(sigma, length / steps)
    return peak, opaque


def silhouette_level(peak: Float[Tensor, " R"], inside: Bool[Tensor, " R"], slack: float = 0.002) -> float:
    """The density level L whose silhouette {peak > L} has the best intersection over union with `inside`.

    A crisp field has a whole range of levels that are as good as the best (within `slack`): its geometric
    middle.
    """
    level, order = peak.sort(descending=True)
    hits = inside[order].cumsum(0)
    iou = hits / (torch.arange(1, len(level) + 1) + inside.sum() - hits)
    best = int(iou.argmax())
    good = iou >= iou[best] - slack
    worse_before = (~good[:best]).nonzero()
    worse_after = (~good[best:]).nonzero()
    first = int(worse_before[-1]) + 1 if len(worse_before) else 0
    last = best + int(worse_after[0]) if len(worse_after) else len(level) - 1
    # rays first..last-1 may be the faintest that still count: the level lies just below any one of them
    return math.sqrt(max(float(level[first]), 1e-12) * max(float(level[last]), 1e-12))


def silhouette_iou(mesh: Mesh, inside: Bool[Tensor, " R"], cameras: Cameras) -> float:
    """Intersection over union of the mesh's silhouettes and the wanted ones, over the pixels of all views."""
    shown = covered(mesh, cameras)
    return float((shown & inside).sum() / (shown | inside).sum().clamp(min=1))


def covered(mesh: Mesh, cameras: Cameras) -> Bool[Tensor, " R"]:
    """Of every pixel of all views: whether the mesh covers its centre."""
    near, far = float(cameras.distance.min()) * 0.02, float(cameras.distance.max()) + 4
    homogeneous = torch.cat([mesh.vertices, torch.ones(len(mesh.vertices), 1)], 1)
    clip = torch.einsum("bij,vj->bvi", world_to_clip(cameras, near, far), homogeneous)
    return rasterise(clip, mesh.faces, cameras.size).face_index.reshape(-1) >= 0
