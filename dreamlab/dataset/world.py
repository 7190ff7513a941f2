"""The world of a data set: metres, +Z up, the object's front towards -Y, as Blender shows an imported GLB.

Inside dreamlab +Y is up and the front is +Z; everything that is written is turned by a right angle about X.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Turns vectors of dreamlab's world into those of the data set's."""


def to_z_up(points: Float[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N 3"]:
    """(x, y, z) with +Y up as (x, -z, y) with +Z up, exactly."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1)


def from_z_up(points: Float[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N 3"]:
    """The inverse of `to_z_up`."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)


def pose_to_z_up(c2w: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
    """A camera's pose (OpenGL: looks along its -Z, +Y up) in the data set's world, float64."""
    out = np.eye(4)
    out[:3] = Z_UP @ c2w[:3].astype(np.float64)
    return out


def to_opencv(c2w: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
    """World to camera of OpenCV (looks along +Z, +Y down) from an OpenGL camera-to-world pose of either
    world."""
    rotation = c2w[:3, :3] * [1.0, -1.0, -1.0]
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = rotation.T, -rotation.T @ c2w[:3, 3]
    return out
