"""New colours for faces that lie where they lie: an image for some of them, in the layout that they have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from dreamlab.core.types import Material, Mesh
from dreamlab.mesh.geometry.color import texture_of, to_bytes
from dreamlab.mesh.material_words import Finish
from dreamlab.mesh.surface.colors import colors_between
from dreamlab.mesh.texture.bake import fill, texels
from dreamlab.mesh.texture.layout import fault_of
from dreamlab.mesh.texture.solids import SOLIDS, SolidName, in_solid
from dreamlab.mesh.texture.unwrap import unwrap

SIDES = (512, 2048)  # of an image, where only the old ones say how large


class Coat(NamedTuple):
    """sRGB [N,3] in 0..1 at places [N,3] of an object, of faces with these normals [N,3], that had colours
    [N,3] there; metal and roughness, None for the old ones; and the share of light that goes through."""

    paint: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    finish: Finish | None
    transmission: float = 0.0


def finish_over(coat: Coat, material: Material) -> Finish:
    """Metal and roughness of what had this material below the coat."""
    return coat.finish or Finish(material.metallic, material.roughness)


class Piece(NamedTuple):
    """Faces: where their corners are, by which rows of a mesh they have colours, and where they lie in an
    image, v up; None where nothing says so."""

    places: Float[np.ndarray, "F 3 3"]
    rows: Int[np.ndarray, "F 3"]
    mesh: Mesh
    uv: Float[np.ndarray, "F 3 2"] | None


class Image(NamedTuple):
    """An image for some pieces; new coordinates of each, where they had to be laid out anew, and why."""

    pixels: UInt8[np.ndarray, "n n 3"]
    uv: list[np.ndarray] | None = None
    fault: str = ""


def solid_coat(name: SolidName, pieces: Sequence[Piece]) -> Coat:
    """A material all through an object of these pieces."""
    corners = np.concatenate([piece.places.reshape(-1, 3) for piece in pieces])
    box = np.stack([corners.min(0), corners.max(0)])
    solid = SOLIDS[name]
    return Coat(lambda x, normal, own: in_solid(name, box, x, own), solid.finish, solid.transmission)


def image_for(pieces: Sequence[Piece], coat: Coat, side: int | None = None) -> Image:
    """One image for all the pieces, in their own layout if that can hold one. side: pixels; else those of
    the old textures, within SIDES."""
    places = np.concatenate([piece.places for piece in pieces])
    known = [piece.uv for piece in pieces if piece.uv is not None]
    uv = np.concatenate(known) if len(known) == len(pieces) else None
    old = [max(image.shape) for piece in pieces if (image := texture_of(piece.mesh, "albedo")) is not None]
    n = side or int(np.clip(max(old, default=1024), *SIDES))
    corners = torch.arange(3 * len(places)).reshape(-1, 3)
    soup = Mesh(torch.from_numpy(places.reshape(-1, 3)).float(), corners)
    fault = fault_of(uv, places)
    if fault is not None or uv is None:
        flat = unwrap(soup, resolution=n)
        assert flat.uv is not None  # what unwrapping gives
        uv = flat.uv[flat.faces].double().numpy()
    laid = Mesh(soup.vertices, corners, uv=torch.from_numpy(uv.reshape(-1, 2)).float())
    texel, position, normal, _, corner, weight = texels(laid, n)
    colors = coat.paint(position, normal, _own(pieces, corner, weight.clip(0, 1)))
    pixels = fill(texel, to_bytes(colors), n)
    if fault is None:
        return Image(pixels)
    return Image(pixels, np.split(uv, np.cumsum([len(piece.rows) for piece in pieces])[:-1]), fault)


def _own(pieces: Sequence[Piece], corner: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The colours [T,3] that the pieces have between three of all their corners, one after another; white
    where they have none."""
    weight = weight / weight.sum(1, keepdims=True)
    out, begin = np.ones((len(corner), 3)), 0
    for _, rows, mesh, _ in pieces:
        here = (corner[:, 0] >= begin) & (corner[:, 0] < begin + rows.size)
        if here.any() and (mesh.colors is not None or texture_of(mesh, "albedo") is not None):
            out[here] = colors_between(mesh, rows.reshape(-1)[corner[here] - begin], weight[here])
        begin += rows.size
    return out
