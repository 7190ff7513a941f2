"""Primitive solids. Boxes, cylinders, cones, frusta, domes, wedges and lathes stand on y = 0 with their axis
on +Y; spheres, capsules, cushions, lumps and tori are centred at the origin. All wind outwards.

Nearly everything is a loft: a row of closed rings between two end points. The topology of a loft is cached,
so a primitive costs a few tens of microseconds.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np

from dreamlab.studio.shapes.core import ArrayLike, FloatArray, IntArray, Rng, Solid


@cache
def _loft_faces(rings: int, segments: int) -> IntArray:
    j = np.arange(segments)
    following = (j + 1) % segments
    start, end = 0, 1 + rings * segments
    faces = [np.stack([np.full(segments, start), 1 + following, 1 + j], axis=1)]
    for k in range(rings - 1):
        a, b = 1 + k * segments + j, 1 + k * segments + following
        c, d = b + segments, a + segments
        faces += [np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)]
    last = 1 + (rings - 1) * segments
    faces.append(np.stack([np.full(segments, end), last + j, last + following], axis=1))
    return np.concatenate(faces)


def loft(rings: ArrayLike, start: ArrayLike, end: ArrayLike) -> Solid:
    """Closed skin over rings [K,S,3] that turn counter-clockwise about the way from start [3] to end [3]."""
    r = np.asarray(rings, float)
    points = np.concatenate([np.reshape(start, (1, 3)), r.reshape(-1, 3), np.reshape(end, (1, 3))])
    return Solid(points, _loft_faces(r.shape[0], r.shape[1]))


@cache
def _circle(segments: int) -> FloatArray:
    """(x, z) of a unit circle, counter-clockwise seen from +Y, first point at the front."""
    angle = np.arange(segments) * (2 * np.pi / segments)
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


def lathe(profile: ArrayLike, segments: int = 14) -> Solid:
    """Surface of revolution about Y of a profile [K,2] of (radius, y), from bottom to top on the outside.

    Ends of radius 0 become poles, other ends are closed flat. A profile that goes up outside and down again
    inside makes a hollow vessel.
    """
    p = np.asarray(profile, float)
    start, end = (0, p[0, 1], 0), (0, p[-1, 1], 0)
    ringed = p[(1 if p[0, 0] == 0 else 0) : (len(p) - 1 if p[-1, 0] == 0 else len(p))]
    rings = np.empty((len(ringed), segments, 3))
    rings[:, :, ::2] = ringed[:, :1, None] * _circle(segments)
    rings[:, :, 1] = ringed[:, 1:]
    return loft(rings, start, end)


def cylinder(radius: float, height: float, segments: int = 14) -> Solid:
    """Upright cylinder on y = 0."""
    return lathe([(radius, 0), (radius, height)], segments)


def frustum(bottom: float, top: float, height: float, segments: int = 14) -> Solid:
    """Cone cut flat: radius `bottom` at y = 0, `top` at y = height."""
    return lathe([(bottom, 0), (top, height)], segments)


def cone(radius: float, height: float, segments: int = 14) -> Solid:
    """Upright cone on y = 0; segments=4 gives a pyramid."""
    return lathe([(radius, 0), (0, height)], segments)


def dome(radius: float, height: float, segments: int = 14, rows: int = 4) -> Solid:
    """Upper half of an ellipsoid with a flat bottom on y = 0."""
    angle = np.linspace(0, np.pi / 2, rows + 1)
    profile = np.stack([radius * np.cos(angle), height * np.sin(angle)], axis=1)
    profile[-1, 0] = 0
    return lathe(profile, segments)


@cache
def _sphere_profile(rows: int) -> FloatArray:
    angle = np.linspace(-np.pi / 2, np.pi / 2, rows + 1)
    profile = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    profile[[0, -1], 0] = 0
    return profile


def sphere(
    rx: float, ry: float | None = None, rz: float | None = None, segments: int = 12, rows: int = 8
) -> Solid:
    """Ellipsoid with half axes rx, ry, rz about the origin (ry, rz default to rx)."""
    unit = lathe(_sphere_profile(rows), segments)
    return unit.scaled(rx, rx if ry is None else ry, rx if rz is None else rz)


def cushion(
    width: float, height: float, depth: float, square: float = 0.5, segments: int = 16, rows: int = 8
) -> Solid:
    """Superellipsoid about the origin: 1 = ellipsoid, towards 0 = box. For pillows, loaves, seats."""
    unit = lathe(_sphere_profile(rows), segments).vertices
    ring = np.hypot(unit[:, 0], unit[:, 2])
    flat = np.stack([unit[:, 0], np.zeros(len(unit)), unit[:, 2]], axis=1) / np.maximum(ring, 1e-9)[:, None]
    squared = np.sign(flat) * np.abs(flat) ** square
    vertices = squared * (ring**square)[:, None]
    vertices[:, 1] = np.sign(unit[:, 1]) * np.abs(unit[:, 1]) ** square
    return Solid(vertices * (width / 2, height / 2, depth / 2), _loft_faces(rows - 1, segments))


def capsule(radius: float, length: float, segments: int = 12, rows: int = 8) -> Solid:
    """Upright cylinder with round ends about the origin; `length` is from tip to tip."""
    profile = _sphere_profile(rows) * radius
    shift = np.array((0, max(length / 2 - radius, 0.0)))
    upper = profile[:, 1] >= -1e-9
    low, high = profile[profile[:, 1] <= 1e-9], profile[upper]
    return lathe(np.concatenate([low - shift, high + shift]), segments)


@cache
def _torus_faces(rings: int, sides: int) -> IntArray:
    i, j = np.meshgrid(np.arange(rings), np.arange(sides), indexing="ij")
    a, b = i * sides + j, i * sides + (j + 1) % sides
    d, c = (i + 1) % rings * sides + j, (i + 1) % rings * sides + (j + 1) % sides
    return np.concatenate([np.stack(t, axis=-1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])


def torus(radius: float, thickness: float, segments: int = 20, sides: int = 8) -> Solid:
    """Ring lying flat about Y, centred: `radius` to the middle of its tube, of radius `thickness`."""
    section = _circle(sides) * thickness
    around = _circle(segments)
    points = np.empty((segments, sides, 3))
    points[:, :, ::2] = around[:, None] * (radius + section[None, :, 1:])
    points[:, :, 1] = section[:, 0]
    return Solid(points.reshape(-1, 3), _torus_faces(segments, sides)[:, ::-1])


@cache
def _bevelled_corners() -> tuple[FloatArray, FloatArray, IntArray]:
    """Signs of the corners [24,3], which axes are inset [24,3], faces of a chamfered box [44,3]."""
    corners = [(np.array(s, float), axis) for s in product((-1, 1), repeat=3) for axis in range(3)]
    signs = np.array([s for s, _ in corners])
    inset = np.array([[0.0 if k == axis else 1.0 for k in range(3)] for _, axis in corners])
    points = signs * (1 - 0.3 * inset)
    loops: list[list[int]] = []
    for axis, side in product(range(3), (-1, 1)):
        loops.append([i for i, (s, a) in enumerate(corners) if a == axis and s[axis] == side])
    for axis, s1, s2 in product(range(3), (-1, 1), (-1, 1)):
        o1, o2 = (axis + 1) % 3, (axis + 2) % 3
        loops.append([i for i, (s, a) in enumerate(corners) if a != axis and s[o1] == s1 and s[o2] == s2])
    loops += [[3 * k, 3 * k + 1, 3 * k + 2] for k in range(8)]
    faces: list[tuple[int, int, int]] = []
    for loop in loops:
        centre = points[loop].mean(axis=0)
        u = points[loop[0]] - centre
        v = np.cross(centre, u)
        turn = [
            np.arctan2((points[i] - centre) @ v, (points[i] - centre) @ u * np.linalg.norm(centre))
            for i in loop
        ]
        ordered = [loop[k] for k in np.argsort(turn)]
        faces += [(ordered[0], ordered[k], ordered[k + 1]) for k in range(1, len(ordered) - 1)]
    return signs, inset, np.array(faces)


_BOX_SIGNS = np.array(list(product((-1.0, 1.0), repeat=3)))
_BOX_FACES = np.array(
    [(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1),
     (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)]
)  # fmt: skip


def box(
    width: float, height: float, depth: float, taper: float | tuple[float, float] = 1.0, bevel: float = 0.0
) -> Solid:
    """Box on y = 0: width along X, depth along Z.

    taper: size of the top relative to the bottom, one number or (x, z). bevel: chamfer of
    all edges as a length (at most half of the smallest side is used).
    """
    half = np.array([width, height, depth]) / 2
    if bevel > 0:
        signs, inset, faces = _bevelled_corners()
        points = signs * (half - min(bevel, 0.49 * 2 * half.min()) * inset)
    else:
        points, faces = _BOX_SIGNS * half, _BOX_FACES
    if taper != 1.0:
        tx, tz = (taper, taper) if isinstance(taper, (int, float)) else taper
        rise = points[:, 1:2] / height + 0.5
        points = points * np.concatenate(
            [1 + rise * (tx - 1), np.ones_like(rise), 1 + rise * (tz - 1)], axis=1
        )
    return Solid(points + np.array((0, half[1], 0)), faces)


def wedge(width: float, height: float, depth: float) -> Solid:
    """Ramp on y = 0: zero height at the front (+Z), full height at the back. Also a gable or a slice."""
    x, z = width / 2, depth / 2
    points = np.array([(-x, 0, -z), (x, 0, -z), (-x, 0, z), (x, 0, z), (-x, height, -z), (x, height, -z)])
    faces = np.array([(0, 1, 3), (0, 3, 2), (0, 5, 1), (0, 4, 5), (2, 3, 5), (2, 5, 4), (0, 2, 4), (1, 5, 3)])
    return Solid(points, faces)


@cache
def _icosphere(levels: int) -> Solid:
    g = (1 + 5**0.5) / 2
    points = [(-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0), (0, -1, g), (0, 1, g),
              (0, -1, -g), (0, 1, -g), (g, 0, -1), (g, 0, 1), (-g, 0, -1), (-g, 0, 1)]  # fmt: skip
    faces = [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2),
             (10, 7, 6), (7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5),
             (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1)]  # fmt: skip
    vertices = [np.array(p) / np.linalg.norm(p) for p in points]
    for _ in range(levels):
        middle: dict[tuple[int, int], int] = {}
        finer = []
        for a, b, c in faces:
            mids = []
            for i, j in ((a, b), (b, c), (c, a)):
                key = (min(i, j), max(i, j))
                if key not in middle:
                    middle[key] = len(vertices)
                    m = vertices[i] + vertices[j]
                    vertices.append(m / np.linalg.norm(m))
                mids.append(middle[key])
            ab, bc, ca = mids
            finer += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        faces = finer
    return Solid(np.array(vertices), np.array(faces))


def lump(rng: Rng, rx: float, ry: float, rz: float, roughness: float = 0.15, levels: int = 2) -> Solid:
    """Irregular closed blob with half axes about rx, ry, rz: an icosphere with smooth bumps."""
    unit = _icosphere(levels)
    waves = rng.normal(size=(3, 6)) * 2.2
    bumps = np.cos(unit.vertices @ waves + rng.random(6) * 2 * np.pi).sum(axis=1) / 6
    return Solid(unit.vertices * (1 + roughness * 2.2 * bumps)[:, None] * (rx, ry, rz), unit.faces)


def ribbed(solid: Solid, ribs: int, depth: float) -> Solid:
    """Draws grooves into a solid about Y: `ribs` bulges, grooves `depth` deep as a share of the radius."""
    x, y, z = solid.vertices.T
    angle = np.arctan2(x, z)
    factor = 1 - depth * (1 - np.abs(np.cos(angle * ribs / 2)))
    return Solid(np.stack([x * factor, y, z * factor], axis=1), solid.faces)
