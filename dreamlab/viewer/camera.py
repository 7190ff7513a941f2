"""The browser's camera as one of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from dreamlab.core.cameras import look_at_cameras
from dreamlab.core.types import Cameras

CV_FROM_GL = np.diag([1.0, -1.0, -1.0])


def camera_from(
    wxyz: Sequence[float] | np.ndarray,
    position: Sequence[float] | np.ndarray,
    fovy: float,
    size: tuple[int, int],
) -> Cameras:
    """One camera from a pose as viser tells it.

    wxyz: unit quaternion of the camera in the world, OpenCV's axes (it looks along +Z, and +Y is down).
    position: in world units. fovy: vertical, radians. size: (H, W) in pixels.
    """
    c2w = np.eye(4)
    c2w[:3, :3] = rotation(wxyz) @ CV_FROM_GL
    c2w[:3, 3] = position
    place = torch.tensor(np.asarray(position), dtype=torch.float32)[None]
    up = torch.tensor(c2w[None, :3, 1], dtype=torch.float32)
    orbit = look_at_cameras(place, torch.zeros_like(place), up, torch.tensor([fovy]).float(), size)
    return replace(orbit, c2w=torch.tensor(c2w[None], dtype=torch.float32))


def rotation(wxyz: Sequence[float] | np.ndarray) -> np.ndarray:
    """A unit quaternion, real part first, as a matrix [3,3]."""
    w, x, y, z = np.asarray(wxyz, dtype=np.float64) / np.linalg.norm(np.asarray(wxyz, dtype=np.float64))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
