"""How near is one mesh to another? Both seen from all around, compared pixel by pixel."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from dreamlab.core.cameras import distance_to_fit, orbit_cameras
from dreamlab.core.types import Cameras, Mesh
from dreamlab.evaluate.surface_views import SurfaceViews, surface_views

VIEWS, SIZE = 24, 256
FOVY = math.radians(40.0)
LOOKED_AT, ALL_ROUND = (-10.0, 60.0), (-90.0, 90.0)  # elevations in degrees: of most presets, of everything
STRAIGHT = 10.0  # degrees within which a normal counts as right
MOST_DECIBELS = 99.0  # of pictures without any difference


class MeshFidelity(NamedTuple):
    """Of the pixels of all views together.

    silhouette_iou: intersection over union, 0..1. normal_angle: mean angle in degrees between the faces'
    normals where both meshes are seen (both turned to the viewer, so 0..180). normal_within: share of these
    below STRAIGHT degrees. depth: mean absolute difference along the view axis there, in world units (1 is
    the unit sphere's radius). psnr: of unlit sRGB over white, in dB, over the union of the silhouettes; at
    most MOST_DECIBELS. Where no pixel sees both, angle and depth are NaN.
    """

    silhouette_iou: float
    normal_angle: float
    normal_within: float
    depth: float
    psnr: float


def mesh_fidelity(mesh: Mesh, truth: Mesh, cameras: Cameras | None = None) -> MeshFidelity:
    """Compare a mesh with the true one, which must lie in the same place at the same scale.

    cameras: `survey()` if left out: from where most presets look. Neither antialiasing nor shading comes in:
    one ray a pixel, face normals.

    Raises InputError for a mesh without faces.
    """
    cameras = survey() if cameras is None else cameras
    total = torch.zeros(7, dtype=torch.float64)
    for view in range(len(cameras)):  # one at a time: 24 views at once would hold a GB
        camera = cameras[view : view + 1]
        total += _sums(surface_views(mesh, camera), surface_views(truth, camera))
    both, either, angle, within, depth, error, channels = total.tolist()
    shared = both if both else math.nan
    return MeshFidelity(
        both / max(either, 1.0),
        angle / shared,
        within / shared,
        depth / shared,
        _decibels(error / max(channels, 1.0)),
    )


def survey(views: int = VIEWS, size: int = SIZE, elevation: tuple[float, float] = LOOKED_AT) -> Cameras:
    """Views spread evenly by area over the zone between two elevations in degrees (golden-angle spiral), that
    the unit sphere just fills."""
    low, high = (math.sin(math.radians(angle)) for angle in elevation)
    k = (torch.arange(views, dtype=torch.float32) + 0.5) / views
    azimuth = (k * views * (math.pi * (3 - math.sqrt(5)))) % (2 * math.pi)
    fovy = torch.full_like(k, FOVY)
    height = torch.asin(high + (low - high) * k)
    return orbit_cameras(azimuth, height, distance_to_fit(fovy), fovy, (size, size))


def _sums(a: SurfaceViews, b: SurfaceViews) -> Tensor:
    """Pixels of both and of either, degrees, straight pixels, depth, squared error and channels, float64
    [7]."""
    both, either = a.seen & b.seen, a.seen | b.seen
    n, m = a.normal[both].double(), b.normal[both].double()
    # not by acos, which is blind to small angles
    angle = torch.rad2deg(torch.atan2(torch.linalg.cross(n, m).norm(dim=-1), (n * m).sum(-1)))
    over_white = [v.albedo[either] + (~v.seen[either]).float()[:, None] for v in (a, b)]
    error = (over_white[0] - over_white[1]).double().square()
    depth = (a.depth - b.depth)[both].double().abs()
    return torch.stack(
        [
            both.sum().double(),
            either.sum().double(),
            angle.sum(),
            (angle < STRAIGHT).sum().double(),
            depth.sum(),
            error.sum(),
            torch.tensor(float(error.numel()), dtype=torch.float64),
        ]
    )


def _decibels(error: float) -> float:
    return min(-10 * math.log10(max(error, 1e-12)), MOST_DECIBELS)
