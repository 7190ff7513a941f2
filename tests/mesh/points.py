"""Random points of a mesh, and the normals that its normal map gives them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import sample, texture_of
from dreamlab.mesh.geometry.shape import normals_of, tangents_of


class Points(NamedTuple):
    """Of N points: position [N,3], texture coordinates [N,2], their triangles' corners [N,3] and weights
    [N,3]."""

    x: np.ndarray
    uv: np.ndarray
    corner: np.ndarray
    weight: np.ndarray

    def blend(self, values: np.ndarray) -> np.ndarray:
        """Of values [V,C] at the mesh's corners."""
        return np.einsum("nk,nki->ni", self.weight, values[self.corner])


def on_surface(mesh: Mesh, n: int = 4000) -> Points:
    """N points, as many in every triangle on average, whatever its area."""
    generator = np.random.default_rng(0)
    corner = mesh.faces.numpy()[generator.integers(0, len(mesh.faces), n)]
    weight = generator.dirichlet((1, 1, 1), n)
    points = Points(np.zeros((n, 3)), np.zeros((n, 2)), corner, weight)
    return points._replace(
        x=points.blend(mesh.vertices.double().numpy()), uv=points.blend(mesh.uv.double().numpy())
    )


def smooth_normals(mesh: Mesh, points: Points) -> np.ndarray:
    """The mesh's own normals there, as a viewer blends them."""
    return unit(points.blend(normals_of(mesh)))


def mapped_normals(mesh: Mesh, points: Points) -> np.ndarray:
    """Those that a viewer makes of them with the normal map, by glTF's rule for tangent space."""
    normal, frame = smooth_normals(mesh, points), tangents_of(mesh)
    tangent = points.blend(frame[:, :3])
    local = sample(texture_of(mesh, "normal"), points.uv) * 2 - 1
    bitangent = np.cross(normal, tangent) * frame[points.corner[:, 0], 3:]
    return unit(local[:, :1] * tangent + local[:, 1:2] * bitangent + local[:, 2:] * normal)


def degrees(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Between unit vectors [N,3]."""
    return np.degrees(np.arccos(np.clip((a * b).sum(1), -1, 1)))


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12)
