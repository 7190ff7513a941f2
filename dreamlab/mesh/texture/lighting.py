"""Daylight for baking: how much of a white sky every place of a surface sees, by rays (embreex)."""

from __future__ import annotations

import numpy as np

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import linear_to_srgb, srgb_to_linear
from dreamlab.mesh.geometry.shape import normals_of

RAYS = 48  # a corner; enough that neighbours do not differ by noise once three are blended
GROUND = 0.35  # light from straight below, against 1 from straight above
LIFT = 1e-3  # sizes off the surface that rays start, so that they do not meet it


def daylight(mesh: Mesh) -> np.ndarray:
    """Linear light [V] in 0..1 at the mesh's corners: 1 where nothing hides the sky from a face that looks
    up.

    Directions are sampled with the cosine of the angle to the normal (Malley's method), the same for every
    corner but turned, and those that meet the mesh bring nothing.
    """
    from trimesh import Trimesh
    from trimesh.ray.ray_pyembree import RayMeshIntersector

    vertices, normals = mesh.vertices.double().numpy(), normals_of(mesh)
    size = float(np.ptp(vertices, axis=0).max())
    scene = RayMeshIntersector(Trimesh(vertices, mesh.faces.numpy(), process=False))
    side = np.cross(normals, np.where(np.abs(normals[:, :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0]))
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12)
    other = np.cross(normals, side)
    turn = np.random.default_rng(0).random(len(vertices)) * 2 * np.pi
    total, most = np.zeros(len(vertices)), 0.0
    for k in range(RAYS):
        radius, angle = np.sqrt((k + 0.5) / RAYS), k * np.pi * (3 - np.sqrt(5)) + turn
        height = np.sqrt(1 - radius**2)
        way = normals * height + radius * (side * np.cos(angle)[:, None] + other * np.sin(angle)[:, None])
        clear = ~scene.intersects_any(vertices + normals * LIFT * size, way)
        total += clear * _sky(way[:, 1])
        most += _sky(height)
    return np.clip(total / most, 0, 1)


def _sky(up: np.ndarray | float) -> np.ndarray | float:
    return GROUND + (1 - GROUND) * (up + 1) / 2


def under_light(colors: np.ndarray, light: np.ndarray) -> np.ndarray:
    """sRGB colours [N,3] in 0..1 as they look under linear light [N]."""
    return linear_to_srgb(srgb_to_linear(colors.clip(0, 1)) * light[:, None])
