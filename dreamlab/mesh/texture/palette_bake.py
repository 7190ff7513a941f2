"""Paint a mesh in its palette: an image with sharp borders at any resolution, or colours at the corners."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.color import linear_to_srgb, srgb_to_linear
from dreamlab.mesh.geometry.shape import normals_of
from dreamlab.mesh.texture.cut import Cut, cut_along_borders
from dreamlab.mesh.texture.palette import FLAT, Palette, PaletteConfig, find_palette, lab_of, rgb_of
from dreamlab.mesh.texture.raster import owners
from dreamlab.mesh.texture.refine import refine

log = logging.getLogger(__name__)

DETAIL = 48  # edges of the surface that is labelled are at most this part of the mesh's longest side
FINER = 2  # samples along each side of a texel near a border
GROW = 1.0  # texels around every triangle that are painted like its edge
Look = Callable[[np.ndarray, np.ndarray], np.ndarray]
THIRDS = np.array([[4, 1, 1], [1, 4, 1], [1, 1, 4]]) / 6  # points of a face that stand for it


class Painted(NamedTuple):
    """The palette, and what gives sRGB in 0..1 for it, or for the same in other colours: [n,n,3] of an image
    or [V,3] of a mesh's corners; and how the mesh is cut along the borders, where it is."""

    palette: Palette
    paint: Callable[[Palette], np.ndarray]
    cut: Cut | None = None


class FineSurface:
    """A mesh split into small faces. `extra` [V',C] are its corners' other values, `faces` [F',3] index them;
    `vertices` [W,3] and `surface` [F',3] are the same without seams, `corner` [V] is where the mesh's own
    corners are among them."""

    def __init__(self, mesh: Mesh, extra: np.ndarray) -> None:
        vertices = mesh.vertices.double().numpy()
        longest = float(np.ptp(vertices, axis=0).max()) / DETAIL
        values, self.faces = refine(np.concatenate([vertices, extra], 1), mesh.faces.numpy(), longest)
        self.extra = values[:, 3:]
        first, index = topo.unique_rows(values[:, :3])
        self.vertices, self.surface = values[first, :3], index[self.faces]
        self.corner = index[: len(vertices)]

    def gathered(self, face: np.ndarray, weight: np.ndarray, colors: np.ndarray) -> np.ndarray:
        """The weighted mean [W,3] at every corner of colours [N,3] seen at these places of faces; the nearest
        one's where there are none."""
        corner, each = self.surface[face].reshape(-1), weight.reshape(-1)
        count = len(self.vertices)
        share = np.bincount(corner, weights=each, minlength=count)
        total = [np.bincount(corner, each * np.repeat(colors[:, k], 3), count) for k in range(3)]
        out = np.stack(total, 1) / np.maximum(share, 1e-6)[:, None]
        known = share > 1e-6
        if not known.all():
            from scipy.spatial import KDTree

            near = KDTree(self.vertices[known]).query(self.vertices[~known])[1]
            out[~known] = out[known][near]
        return out


def painted_image(mesh: Mesh, albedo: np.ndarray, config: PaletteConfig) -> Painted | None:
    """The texture [n,n,3] uint8 of an unwrapped mesh in its palette; None, with a line in the log, where the
    mode is "auto" and the colours are not flat by parts.

    Both sides of a seam have the same probabilities, so that borders meet; texels near a border are
    averaged in linear light from FINER x FINER samples. Texels of no face are like the nearest of one.
    """
    from scipy.ndimage import distance_transform_edt

    if mesh.uv is None or len(mesh.faces) == 0:
        return None
    n = len(albedo)
    fine = FineSurface(mesh, mesh.uv.double().numpy())
    uv = fine.extra[fine.faces]
    texel, face, weight = _owners(uv, n, GROW)
    if len(texel) == 0:
        return None
    colors = fine.gathered(face, weight, albedo.reshape(-1, 3)[texel] / 255)
    palette = worth(find_palette(fine.vertices, fine.surface, colors, config), config)
    if palette is None:
        return None
    empty = np.ones(n * n, dtype=bool)
    empty[texel] = False
    near = np.empty((2, n, n), dtype=np.int32)
    distance_transform_edt(empty.reshape(n, n), return_distances=False, return_indices=True, indices=near)

    def paint(palette: Palette) -> np.ndarray:
        image = albedo.reshape(-1, 3) / 255
        image[texel] = shown(palette, fine.surface[face], weight)
        _smooth_borders(image, n, palette, fine, uv)
        return image[near[0] * n + near[1]]

    return Painted(palette, paint)


def painted_corners(mesh: Mesh, look: Look, config: PaletteConfig) -> Painted | None:
    """Colours for the corners of the mesh, cut along the borders of its palette, so that they are sharp.

    It is found with `look`, which says the sRGB colour [N,3] in 0..1 at points [N,3] with normals [N,3]. None
    as in `painted_image`, and where the mode is "off".
    """
    if config.mode == "off" or len(mesh.faces) == 0:
        return None
    fine = FineSurface(mesh, normals_of(mesh))
    palette = worth(find_palette(fine.vertices, fine.surface, colors_on(fine, look), config), config)
    if palette is None:
        return None
    cut = cut_along_borders(mesh, fine.corner, palette)
    return Painted(palette, cut.paint, cut)


def colors_on(fine: FineSurface, look: Look) -> np.ndarray:
    """The colours [W,3] that are seen around the corners of a surface, whose `extra` begins with normals."""
    face, weight = np.repeat(np.arange(len(fine.faces)), 3), np.tile(THIRDS, (len(fine.faces), 1))
    x = np.einsum("nk,nki->ni", weight, fine.vertices[fine.surface[face]])
    normal = np.einsum("nk,nki->ni", weight, fine.extra[fine.faces[face], :3])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    return fine.gathered(face, weight, look(x, normal))


def worth(palette: Palette, config: PaletteConfig) -> Palette | None:
    """The palette, or None, with a line in the log, where the mode is "auto" and the colours are not flat."""
    if config.mode == "auto" and palette.error > FLAT:
        log.info(
            "no palette: %d flat colours are %.1f Delta E off, more than %.1f",
            len(palette.colors),
            palette.error,
            FLAT,
        )
        return None
    return palette


def _owners(uv: np.ndarray, n: int, grow: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Texels, each once, with the face it lies deepest in and its weights there; outside, the edge's."""
    texel, face, weight = owners(uv, n, grow)
    weight = weight.clip(0, 1)
    return texel, face, weight / weight.sum(1, keepdims=True)


def _smooth_borders(image: np.ndarray, n: int, palette: Palette, fine: FineSurface, uv: np.ndarray) -> None:
    """Average the texels of an image [n*n,3] near borders from finer samples, in linear light."""
    label = palette.probability.argmax(1)[fine.surface]
    touched = np.zeros(len(fine.vertices), dtype=bool)
    touched[fine.surface[(label != label[:, :1]).any(1)]] = True
    near = np.nonzero(touched[fine.surface].any(1))[0]
    if len(near) == 0:
        return
    sample, face, weight = _owners(uv[near], n * FINER, FINER / 2)
    color = srgb_to_linear(shown(palette, fine.surface[near[face]], weight))
    index = sample // (n * FINER) // FINER * n + sample % (n * FINER) // FINER
    texel, where = np.unique(index, return_inverse=True)
    part = np.bincount(where)[:, None] / FINER**2
    total = np.stack([np.bincount(where, weights=color[:, k]) for k in range(3)], 1) / FINER**2
    image[texel] = linear_to_srgb(total + (1 - part) * srgb_to_linear(image[texel]))


def shown(palette: Palette, corner: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """sRGB [N,3] in 0..1 at places of faces with these corners [N,3]: the likeliest colour's there, with its
    gradient."""
    label = np.einsum("nk,nkc->nc", weight, palette.probability[corner]).argmax(1)
    out = palette.colors[label]
    bent = np.asarray(palette.gradient.any((0, 2)))[label]
    if bent.any():
        slope = palette.gradient[corner[bent], label[bent][:, None]]
        out[bent] = rgb_of(lab_of(out[bent]) + np.einsum("nk,nki->ni", weight[bent], slope))
    return out
