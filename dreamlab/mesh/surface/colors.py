"""A coloured mesh that can be asked for its colour and normal at the point nearest to any other."""

from __future__ import annotations

import numpy as np

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.color import multiplied, sample, texture_of
from dreamlab.mesh.geometry.shape import normals_of

SAMPLES = 100_000  # points that stand for a surface, besides one a face
FACING = 0.05  # a normal's weight against a distance in sizes: thin walls keep their two sides apart
NEAR_ENOUGH = 0.25  # what is found may be this share farther than the nearest: exact search can crawl


class SurfaceColors:
    """A mesh that can be asked for its colour and normal at the point nearest to any other."""

    def __init__(self, mesh: Mesh) -> None:
        from scipy.spatial import KDTree

        self.mesh = mesh
        self.faces = mesh.faces.numpy()
        self.corners = mesh.vertices.double().numpy()[self.faces]
        self.size = float(np.ptp(self.corners.reshape(-1, 3), axis=0).max()) or 1.0
        self.facing, area = topo.face_normals(mesh.vertices.double().numpy(), self.faces)
        rng = np.random.default_rng(0)
        spread = rng.choice(len(area), SAMPLES, p=area / area.sum())
        self.face = np.concatenate([np.arange(len(area)), np.sort(spread)])
        share = rng.dirichlet((1, 1, 1), len(self.face))
        share[: len(area)] = 1 / 3
        points = np.einsum("nk,nki->ni", share, self.corners[self.face])
        self.tree = KDTree(self._key(points, self.facing[self.face]))

    def _key(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        return np.concatenate([points / self.size, normals * FACING], 1)

    def nearest(self, points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The face [N] under each point that looks its way, and the point's barycentric weights in it."""
        face = self.face[self.tree.query(self._key(points, normals), eps=NEAR_ENOUGH)[1]]
        a, b, c = (self.corners[face, k] for k in range(3))
        u, v, w = b - a, c - a, points - a
        uu, uv, vv = (np.einsum("ni,ni->n", p, q) for p, q in ((u, u), (u, v), (v, v)))
        wu, wv = np.einsum("ni,ni->n", w, u), np.einsum("ni,ni->n", w, v)
        det = np.maximum(uu * vv - uv * uv, 1e-30)
        s, t = (vv * wu - uv * wv) / det, (uu * wv - uv * wu) / det
        share = np.stack([1 - s - t, s, t], -1).clip(0, 1)
        return face, share / share.sum(1, keepdims=True)

    def colors(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        return self.color_of(*self.nearest(points, normals))

    def color_of(self, face: np.ndarray, share: np.ndarray) -> np.ndarray:
        """See `colors_between`."""
        return colors_between(self.mesh, self.faces[face], share)

    def normals(self, face: np.ndarray, share: np.ndarray) -> np.ndarray:
        out = np.einsum("nk,nki->ni", share, normals_of(self.mesh)[self.faces[face]])
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def colors_between(mesh: Mesh, corners: np.ndarray, share: np.ndarray) -> np.ndarray:
    """sRGB [N,3] in 0..1 between three corners each [N,3], by their shares [N,3]: the texture times what lies
    between the corners' colours. InputError for a mesh that has neither."""
    albedo, out = texture_of(mesh, "albedo"), None
    if albedo is not None and mesh.uv is not None:
        uv = np.einsum("nk,nki->ni", share, mesh.uv.double().numpy()[corners])
        out = sample(albedo, uv, mesh.material)
    if mesh.colors is not None:
        tint = np.einsum("nk,nki->ni", share, mesh.colors.double().numpy().clip(0, 1)[corners])
        out = tint if out is None else multiplied(out, tint)
    if out is None:
        raise InputError("the mesh has no colours", expected="a texture or vertex colours")
    return out
