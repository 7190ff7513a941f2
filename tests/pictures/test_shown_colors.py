"""Pictures on a surface, against points of a ball whose place in a picture is known; what a picture shows."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.guidance.reference import Picture
from dreamlab.pictures.config import ImageConfig
from dreamlab.pictures.framing import picture_camera
from dreamlab.run import pictures
from dreamlab.run.expansion import with_expansion
from dreamlab.run.resolve import resolve
from dreamlab.scenes.voxel import VoxelFieldConfig
from dreamlab.stages.protocol import SurfaceMesh
from dreamlab.stages.shown_colors import ShownColors, projector, shown_on
from dreamlab.stages.texture import TextureStageConfig

RADIUS = 0.8
LEFT, RIGHT = torch.tensor([0.9, 0.1, 0.2]), torch.tensor([0.1, 0.3, 0.8])


def ball(radius: float = RADIUS) -> Mesh:
    made = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return Mesh(torch.tensor(made.vertices).float(), torch.tensor(np.asarray(made.faces)).long())


def halves(azimuth: float = 0.0, weight: float = 1.0, side: int = 256) -> Picture:
    """A ball from the front: its left half red, its right half blue."""
    camera = picture_camera(azimuth, 0.0, 40.0, side)
    reach = RADIUS / float(camera.distance)
    edge = math.tan(math.asin(reach)) / math.tan(math.radians(20))
    axis = 2 * (torch.arange(side) + 0.5) / side - 1
    solid = ((axis[:, None] ** 2 + axis[None] ** 2).sqrt() < edge).float()[..., None]
    color = torch.where((axis < 0)[None, :, None], LEFT, RIGHT)
    return Picture(color * solid, solid, camera, weight)


def on_ball(*angles: tuple[float, float]) -> torch.Tensor:
    """Points of the ball at azimuths and elevations in degrees."""
    turn, height = torch.tensor(angles).deg2rad().T
    return RADIUS * torch.stack([height.cos() * turn.sin(), height.sin(), height.cos() * turn.cos()], 1)


def test_what_a_camera_sees_well_has_the_pictures_colour() -> None:
    color, share = projector(ball(), halves()).at(on_ball((-20, 0), (20, 10), (30, -20)))
    torch.testing.assert_close(color, torch.stack([LEFT, RIGHT, RIGHT]), atol=0.02, rtol=0)
    torch.testing.assert_close(share, torch.ones(3, 1), atol=0.02, rtol=0)


def test_what_it_does_not_see_or_sees_from_aside_has_none_of_it() -> None:
    _, share = projector(ball(), halves()).at(on_ball((180, 0), (150, 20), (88, 0), (0, 86)))
    assert not share.any()


def test_another_camera_sees_another_side() -> None:
    shown = projector(ball(), halves(azimuth=90.0))
    color, share = shown.at(on_ball((70, 0), (110, 0), (-90, 0)))
    torch.testing.assert_close(color[:2], torch.stack([LEFT, RIGHT]), atol=0.02, rtol=0)
    assert share[:2].min() > 0.9 and share[2] == 0


def test_a_part_that_hides_behind_another_has_none_of_it() -> None:
    back = Mesh(ball(0.2).vertices * 1.0 + torch.tensor([0.0, 0.0, -0.7]), ball().faces)
    front = ball(0.4)
    both = Mesh(
        torch.cat([front.vertices, back.vertices]), torch.cat([front.faces, back.faces + len(front.vertices)])
    )
    _, share = projector(both, halves()).at(torch.tensor([[0.0, 0.0, -0.5], [0.0, 0.05, 0.4]]))
    assert share[0] == 0 and share[1] > 0.9


def test_a_surface_takes_the_colours_of_pictures_that_count_and_else_stays() -> None:
    field = VoxelFieldConfig(resolution=8).build(torch.Generator().manual_seed(0))
    scene = SurfaceMesh(ball(), field)
    assert shown_on(scene, []) is scene
    shown = shown_on(scene, [halves(), halves(weight=0.0)]).field
    assert isinstance(shown, ShownColors) and len(shown.projectors) == 1
    points = on_ball((-20, 0), (180, 0))
    own, got = field(points), shown(points)
    torch.testing.assert_close(got[0], own[0])
    torch.testing.assert_close(got[1], torch.stack([LEFT, own[1][1]]), atol=0.02, rtol=0)
    torch.testing.assert_close(shown.density(points), own[0])


@pytest.mark.parametrize("shown", [True, False])
def test_a_surface_with_a_picture_is_not_painted_in_few_colours(shown: bool) -> None:
    """Unless it is asked for: of "auto" the picture's detail is worth more."""
    field = VoxelFieldConfig(resolution=8).build(torch.Generator().manual_seed(0))
    config = TextureStageConfig(into="vertices", palette={"mode": "auto"})
    context: Any = SimpleNamespace(pictures=[halves()] if shown else [], prompt="a ball")
    events = config.build().run(SurfaceMesh(ball(), field), context)
    (measured,) = iter(lambda: next(events, None), None)
    assert ("colors" in measured.values) is not shown


# ---- what a picture is called ----


def drawn(file: Path, color: tuple[int, int, int]) -> ImageConfig:
    """Something mushroom-like with alpha."""
    y, x = np.mgrid[0:128, 0:128]
    cap = (np.hypot((x - 64) / 1.3, y - 60) < 40) & (y < 64)
    stem = (abs(x - 64) < 13) & (y >= 64) & (y < 112)
    rgba = np.zeros((128, 128, 4), np.uint8)
    rgba[cap], rgba[stem] = (*color, 255), (235, 225, 200, 255)
    Image.fromarray(rgba).save(file)
    return ImageConfig(path=file)


def test_a_clear_picture_suggests_a_prompt_and_says_how_sure_it_is(tmp_path: Path) -> None:
    found = pictures.suggested_prompt(drawn(tmp_path / "m.png", (200, 30, 30)))
    assert found.prompt == "a red mushroom"
    assert "m.png is taken for 'a red mushroom'" in found.line and "% sure" in found.line


def test_below_some_sureness_words_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "SURE", 1.1)
    with pytest.raises(InputError, match=r"not clear what m.png shows.*picture of: mushroom, .*, .*"):
        pictures.suggested_prompt(drawn(tmp_path / "m.png", (200, 30, 30)))


@pytest.mark.parametrize(("prompt", "heard"), [("a mushroom", "a blue mushroom"), ("a red mushroom", None)])
def test_a_prompt_without_a_colour_gets_the_pictures(tmp_path: Path, prompt: str, heard: str | None) -> None:
    image = drawn(tmp_path / "m.png", (40, 70, 210))
    config = resolve(prompt, preset="fast", settings={"images": [image.model_dump(mode="json")]})
    assert with_expansion(config).expanded == heard
