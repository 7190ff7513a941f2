"""Solids along paths and from outlines: tubes, blades, extrusions, and the outlines themselves."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import ArrayLike, FloatArray, Solid
from dreamlab.studio.shapes.solids import loft


def arc(radius: float, start: float, end: float, count: int = 9) -> FloatArray:
    """Points [count,3] on a circle in the XY plane from angle start to end (degrees; 0 = +X, 90 = +Y)."""
    angle = np.deg2rad(np.linspace(start, end, count))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(count)], axis=1)


def curve(points: ArrayLike, count: int = 9) -> FloatArray:
    """Smooth path [count,3] through control points [K,3], K >= 2 (Catmull-Rom spline)."""
    p = np.asarray(points, float)
    p = np.concatenate([[2 * p[0] - p[1]], p, [2 * p[-1] - p[-2]]])
    at = np.linspace(0, len(p) - 3 - 1e-9, count)
    k = at.astype(int)
    t = (at - k)[:, None]
    a, b, c, d = p[k], p[k + 1], p[k + 2], p[k + 3]
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def tube(path: ArrayLike, radius: ArrayLike, sides: int = 8) -> Solid:
    """Closed tube along path [K,3]; radius one number or [K] (ends may be thin but not 0: use about 0.01).

    The frame is carried along by projection (discrete parallel transport), so the tube does not twist.
    """
    p = np.asarray(path, float)
    r = np.broadcast_to(np.asarray(radius, float), (len(p),))
    tangent = np.gradient(p, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    u = np.eye(3)[np.abs(tangent[0]).argmin()]
    frames = np.empty((len(p), 3))
    for k, t in enumerate(tangent):
        u = u - t * (u @ t)
        u = u / np.sqrt(u @ u)
        frames[k] = u
    other = np.cross(tangent, frames)
    angle = np.arange(sides) * (2 * np.pi / sides)
    ring = np.cos(angle)[:, None] * frames[:, None] + np.sin(angle)[:, None] * other[:, None]
    return loft(p[:, None] + ring * r[:, None, None], p[0], p[-1])


def rod(start: ArrayLike, end: ArrayLike, radius: ArrayLike, sides: int = 8) -> Solid:
    """Straight tube from start [3] to end [3]; radius one number or a pair."""
    return tube(np.stack([np.asarray(start, float), np.asarray(end, float)]), radius, sides)


def blade(
    length: float, width: float, thickness: float = 0.03, bend: float = 0.0, widest: float = 0.4
) -> Solid:
    """Leaf, petal, feather or flame: grows from the origin along +Y, flat towards ±Z, pointed, closed.

    bend: how far the tip leans towards +Z; widest: where along the length the blade is broadest (0..1).
    """
    t = np.linspace(0.08, 0.92, 5)
    half = width / 2 * np.sin(np.pi * t ** (np.log(0.5) / np.log(widest)))
    half = np.maximum(half, width * 0.06)
    section = np.array([(1, 0), (0, -1), (-1, 0), (0, 1)])  # counter-clockwise about +Y, as (x, z)
    rings = np.zeros((5, 4, 3))
    rings[:, :, 0] = half[:, None] * section[:, 0]
    rings[:, :, 1] = (t * length)[:, None]
    rings[:, :, 2] = thickness / 2 * section[:, 1] + (bend * t**2)[:, None]
    return loft(rings, (0, 0, 0), (0, length, bend))


def signed_area(outline: FloatArray) -> float:
    """Area of a polygon [K,2], positive when it runs counter-clockwise."""
    x, y = outline.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def extrude(outline: ArrayLike, depth: float, bevel: float = 0.0) -> Solid:
    """Plate from a simple polygon [K,2] in XY (either sense), `depth` thick about z = 0.

    bevel: share (0..1) by which front and back shrink towards the middle, for pillow-like hearts and stars.
    Outlines that cannot be seen whole from the middle of their box are closed by ear clipping; for those
    bevel must be 0 (else ValueError). Raises ValueError for an outline without area.
    """
    p = np.asarray(outline, float)
    if signed_area(p) < 0:
        p = p[::-1]
    middle = (p.min(axis=0) + p.max(axis=0)) / 2
    fan = np.cross(
        np.c_[p - middle, np.zeros(len(p))], np.c_[np.roll(p, -1, axis=0) - middle, np.zeros(len(p))]
    )
    inner = middle + (p - middle) * (1 - bevel)
    z = depth / 2
    layers = [(inner, -z), (p, -z / 3), (p, z / 3), (inner, z)] if bevel else [(p, -z), (p, z)]
    rings = [np.c_[ring, np.full(len(p), height)] for ring, height in layers]
    solid = loft(rings, (*middle, -z), (*middle, z))
    if (fan[:, 2] > 1e-9).all():
        return solid
    if bevel:
        raise ValueError("bevel needs an outline that is star-shaped about the middle of its box")
    n = len(p)
    caps = np.array(_ears(p))
    sides = solid.faces[n:-n] - 1
    return Solid(solid.vertices[1:-1], np.concatenate([caps[:, ::-1], sides, caps + n]))


def _ears(p: FloatArray) -> list[tuple[int, int, int]]:
    """Triangulates a simple counter-clockwise polygon (Meisters 1975: two ears)."""

    def turn(i: int, j: int, k: int) -> float:
        return (p[j, 0] - p[i, 0]) * (p[k, 1] - p[i, 1]) - (p[j, 1] - p[i, 1]) * (p[k, 0] - p[i, 0])

    left, triangles = list(range(len(p))), []
    while len(left) > 3:
        for n, b in enumerate(left):
            a, c = left[n - 1], left[(n + 1) % len(left)]
            inside = (q for q in left if q not in (a, b, c))
            if turn(a, b, c) > 1e-12 and not any(
                turn(a, b, q) >= 0 and turn(b, c, q) >= 0 and turn(c, a, q) >= 0 for q in inside
            ):
                triangles.append((a, b, c))
                left.pop(n)
                break
        else:
            raise ValueError("no ear left to cut: the outline has no area or crosses itself")
    return [*triangles, (left[0], left[1], left[2])]


def star_outline(points: int = 5, outer: float = 1.0, inner: float = 0.45) -> FloatArray:
    """Star [2*points,2] about the origin with one point up."""
    angle = np.pi / 2 + np.arange(2 * points) * np.pi / points
    radius = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def heart_outline(size: float = 1.0, count: int = 28) -> FloatArray:
    """Heart [count,2] about the origin, point down, about 2*size wide."""
    t = np.arange(count) * (2 * np.pi / count)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x, y + 2], axis=1) * (size / 16)


def moon_outline(radius: float = 1.0, cut: float = 0.45, count: int = 22) -> FloatArray:
    """Crescent opening towards +X; cut moves the inner circle by that share of the radius."""
    inner = radius * 0.85
    shift = radius * cut
    x = (radius**2 - inner**2 + shift**2) / (2 * shift)
    outer_tip, inner_tip = np.arccos(x / radius), np.arccos((x - shift) / inner)
    a = np.linspace(outer_tip, 2 * np.pi - outer_tip, count // 2 + 2)
    b = np.linspace(2 * np.pi - inner_tip, inner_tip, count // 2 + 2)[1:-1]
    outer = np.stack([radius * np.cos(a), radius * np.sin(a)], axis=1)
    return np.concatenate([outer, np.stack([shift + inner * np.cos(b), inner * np.sin(b)], axis=1)])
