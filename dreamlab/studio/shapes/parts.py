"""Parts that many generators share: eyes, legs, wheels, spindle-shaped bodies, gables, side profiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dreamlab.studio.shapes.core import ArrayLike, Builder, FloatArray, Solid, join
from dreamlab.studio.shapes.paths import extrude
from dreamlab.studio.shapes.solids import cone, cylinder, lathe, loft, sphere

DARK = np.array((0.07, 0.07, 0.08))
EYE_WHITE = np.array((0.97, 0.97, 0.96))
STEEL = np.array((0.6, 0.62, 0.65))
PANE = np.array((0.62, 0.83, 0.95))
TIMBER = np.array((0.43, 0.27, 0.14))
ROSE = np.array((0.95, 0.62, 0.68))
LAMP = np.array((1.0, 0.93, 0.55))
TAIL_LAMP = np.array((0.85, 0.1, 0.1))
SKIN = ((0.98, 0.82, 0.68), (0.93, 0.72, 0.55), (0.75, 0.52, 0.36), (0.5, 0.33, 0.22))


def spindle(stations: ArrayLike, segments: int = 12, square: float = 1.0) -> Solid:
    """Body along +Z through sections [K,4] of (z, centre y, half width, half height), z rising.

    square: 1 = elliptical sections, towards 0 = rectangular. The ends are closed flat, so let them be small.
    """
    s = np.asarray(stations, float)
    angle = (np.arange(segments) + 0.5 * (segments % 4 == 2)) * (2 * np.pi / segments)
    x, y = (np.sign(w) * np.abs(w) ** square for w in (np.cos(angle).round(12), np.sin(angle).round(12)))
    rings = np.empty((len(s), segments, 3))
    rings[:, :, 0] = s[:, 2:3] * x
    rings[:, :, 1] = s[:, 1:2] + s[:, 3:4] * y
    rings[:, :, 2] = s[:, :1]
    return loft(rings, (0, s[0, 1], s[0, 0]), (0, s[-1, 1], s[-1, 0]))


def hull(stations: ArrayLike) -> Solid:
    """Boat's hull along +Z through sections [K,5]: (z, keel y, deck y, half width at the deck, keel's share
    of it).
    """
    rings = [
        [(w, deck, z), (-w, deck, z), (-w * share, keel, z), (w * share, keel, z)]
        for z, keel, deck, w, share in np.asarray(stations, float)
    ]
    return loft(rings, np.mean(rings[0], axis=0), np.mean(rings[-1], axis=0))


def side_profile(outline: ArrayLike, width: float, bevel: float = 0.0) -> Solid:
    """Plate seen from the side: polygon [K,2] of (z, y), `width` thick about x = 0."""
    return extrude(outline, width, bevel).ry(-90)


def gable(width: float, height: float, depth: float) -> Solid:
    """Pitched roof on y = 0 with its ridge along Z, triangular ends at the front and the back."""
    return extrude([(-width / 2, 0), (width / 2, 0), (0, height)], depth)


def on_ellipsoid(
    centre: ArrayLike, radii: ArrayLike, azimuth: float, elevation: float
) -> tuple[FloatArray, FloatArray]:
    """Point on an ellipsoid [3] and the direction [3] that leads there; degrees, azimuth 0 = front, 90 =
    +X.
    """
    a, e = np.deg2rad((azimuth, elevation))
    direction = np.array([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)])
    return np.asarray(centre, float) + direction * np.asarray(radii, float), direction


def eyes(
    b: Builder,
    centre: ArrayLike,
    radii: ArrayLike,
    size: float,
    azimuth: float = 28.0,
    elevation: float = 18.0,
    white: ArrayLike = EYE_WHITE,
    pupil: ArrayLike = DARK,
) -> None:
    """Two round eyes on an ellipsoidal head, pupils looking outwards."""
    point, direction = on_ellipsoid(centre, radii, azimuth, elevation)
    ball = point - direction * size * 0.35
    b.add_pair(sphere(size, segments=10, rows=6).at(*ball), white)
    b.add_pair(sphere(size * 0.66, segments=8, rows=6).at(*(ball + direction * size * 0.55)), pupil)


def bead_eyes(
    b: Builder,
    centre: ArrayLike,
    radii: ArrayLike,
    size: float,
    azimuth: float,
    elevation: float,
    dark_head: bool,
) -> None:
    """Two small dark eyes, light ones on a dark head."""
    point, _ = on_ellipsoid(centre, radii, azimuth, elevation)
    b.add_pair(sphere(size, segments=8, rows=6).at(*point), EYE_WHITE if dark_head else DARK)


def four_legs(
    b: Builder,
    x: float,
    front: float,
    back: float,
    height: float,
    radius: float,
    color: ArrayLike,
    hoof: ArrayLike,
) -> None:
    """Legs at (±x, front) and (±x, back), with a foot of another colour."""
    for z in (front, back):
        leg = lathe(
            [(radius * 0.85, height * 0.2), (radius * 0.85, height * 0.5), (radius * 1.15, height)], 10
        )
        b.add_pair(leg.at(x, 0, z), color)
        b.add_pair(lathe([(radius * 1.08, 0), (radius * 0.95, height * 0.22)], 10).at(x, 0, z), hoof)


def wheel(radius: float, width: float) -> tuple[Solid, Solid]:
    """Tyre and hub about the origin, axle along X."""
    bevelled = [(radius * 0.88, 0), (radius, width * 0.2), (radius, width * 0.8), (radius * 0.88, width)]
    tyre = lathe(bevelled, 16).at(y=-width / 2).rz(90)
    hub = cylinder(radius * 0.52, width * 1.14, 12).at(y=-width * 0.57).rz(90)
    return tyre, hub


def wheels(
    b: Builder,
    x: float,
    places: Sequence[float],
    radius: float,
    width: float,
    hub: ArrayLike,
    tyre: ArrayLike = DARK,
) -> None:
    """Pairs of wheels standing on y = 0 at (±x, z) for z in places."""
    rubber, disc = wheel(radius, width)
    for z in places:
        b.add_pair(rubber.at(x, radius, z), tyre)
        b.add_pair(disc.at(x, radius, z), hub)


def trunk(half: float, width: float, height: float, chest: float = 1.0) -> Solid:
    """Barrel of a four-legged body along Z about the origin; chest: size of the front relative to the
    back.
    """
    shares = ((-1, 0.3), (-0.88, 0.7), (-0.6, 0.95), (-0.1, 0.97), (0.5, 1), (0.85, 0.75), (1, 0.32))
    return spindle(
        [
            (half * z, 0, width * s * (chest if z > 0 else 1), height * s * (chest if z > 0 else 1))
            for z, s in shares
        ],
        14,
    )


def triangle_ear(width: float, height: float, depth: float = 0.08) -> Solid:
    """Pointed ear on y = 0, flat towards +Z."""
    return cone(0.5, height, 6).scaled(width, 1, depth * 2)


def pair(solid: Solid) -> Solid:
    """A solid and its mirror image in x = 0."""
    return join(solid, solid.mirrored_x())
