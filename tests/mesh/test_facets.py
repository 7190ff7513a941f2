from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from finish import finished

from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.shape import face_normals_of
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.load import load
from dreamlab.mesh.surface.clean import CleanConfig, clean, solidity
from dreamlab.mesh.texture import palette_bake
from dreamlab.mesh.texture.bake import BakeConfig
from dreamlab.mesh.texture.facets import bake_faces, facets, settled
from dreamlab.mesh.texture.palette import PaletteConfig
from dreamlab.mesh.texture.recolor import recolored
from dreamlab.run.presets import preset_names
from dreamlab.run.resolve import resolve
from dreamlab.run.styles import STYLES
from dreamlab.stages import ExtractStageConfig, SimplifyStageConfig, TextureStageConfig
from tests.mesh.analytic import Solid, sphere

RED, CREAM = torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.9, 0.85, 0.7])
ON = BakeConfig(palette=PaletteConfig(mode="on"))


def halves(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x[:, 1:2] > 0, RED, CREAM)


def slope(x: torch.Tensor) -> torch.Tensor:
    return (x + 0.6) / 1.2


@pytest.fixture(scope="module")
def light(ball) -> Mesh:
    return clean(ball.mesh, CleanConfig(faces=300))


def test_facets_are_flat_closed_and_wound_as_before(light) -> None:
    mesh = facets(light)
    assert len(mesh.vertices) == 3 * len(light.faces) and solidity(mesh).watertight
    assert np.allclose(face_normals_of(mesh), face_normals_of(light), atol=1e-6)
    cosine = (mesh.normals[mesh.faces].double().numpy() * face_normals_of(mesh)[:, None]).sum(-1)
    assert cosine.min() > 1 - 1e-6
    assert solidity(mesh).volume == pytest.approx(solidity(light).volume, rel=1e-6)


def test_a_face_has_the_mean_colour_that_is_seen_on_it(light) -> None:
    """A colour that is linear in space has its mean at the centroid of a triangle."""
    how = BakeConfig(depth=0)
    mesh = bake_faces(light, Solid(sphere(0.6), rgb=slope), how).mesh
    assert (mesh.colors.reshape(-1, 3, 3) == mesh.colors[::3, None]).all()
    middle = mesh.vertices[mesh.faces].mean(1)
    assert (mesh.colors[::3] - slope(middle)).abs().max() < 0.03


def test_with_a_palette_a_face_has_the_colour_that_most_of_it_has(light) -> None:
    baked = bake_faces(light, Solid(sphere(0.6), rgb=halves), ON)
    assert len(baked.palette.colors) == 2 and len(baked.mesh.colors.unique(dim=0)) == 2
    height = baked.mesh.vertices[baked.mesh.faces].mean(1)[:, 1]
    clear = height.abs() > 0.05
    wanted = torch.where(height[:, None] > 0, RED, CREAM)
    assert (baked.mesh.colors[::3] - wanted)[clear].abs().max() < 0.05
    blue = baked.repaint(recolored(baked.palette, {"red": "navy"}))
    assert (blue.colors[::3][clear & (height > 0)] - torch.tensor([0, 0, 128 / 255])).abs().max() < 1e-3


def test_a_palette_that_is_not_worth_it_leaves_the_mean_colours(light, monkeypatch) -> None:
    monkeypatch.setattr(palette_bake, "FLAT", 0.0)
    field = Solid(sphere(0.6), rgb=slope)
    baked = bake_faces(light, field, BakeConfig(palette=PaletteConfig(mode="auto")))
    assert baked.palette is None and torch.equal(baked.mesh.colors, bake_faces(light, field).mesh.colors)


def test_light_can_be_baked_into_faces(light) -> None:
    field = Solid(sphere(0.6), rgb=halves)
    lit, unlit = (bake_faces(light, field, BakeConfig(lighting=on)).mesh for on in (True, False))
    assert (lit.colors <= unlit.colors + 1e-6).all() and (lit.colors < unlit.colors - 0.01).any()


# ---- borders ----


def test_a_face_that_sticks_out_of_a_border_is_taken_back_and_a_clear_one_is_not() -> None:
    ball = trimesh.creation.icosphere(3)
    mesh = Mesh(torch.from_numpy(ball.vertices).float(), torch.from_numpy(ball.faces))
    share = np.tile([0.95, 0.05], (len(mesh.faces), 1))
    share[7], share[400] = [0.45, 0.55], [0.0, 1.0]  # one that could be either, and an eye
    labels = settled(mesh, share)
    assert np.nonzero(labels)[0].tolist() == [400]


def test_borders_become_shorter_and_never_longer() -> None:
    ball = trimesh.creation.icosphere(3)
    mesh = Mesh(torch.from_numpy(ball.vertices).float(), torch.from_numpy(ball.faces))
    rng = np.random.default_rng(0)
    red = (1 / (1 + np.exp(-8 * ball.triangles_center[:, 1] + rng.normal(0, 1, len(ball.faces)))))[:, None]
    share = np.concatenate([red, 1 - red], 1)
    a, b = topo.neighbours(mesh.faces.numpy()).T

    def border(labels: np.ndarray) -> int:
        return int((labels[a] != labels[b]).sum())

    assert border(settled(mesh, share)) < 0.8 * border(share.argmax(1))


# ---- the style ----


def test_low_poly_is_few_flat_faces_that_close(tmp_path: Path) -> None:
    stages = STYLES["low-poly"]
    mesh, measures = finished(
        Solid(sphere(0.6), rgb=halves),
        ExtractStageConfig(resolution=48),
        SimplifyStageConfig(**stages["simplify"]),
        TextureStageConfig(**stages["texture"]),
    )
    assert measures["faces"] <= 500 and measures["watertight"] == 1
    for kind in ("glb", "obj", "ply"):
        write(mesh, tmp_path / f"m.{kind}")
        again = load(tmp_path / f"m.{kind}")
        assert solidity(again).watertight and len(again.colors.unique(dim=0)) == 2 and again.uv is None


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("preset", ["fast", "default", "quality", "pretrained", "drawn"])
def test_a_style_goes_on_top_of_every_preset(preset: str, style: str) -> None:
    assert preset in preset_names()
    config = resolve("a fox", preset=preset, settings={"stages": STYLES[style]})
    plain = resolve("a fox", preset=preset)
    for stage, before in zip(config.stages, plain.stages, strict=True):
        changed = {key for key, value in stage if value != getattr(before, key)}
        assert changed <= set(STYLES[style].get(stage.kind, {}))


def test_parts_may_be_of_faces_but_not_of_an_image() -> None:
    assert TextureStageConfig(into="faces", parts="materials").parts == "materials"
    with pytest.raises(ConfigError, match="into: vertices or faces"):
        resolve("a fox", settings={"stages": {"texture": {"parts": "materials"}}})
