"""A cut-out made square, as a camera of an orbit sees an object in the unit sphere."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from dreamlab.core.cameras import distance_to_fit, orbit_cameras
from dreamlab.core.types import Cameras
from dreamlab.pictures.cutout import CutOut

SIDE = 512
"""Pixels of a framed picture."""
DISTANCE = 1.02
"""Of its camera, in units of that from which the unit sphere just fits, as turntables have it."""


def picture_camera(azimuth: float, elevation: float, fovy: float, side: int = SIDE) -> Cameras:
    """The camera that takes framed pictures, angles in degrees."""
    turn, height, lens = (torch.tensor([math.radians(angle)]) for angle in (azimuth, elevation, fovy))
    return orbit_cameras(turn, height, DISTANCE * distance_to_fit(lens), lens, (side, side))


def sphere_outline(fovy: float) -> float:
    """The radius of the unit sphere's outline in a framed picture, in halves of its side; fovy in degrees."""
    half = math.radians(fovy) / 2
    return math.tan(math.asin(math.sin(half) / DISTANCE)) / math.tan(half)


def framed_picture(
    cut: CutOut, fovy: float, fill: float, side: int = SIDE
) -> tuple[Float[Tensor, "S S 3"], Float[Tensor, "S S 1"]]:
    """Premultiplied colour and opacity [side,side], the smallest circle around the object in the middle.

    fill: the circle's radius as a share of the unit sphere's outline: what is longer from another side fills
    less of it from this one.
    """
    from trimesh.nsphere import minimum_nsphere

    ys, xs = np.nonzero(_outline(cut.opacity > 0.5))
    (x, y), radius = minimum_nsphere(np.stack([xs, ys], 1) + 0.5)  # through the middles of pixels
    half = (radius + 0.5) / (fill * sphere_outline(fovy))
    left, top, across = (round(value) for value in (x - half, y - half, 2 * half))
    across = max(across, 1)
    both = np.concatenate([cut.premultiplied, cut.opacity[..., None]], -1)
    window = np.zeros((across, across, 4), np.float32)
    rows, columns = (
        slice(max(start, 0), min(start + across, n)) for start, n in ((top, len(both)), (left, both.shape[1]))
    )
    part = both[rows, columns]
    low = rows.start - top, columns.start - left
    window[low[0] : low[0] + part.shape[0], low[1] : low[1] + part.shape[1]] = part
    image = torch.from_numpy(window).permute(2, 0, 1)[None]
    image = F.interpolate(image, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    opacity = image[0, 3:].clamp(0, 1)
    color = torch.minimum(image[0, :3].clamp_min(0), opacity)
    return color.permute(1, 2, 0).contiguous(), opacity.permute(1, 2, 0).contiguous()


def _outline(solid: np.ndarray) -> np.ndarray:
    """The pixels of a mask that have a neighbour outside it: the others lie in no smallest circle."""
    padded = np.pad(solid, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return solid & ~inside
