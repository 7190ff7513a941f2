"""Solids of closed form with lumps on them, such as distillation leaves: .01 high, .10 to .15 long."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.surface.decimate import decimate

Distance = Callable[[np.ndarray], np.ndarray]  # signed, of points [N,3]; negative inside


def box(sides: tuple[float, float, float], at: tuple[float, float, float] = (0, 0, 0)) -> Distance:
    def distance(x: np.ndarray) -> np.ndarray:
        q = np.abs(x - np.array(at)) - np.array(sides) / 2
        return np.linalg.norm(q.clip(0), axis=1) + q.max(1).clip(max=0)

    return distance


def drum(radius: float, height: float, at: tuple[float, float, float] = (0, 0, 0)) -> Distance:
    def distance(x: np.ndarray) -> np.ndarray:
        p = x - np.array(at)
        q = np.stack([np.hypot(p[:, 0], p[:, 2]) - radius, np.abs(p[:, 1]) - height / 2], -1)
        return np.linalg.norm(q.clip(0), axis=1) + q.max(1).clip(max=0)

    return distance


def sphere(radius: float) -> Distance:
    return lambda x: np.linalg.norm(x, axis=1) - radius


def ring(major: float, minor: float, at: tuple[float, float, float]) -> Distance:
    """Around the z axis."""

    def distance(x: np.ndarray) -> np.ndarray:
        p = x - np.array(at)
        return np.hypot(np.hypot(p[:, 0], p[:, 1]) - major, p[:, 2]) - minor

    return distance


def both(*parts: Distance) -> Distance:
    return lambda x: np.min([part(x) for part in parts], axis=0)


def without(whole: Distance, part: Distance) -> Distance:
    return lambda x: np.maximum(whole(x), -part(x))


def roof(x: np.ndarray) -> np.ndarray:
    """A ridge along z at 40 degrees over a box 1.1 wide, from y = .3 on."""
    slope = np.abs(x[:, 0]) * np.sin(np.radians(40)) + (x[:, 1] - 0.75) * np.cos(np.radians(40))
    return np.max([slope, 0.3 - x[:, 1], np.abs(x[:, 2]) - 0.5], axis=0)


LEG = 0.1  # of the stool: square, 0.7 long below the seat
SHAPES: dict[str, Distance] = {
    "box": box((1.2, 0.8, 0.9)),
    "drum": drum(0.55, 0.8),
    "sphere": sphere(0.6),
    "house": both(box((1.0, 0.8, 1.0), (0, -0.1, 0)), roof),
    "mug": both(
        without(drum(0.45, 1.0), drum(0.34, 1.0, (0, 0.11, 0))),
        without(ring(0.27, 0.07, (0.45, 0, 0)), drum(0.4, 1.2)),
    ),
    "stool": both(
        box((1.1, 0.16, 1.1), (0, 0.2, 0)),
        *(box((LEG, 0.85, LEG), (x, -0.225, z)) for x in (-0.4, 0.4) for z in (-0.4, 0.4)),
    ),
}


class Sample(NamedTuple):
    """A closed mesh and the solid that it stands for."""

    vertices: np.ndarray
    faces: np.ndarray
    distance: Distance


def lumpy(distance: Distance, height: float = 0.01, cells: int = 72, faces: int = 8000) -> Sample:
    """Marching cubes of the solid plus a sum of waves of random direction, whose mean square is that of one
    sine `height` high; brought to so many faces."""
    from skimage.measure import marching_cubes

    axis = np.linspace(-1, 1, cells + 1)
    x = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    draw = np.random.default_rng(0)
    way = draw.normal(size=(12, 3))
    way *= (2 * np.pi / draw.uniform(0.1, 0.15, 12) / np.linalg.norm(way, axis=1))[:, None]
    waves = sum(np.sin(x @ k + phase) for k, phase in zip(way, draw.uniform(0, 6.28, 12), strict=True))
    level = distance(x) + height * waves / np.sqrt(12)
    grid = level.reshape((cells + 1,) * 3).astype(np.float32)
    v, f, _, _ = marching_cubes(grid, 0.0, gradient_direction="descent")
    v, f = topo.weld(v.astype(np.float64) * 2 / cells - 1, f.astype(np.int64))
    part = topo.components(f)
    v, f = topo.drop_unused(v, f[part == np.bincount(part).argmax()])
    assert topo.is_closed(f)
    return Sample(*decimate(v, f, faces), distance)


def true_normals(distance: Distance, x: np.ndarray) -> np.ndarray:
    """Of points [N,3]: the direction in which the distance grows, by central differences."""
    step = np.eye(3) * 1e-5
    slope = np.stack([distance(x + s) - distance(x - s) for s in step], -1)
    return slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-12)


def errors(vertices: np.ndarray, faces: np.ndarray, distance: Distance) -> tuple[float, float]:
    """Means by area: the angle to the true normal in degrees, and the distance to the true surface."""
    normal, area = topo.face_normals(vertices, faces)
    centre = vertices[faces].mean(1)
    cosine = np.einsum("fi,fi->f", normal, true_normals(distance, centre)).clip(-1, 1)
    return float(np.average(np.degrees(np.arccos(cosine)), weights=area)), float(
        np.average(np.abs(distance(centre)), weights=area)
    )


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    return float(topo.signed_volumes(vertices - vertices.mean(0), faces).sum())


def volume_below(vertices: np.ndarray, faces: np.ndarray, y: float) -> float:
    import manifold3d

    solid = manifold3d.Manifold(manifold3d.Mesh64(vertices, faces.astype(np.uint64)))
    return solid.trim_by_plane((0, -1, 0), -y).volume()
