"""A surface in its palette, that can be asked at any place near it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.shape import normals_of
from dreamlab.mesh.surface.colors import SurfaceColors
from dreamlab.mesh.texture.palette import Palette, PaletteConfig, find_palette
from dreamlab.mesh.texture.palette_bake import FineSurface, Look, colors_on, shown, worth


class PaintedSurface(NamedTuple):
    """A palette, the corners [F,3] of the small faces that it was found on, and what finds the nearest of
    them."""

    palette: Palette
    corners: np.ndarray
    where: SurfaceColors

    @classmethod
    def of(cls, mesh: Mesh, look: Look, config: PaletteConfig) -> PaintedSurface | None:
        """The mesh in its palette. None where the mode is "off", or "auto" and the colours are not flat."""
        if config.mode == "off":
            return None
        fine = FineSurface(mesh, normals_of(mesh))
        found = worth(find_palette(fine.vertices, fine.surface, colors_on(fine, look), config), config)
        if found is None:
            return None
        bare = Mesh(torch.from_numpy(fine.vertices), torch.from_numpy(fine.surface))
        return cls(found, fine.surface, SurfaceColors(bare))

    def colors(
        self, x: Float[np.ndarray, "N 3"], normal: Float[np.ndarray, "N 3"]
    ) -> Float[np.ndarray, "N 3"]:
        """sRGB in 0..1 at places of a surface that looks along these normals there."""
        face, share = self.where.nearest(x, normal)
        return shown(self.palette, self.corners[face], share)

    def share(
        self, color: int, x: Float[np.ndarray, "N 3"], normal: Float[np.ndarray, "N 3"]
    ) -> Float[np.ndarray, " N"]:
        """How likely places are of one colour of the palette."""
        face, share = self.where.nearest(x, normal)
        return np.einsum("nk,nk->n", share, self.palette.probability[self.corners[face], color])
