from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import srgb_to_linear, texture_of
from dreamlab.mesh.surface.clean import CleanConfig, clean
from dreamlab.mesh.texture.bake import BakeConfig, bake, bake_colors
from dreamlab.mesh.texture.lighting import GROUND, daylight, under_light
from dreamlab.mesh.texture.unwrap import unwrap
from tests.mesh.analytic import Solid, sphere


def test_a_ball_under_the_sky_has_the_light_of_the_closed_form(ball) -> None:
    """Nothing hides the sky of a convex thing: light is linear in the normal's height. The mean of a
    direction's height, weighted with the cosine, is two thirds of the normal's."""
    light = daylight(ball.mesh)
    up = ball.mesh.vertices[:, 1].double().numpy() / 0.6
    sky = lambda height: GROUND + (1 - GROUND) * (height + 1) / 2  # noqa: E731
    assert np.abs(light - sky(up * 2 / 3) / sky(2 / 3)).max() < 0.03


def test_a_pit_is_darker_than_the_plain_around_it() -> None:
    plain = trimesh.creation.box((4, 0.1, 4))
    walls = [trimesh.creation.box((0.1, 1, 1)) for _ in range(2)]
    for side, wall in zip((-0.3, 0.3), walls, strict=True):
        wall.apply_translation((side, 0.5, 0))
    plain = plain.subdivide_to_size(0.2)
    whole = trimesh.util.concatenate([plain, *walls])
    mesh = Mesh(torch.from_numpy(np.array(whole.vertices)).float(), torch.from_numpy(np.array(whole.faces)))
    light, x = daylight(mesh), np.array(whole.vertices)
    top = np.isclose(x[:, 1], 0.05) & (np.arange(len(x)) < len(plain.vertices))
    between = top & (np.abs(x[:, 0]) < 0.15) & (np.abs(x[:, 2]) < 0.3)
    far = top & (np.abs(x[:, 0]) > 1) & (np.abs(x[:, 0]) < 1.9) & (np.abs(x[:, 2]) < 1.5)
    assert between.any() and light[between].max() < 0.75 * light[far].min()


def test_light_multiplies_linear_colours() -> None:
    dimmed = under_light(np.full((1, 3), 0.5), np.array([0.5]))
    assert srgb_to_linear(dimmed)[0, 0] == pytest.approx(0.214041 / 2, rel=1e-4)


def test_baked_light_is_off_by_default_and_darkens_the_underside(ball) -> None:
    field = Solid(sphere(0.6), rgb=lambda x: torch.full_like(x, 0.8))
    flat = unwrap(clean(ball.mesh, CleanConfig(faces=600)), resolution=128)
    plain, lit = (
        bake(flat, field, BakeConfig(resolution=128, lighting=on), fine=ball.mesh) for on in (False, True)
    )
    assert not BakeConfig().lighting
    assert np.abs(texture_of(plain, "albedo").astype(int) - 204).max() <= 1
    assert texture_of(lit, "albedo").max() <= 205 and texture_of(lit, "albedo").min() < 165
    colors = bake_colors(flat, field, BakeConfig(lighting=True)).colors
    top, bottom = flat.vertices[:, 1] > 0.5, flat.vertices[:, 1] < -0.5
    assert colors[top].mean() > colors[bottom].mean() + 0.15
