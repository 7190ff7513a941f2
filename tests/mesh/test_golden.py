"""Five shapes with a closed form go the whole way of a run, from field to textured mesh: volume, area, genus,
colours at points, and normals.

The level is found by silhouettes, so it lies somewhat outside the zero of the distance function; how far is
known from the level that is reported, and what a shape grown by so much measures is known too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from finish import finished
from torch import Tensor

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import sample, texture_of
from dreamlab.mesh.surface.clean import Solidity, solidity
from dreamlab.stages import CleanStageConfig, ExtractStageConfig, SimplifyStageConfig, TextureStageConfig
from tests.mesh.analytic import Solid, ball_area, ball_volume, plate, shell, sphere, torus, union
from tests.mesh.points import degrees, on_surface, smooth_normals, unit

PEAK, WIDTH = 2000.0, 0.004  # a crisp field: from 99 % to 1 % of the peak in 0.037


def grown_box(sides: tuple[float, float, float], by: float) -> tuple[float, float]:
    """Volume and area of all points within `by` of a box: Steiner's formula."""
    a, b, c = sides
    area, edges = 2 * (a * b + b * c + c * a), math.pi * (a + b + c)
    volume = a * b * c + area * by + edges * by**2 + 4 / 3 * math.pi * by**3
    return volume, area + 2 * edges * by + 4 * math.pi * by**2


def grown_pair(radius: float, by: float) -> tuple[float, float]:
    """Two touching balls grown by `by` into each other: two balls without their common lens."""
    r = radius + by
    lens = math.pi * (4 * r + 2 * radius) * (2 * by) ** 2 / 12
    return 2 * ball_volume(r) - lens, 2 * (ball_area(r) - 2 * math.pi * r * by)


class Golden(NamedTuple):
    """The distance function, volume and area of what should be left of it when grown by so much, and its
    genus."""

    sdf: Callable[[Tensor], Tensor]
    grown: Callable[[float], tuple[float, float]]
    genus: int


GOLDEN = {
    "sphere": Golden(sphere(0.6), lambda d: (ball_volume(0.6 + d), ball_area(0.6 + d)), 0),
    "torus": Golden(
        torus(0.55, 0.2),
        lambda d: (2 * math.pi**2 * 0.55 * (0.2 + d) ** 2, 4 * math.pi**2 * 0.55 * (0.2 + d)),
        1,
    ),
    "thin plate": Golden(plate(0.06, 0.6), lambda d: grown_box((1.2, 0.06, 1.2), d), 0),
    "two touching spheres": Golden(
        union(sphere(0.35, (-0.35, 0, 0)), sphere(0.35, (0.35, 0, 0))), lambda d: grown_pair(0.35, d), 0
    ),
    "hollow shell": Golden(shell(0.7, 0.5), lambda d: (ball_volume(0.7 + d), ball_area(0.7 + d)), 0),
}


class Made(NamedTuple):
    golden: Golden
    mesh: Mesh
    solid: Solidity
    measures: dict[str, float]


@pytest.fixture(scope="module", params=list(GOLDEN))
def made(request: pytest.FixtureRequest) -> Made:
    golden = GOLDEN[request.param]
    mesh, measures = finished(
        Solid(golden.sdf, PEAK, WIDTH),
        ExtractStageConfig(resolution=64),
        CleanStageConfig(),
        SimplifyStageConfig(faces=4000),
        TextureStageConfig(resolution=256),
    )
    return Made(golden, mesh, solidity(mesh), measures)


def test_volume_and_area_are_those_of_the_closed_form(made: Made) -> None:
    by = WIDTH * math.log(PEAK / made.measures["iso"] - 1)
    assert 0 < by < 0.03  # less than a cell
    volume, area = made.golden.grown(by)
    assert made.solid.volume == pytest.approx(volume, rel=0.015)
    assert made.solid.area == pytest.approx(area, rel=0.03)  # denoising draws a thin plate's rim in


def test_the_mesh_is_one_solid_of_the_right_genus(made: Made) -> None:
    assert made.solid.watertight
    assert made.solid.genus == made.golden.genus


def test_silhouettes_and_pictures_are_reported_and_match(made: Made) -> None:
    assert made.measures["silhouette_iou"] > 0.98
    assert made.measures["psnr"] > 23 and made.measures["psnr_worst"] > 19.5


def test_colours_are_those_of_the_field_at_every_point(made: Made) -> None:
    """The field's colour is (x + 1) / 2. A texel at a sharp rim covers more of it than elsewhere."""
    points = on_surface(made.mesh)
    error = np.abs(sample(texture_of(made.mesh, "albedo"), points.uv) - (points.x + 1) / 2)
    assert error.mean() < 0.01
    assert np.quantile(error, 0.99) < 0.04


def test_normals_are_the_fields_own(made: Made) -> None:
    points = on_surface(made.mesh)
    x = torch.from_numpy(points.x).requires_grad_(True)
    truth = unit(torch.autograd.grad(made.golden.sdf(x).sum(), x)[0].numpy())
    far = degrees(smooth_normals(made.mesh, points), truth)
    assert np.median(far) < 3
    assert (far > 45).mean() < 0.04  # at the rims
