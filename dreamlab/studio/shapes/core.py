"""A coloured low-poly shape, and the pieces it is built from.

Frame: Y up, front +Z, right-handed; triangles wind counter-clockwise seen from outside. Rotations of `Solid`
are given in degrees, since generators are written and read by hand. Colours are sRGB in 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.integer]
BoolArray = NDArray[np.bool_]
Rng = np.random.Generator
# What np.asarray takes here. Unlike numpy's own ArrayLike it can be checked at run time.
ArrayLike: TypeAlias = NDArray[Any] | Sequence[Any] | float


@dataclass(frozen=True)
class Shape:
    """One captioned object: bounding-box centre at the origin, furthest vertex at distance 1.

    vertices float32 [V,3]; faces int32 [F,3]; face_colors float32 [F,3] sRGB 0..1; noun without article;
    colour the word of the dominant colour, or ""; captions from bare ("a mushroom") to full; category such as
    "plant" or "scene".
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    face_colors: NDArray[np.float32]
    noun: str
    color: str
    captions: tuple[str, ...]
    category: str


class Solid(NamedTuple):
    """An uncoloured part: vertices float64 [V,3], faces [F,3]. Every method returns a new solid."""

    vertices: FloatArray
    faces: IntArray

    def at(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Solid:
        """Moved by (x, y, z)."""
        return Solid(self.vertices + np.array((x, y, z)), self.faces)

    def scaled(self, x: float, y: float, z: float) -> Solid:
        """Scaled about the origin; an odd number of negative factors turns the winding round."""
        faces = self.faces if x * y * z > 0 else self.faces[:, ::-1]
        return Solid(self.vertices * (x, y, z), faces)

    def rx(self, degrees: float) -> Solid:
        """Turned about +X: positive tips +Y towards +Z."""
        c, s = _cos_sin(degrees)
        return self._turned(((1, 0, 0), (0, c, -s), (0, s, c)))

    def ry(self, degrees: float) -> Solid:
        """Turned about +Y: positive takes the front (+Z) to +X."""
        c, s = _cos_sin(degrees)
        return self._turned(((c, 0, s), (0, 1, 0), (-s, 0, c)))

    def rz(self, degrees: float) -> Solid:
        """Turned about +Z: positive tips +X up towards +Y."""
        c, s = _cos_sin(degrees)
        return self._turned(((c, -s, 0), (s, c, 0), (0, 0, 1)))

    def aligned(self, direction: ArrayLike) -> Solid:
        """Turned so that its +Y axis points along direction [3], the shortest way unless that is straight
        down.
        """
        return self._turned(_y_axis_to(np.asarray(direction, float)))

    def mirrored_x(self) -> Solid:
        """The other hand: reflected in the plane x = 0."""
        return self.scaled(-1, 1, 1)

    def centres(self) -> FloatArray:
        """Centroids of the faces [F,3]."""
        return self.vertices[self.faces].mean(axis=1)

    def normals(self) -> FloatArray:
        """Area vectors of the faces [F,3]: outward normal times twice the area."""
        corners = self.vertices[self.faces]
        return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])

    def _turned(self, matrix: ArrayLike) -> Solid:
        return Solid(self.vertices @ np.asarray(matrix, float).T, self.faces)


def _cos_sin(degrees: float) -> tuple[float, float]:
    angle = np.deg2rad(degrees)
    return float(np.cos(angle)), float(np.sin(angle))


def _y_axis_to(direction: FloatArray) -> FloatArray:
    x, y, z = direction / np.linalg.norm(direction)
    if y < -0.999:
        # The formula below divides by 1 + y: go by way of a half turn about X.
        half_turn = np.diag([1.0, -1.0, -1.0])
        return half_turn @ _y_axis_to(np.array((x, -y, -z)))
    # Rodrigues' formula for the rotation that takes (0, 1, 0) to the direction.
    k = 1.0 / (1.0 + y)
    return np.array([[1 - k * x * x, x, -k * x * z], [-x, y, -z], [-k * x * z, z, 1 - k * z * z]])


def join(*solids: Solid) -> Solid:
    """Several solids as one, for parts that move or are painted together."""
    offsets = np.cumsum([0, *(len(s.vertices) for s in solids[:-1])])
    faces = np.concatenate([s.faces + o for s, o in zip(solids, offsets, strict=True)])
    return Solid(np.concatenate([s.vertices for s in solids]), faces)


class Builder:
    """Collects painted parts and the words about them while a generator draws one object."""

    def __init__(self) -> None:
        self.solids: list[Solid] = []
        self.colors: list[FloatArray] = []
        self.details: list[str] = []

    def add(self, solid: Solid, color: ArrayLike) -> None:
        """Adds a part painted in one colour [3] or in a colour for each face [F,3]."""
        rgb = np.asarray(color, float)
        self.solids.append(solid)
        self.colors.append(np.broadcast_to(rgb, (len(solid.faces), 3)))

    def add_pair(self, solid: Solid, color: ArrayLike) -> None:
        """Adds a part and its mirror image in x = 0 (both arms, both lamps)."""
        self.add(solid, color)
        self.add(solid.mirrored_x(), color)

    def say(self, detail: str) -> None:
        """Adds words for the full caption: "with white spots", "in a brown pot"."""
        self.details.append(detail)

    def merged(self) -> tuple[Solid, FloatArray]:
        """All parts as one solid, and the colours of its faces [F,3]."""
        return join(*self.solids), np.concatenate(self.colors)


def normalise(vertices: FloatArray) -> FloatArray:
    """Moves the bounding-box centre to the origin and scales the furthest vertex to distance 1."""
    centred = vertices - (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    return centred / np.sqrt((centred**2).sum(axis=1).max())


def surface_points(
    solid: Solid, rng: Rng, count: int, keep: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Well spread points on a solid and the unit normals there, each [count,3]: for spots, seeds, sprinkles.

    Area-weighted samples, thinned by furthest-point selection. keep: mask [F] of the faces to use.
    """
    normals = solid.normals()
    area = np.linalg.norm(normals, axis=1)
    weight = area if keep is None else area * np.asarray(keep)
    face = rng.choice(len(area), size=count * 8, p=weight / weight.sum())
    u, v = rng.random((2, count * 8, 1))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    a, b, c = np.moveaxis(solid.vertices[solid.faces[face]], 1, 0)
    points = a + u * (b - a) + v * (c - a)
    chosen = [0]
    distance = ((points - points[0]) ** 2).sum(axis=1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return points[chosen], (normals[face] / area[face, None])[chosen]
