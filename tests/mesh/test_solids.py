from __future__ import annotations

from functools import cache
from typing import get_args

import numpy as np
import pytest
from finish import finished

from dreamlab.mesh.io.load import load
from dreamlab.mesh.texture.bake import BakeConfig, bake_vertices
from dreamlab.mesh.texture.solids import SOLIDS, SolidName, in_solid, noise, turbulence
from dreamlab.run.styles import MATERIALS, STYLES
from dreamlab.stages import ExtractStageConfig, SimplifyStageConfig, TextureStageConfig
from tests.mesh.analytic import Solid, sphere
from tests.mesh.conftest import halves
from tests.mesh.gltf_files import written

BOX = np.array([[-1.0, -1, -1], [1, 1, 1]])
PLACES = np.random.default_rng(0).uniform(-1, 1, (500, 3))
GREY = np.full((500, 3), 0.5)


def test_every_material_is_a_style() -> None:
    assert get_args(SolidName) == MATERIALS == tuple(SOLIDS)
    assert all(STYLES[name]["texture"]["material"] == name for name in MATERIALS)


@pytest.mark.parametrize("name", MATERIALS)
def test_a_colour_depends_on_the_place_in_the_object_alone(name) -> None:
    colors = in_solid(name, BOX, PLACES, GREY)
    assert colors.min() >= 0 and colors.max() <= 1
    assert np.array_equal(in_solid(name, BOX, PLACES[::-1], GREY), colors[::-1])
    moved = in_solid(name, BOX * 7 + 3, PLACES * 7 + 3, GREY)
    assert np.abs(moved - colors).max() < 1e-6


@pytest.mark.parametrize("name", MATERIALS)
def test_what_was_light_stays_lighter(name) -> None:
    dark, light = (in_solid(name, BOX, PLACES, np.full((500, 3), v)) for v in (0.2, 0.9))
    assert (light >= dark).all() and (light.sum(1) > dark.sum(1) + 0.1).all()


@pytest.mark.parametrize(("name", "patterned"), [("wood", True), ("marble", True), ("gold", False)])
def test_grain_and_veins_are_there_and_plain_metal_is_plain(name, patterned) -> None:
    assert (in_solid(name, BOX, PLACES, GREY).std(0).max() > 0.03) == patterned


def test_noise_is_smooth_fills_its_range_and_looks_like_chance() -> None:
    x = np.random.default_rng(1).uniform(-50, 50, (20_000, 3))
    values = noise(x)
    assert np.abs(values).max() <= 1 and values.std() > 0.2 and abs(values.mean()) < 0.02
    assert np.abs(noise(x + 1e-4) - values).max() < 1e-3
    assert abs(np.corrcoef(values, noise(x + np.eye(3)[0]))[0, 1]) < 0.5
    assert np.abs(turbulence(x, 5)).max() <= 1


def test_the_own_colours_are_baked_as_before_and_a_material_over_them(colored) -> None:
    field = Solid(sphere(0.6))
    own = bake_vertices(colored, field, BakeConfig()).mesh.colors.double().numpy()
    wood = bake_vertices(colored, field, BakeConfig(material="wood")).mesh.colors.numpy()
    corners = colored.vertices.double().numpy()
    assert np.abs(wood - in_solid("wood", corners, corners, own)).max() < 1e-5


# ---- the styles ----


@cache
def styled(style: str | None):
    texture = {"resolution": 64, **({} if style is None else STYLES[style]["texture"])}
    shape = ExtractStageConfig(resolution=16), SimplifyStageConfig(faces=60)
    return finished(Solid(sphere(0.6), rgb=halves), *shape, TextureStageConfig(**texture))[0]


@pytest.mark.parametrize("style", ["toon", "gold", "wood", "glass"])
def test_a_style_of_colours_leaves_the_shape_to_the_bit(style, tmp_path) -> None:
    mesh, plain = styled(style), styled(None)
    for name in ("vertices", "faces", "normals", "uv"):
        assert (getattr(mesh, name) == getattr(plain, name)).all()
    (row,) = written(mesh, tmp_path)["materials"]
    surface = row["pbrMetallicRoughness"]
    finish = SOLIDS[style].finish if style in SOLIDS else (0.0, 1.0)
    assert (surface["metallicFactor"], surface["roughnessFactor"]) == tuple(finish)
    wanted = {
        "toon": {"KHR_materials_unlit": {}},
        "glass": {"KHR_materials_transmission": {"transmissionFactor": 0.9}},
    }
    assert row.get("extensions", {}) == wanted.get(style, {})
    again = load(tmp_path / "out.glb").material
    assert (again.unlit, again.transmission) == (style == "toon", 0.9 if style == "glass" else 0.0)


def test_toon_has_few_flat_colours() -> None:
    image = dict(styled("toon").textures)["albedo"].numpy().reshape(-1, 3)
    colors, count = np.unique(image, axis=0, return_counts=True)
    assert (np.sort(count)[::-1][:5].sum() > 0.8 * len(image)) and len(colors) > 1
