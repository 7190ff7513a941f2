"""A mesh as a graph of its corners: areas, votes over edges, and diffusion of values along the surface."""

from __future__ import annotations

import numpy as np

from dreamlab.mesh.geometry import topology as topo


class SurfaceGraph:
    """Corners [V,3], welded, and faces [F,3]. `area` [V] sums to the surface's, `size` is the longest side of
    its box, `ends` [E,2] the corners of each edge, `linked` [V,V] is 1 where two share one."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        self.vertices, self.faces = vertices, faces
        normal, area = topo.face_normals(vertices, faces)
        self.area = np.bincount(faces.reshape(-1), weights=np.repeat(area, 3) / 3, minlength=len(vertices))
        self.size = float(np.ptp(vertices, axis=0).max())
        edges = np.sort(topo.directed_edges(faces), axis=1)
        first, self._edge = topo.unique_rows(edges)
        self.ends = edges[first]
        total = np.stack([np.bincount(self._edge, np.repeat(normal[:, k], 3), len(first)) for k in range(3)])
        uses = np.bincount(self._edge, minlength=len(first))
        # (1 + cosine) / 2 of the angle between two faces; 1 at a boundary
        self.level = (total**2).sum(0) / np.maximum(uses, 1) ** 2

        self.linked = self.symmetric(np.ones(len(self.ends)))

    def symmetric(self, weight: np.ndarray):
        """Edge weights [E] as a sparse matrix [V,V]."""
        from scipy.sparse import coo_matrix

        a, b = self.ends.T
        rows, columns = np.concatenate([a, b]), np.concatenate([b, a])
        shape = (len(self.vertices),) * 2
        return coo_matrix((np.concatenate([weight, weight]), (rows, columns)), shape=shape).tocsr()

    def votes(self, lab: np.ndarray, crease: float, edge: float):
        """What corners say to each other [V,V]: 1 over level edges within a colour, `crease` at right angles,
        less where the colours L*a*b* [V,3] are more than `edge` apart."""
        cosine = (2 * self.level - 1).clip(0, 1)
        apart = np.linalg.norm(lab[self.ends[:, 0]] - lab[self.ends[:, 1]], axis=1)
        return self.symmetric((crease + (1 - crease) * cosine) * np.exp(-0.5 * (apart / edge) ** 2))

    def diffusion(self, reach: float):
        """A function that smooths values [V,C] over about `reach` world units: one implicit step of the heat
        equation, (M + reach^2 L) x' = M x, with the cotangent Laplacian L, its negative weights 0."""
        from scipy.sparse import diags
        from scipy.sparse.linalg import splu

        weight = self._cotangents()
        off = self.symmetric(weight)
        mass = np.maximum(self.area, 1e-9 * max(float(self.area.sum()), 1e-30))
        laplacian = diags(np.asarray(off.sum(1)).reshape(-1)) - off
        solve = splu((diags(mass) + reach**2 * laplacian).tocsc()).solve
        return lambda x: solve(mass[:, None] * x)

    def _cotangents(self) -> np.ndarray:
        total = np.zeros(len(self.ends))
        edge = self._edge.reshape(-1, 3)
        for k in range(3):  # edge k runs from corner k to k + 1, opposite corner k + 2
            p, q, r = (self.vertices[self.faces[:, (k + i) % 3]] for i in (2, 0, 1))
            u, v = q - p, r - p
            sine = np.linalg.norm(np.cross(u, v), axis=1)
            cotangent = np.einsum("ij,ij->i", u, v) / np.maximum(sine, 1e-12 * max(self.size, 1e-30) ** 2)
            total += np.bincount(edge[:, k], weights=cotangent / 2, minlength=len(total))
        return total.clip(0, 1e3)
