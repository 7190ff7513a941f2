"""Fields that begin as a mesh's inside, against boxes and balls of known distance."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
import trimesh
from torch.nn import functional as F

from dreamlab.core.cameras import turntable
from dreamlab.core.errors import ConfigError, InputError
from dreamlab.core.types import Cameras, Mesh, RenderOutput
from dreamlab.losses import StartShapeLossConfig
from dreamlab.losses.start_shape import start_shape_loss
from dreamlab.mesh.geometry.shape import centred
from dreamlab.mesh.surface.silhouettes import silhouette_iou
from dreamlab.render import VolumeRendererConfig
from dreamlab.render.background import SolidBackgroundConfig
from dreamlab.scenes import (
    DensityConfig,
    HashGridFieldConfig,
    MLPFieldConfig,
    RadianceField,
    SDFFieldConfig,
    VoxelFieldConfig,
)
from dreamlab.scenes.start_shape import RADIUS, start_shape

FIELDS = [HashGridFieldConfig(levels=2), VoxelFieldConfig(resolution=8), MLPFieldConfig(), SDFFieldConfig()]


def mesh_of(*shapes: Any) -> Mesh:
    shape = trimesh.util.concatenate(shapes)
    return Mesh(torch.from_numpy(shape.vertices.copy()).float(), torch.from_numpy(shape.faces.copy()).long())


def block(sides: tuple[float, float, float], x: float = 0, y: float = 0, z: float = 0) -> Any:
    return trimesh.creation.box(sides).apply_translation((x, y, z))


def anywhere(count: int = 4000) -> torch.Tensor:
    x = torch.rand(count, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return x[x.norm(dim=1) < 1]


def seen_nothing(field: RadianceField) -> tuple[RenderOutput, RadianceField, Cameras]:
    """What a loss is given, of which this one looks at the field alone."""
    clear, black = torch.zeros(1, 4, 4, 1), torch.zeros(1, 4, 4, 3)
    return RenderOutput(black, clear, clear, black), field, turntable(1, 0.0, 3.0, 0.7, (4, 4))


def test_the_distance_is_that_of_a_ball() -> None:
    start, x = (
        start_shape(mesh_of(trimesh.creation.icosphere(4, 7.0).apply_translation((5, 0, 0)))),
        anywhere(),
    )
    assert torch.allclose(start(x), x.norm(dim=1) - RADIUS, atol=0.02)


def test_parts_that_overlap_or_look_inwards_or_stand_on_each_other_are_full() -> None:
    low, high = block((2, 1, 1)), block((1, 1, 1), y=1)
    inverted = block((2, 1, 1))
    inverted.invert()
    assert (start_shape(mesh_of(low, block((2, 1, 1), x=0.3)))(torch.zeros(1, 3)) < 0).all()
    assert (start_shape(mesh_of(inverted))(torch.zeros(1, 3)) < 0).all()
    both = start_shape(mesh_of(low, high))
    inside = both(torch.tensor([[0.0, 0.3, 0], [0.5, -0.4, 0], [0.6, 0.4, 0]])) < 0
    assert inside.tolist() == [True, True, False]


@pytest.mark.parametrize("config", FIELDS, ids=lambda config: config.kind)
def test_every_field_is_full_inside_and_empty_outside_at_first(config: Any) -> None:
    field = config.build(torch.Generator().manual_seed(0))
    field.start = start_shape(mesh_of(block((1, 1, 1)), block((1, 1, 1), x=0.7)))
    x = anywhere()
    distance, sigma = field.start(x), field.density(x)
    assert float(sigma[distance < -0.15].min()) > 20 * float(sigma[distance > 0.3].max())
    torch.testing.assert_close(field(x)[0], sigma)


@pytest.mark.parametrize("config", FIELDS, ids=lambda config: config.kind)
def test_a_restart_is_the_shape_again_and_a_copy_has_it(config: Any) -> None:
    field, x = config.build(torch.Generator().manual_seed(0)), anywhere()
    field.start = start_shape(mesh_of(block((2, 1, 1))))
    first = field.density(x)
    with torch.no_grad():
        for parameter in field.parameters():
            parameter += 0.3
    field.restart(torch.Generator().manual_seed(0))
    torch.testing.assert_close(field.density(x), first)
    torch.testing.assert_close(copy.deepcopy(field).density(x), first)
    assert "start.distance" in field.state_dict()


@pytest.mark.parametrize("scale, least", [(10, 0.9), (1, 0.75)])
def test_the_silhouette_is_the_sketchs(scale: float, least: float) -> None:
    config = HashGridFieldConfig(levels=2, density=DensityConfig(scale=scale))
    field = config.build(torch.Generator().manual_seed(0))
    sketch = mesh_of(block((2, 0.5, 0.5)), block((0.5, 2, 0.5)))
    field.start = start_shape(sketch)
    cameras = turntable(2, 0.3, 3.0, 0.7, (48, 48))
    renderer, background = VolumeRendererConfig(samples=64).build(), SolidBackgroundConfig()
    generator = torch.Generator().manual_seed(0)
    renderer.update(field, 0, generator)
    opacity = renderer(field, cameras, background=background.build(generator)).opacity
    assert silhouette_iou(centred(sketch, RADIUS), opacity.detach().reshape(-1) > 0.5, cameras) > least


def test_what_has_no_inside_is_refused() -> None:
    lid = trimesh.creation.box((1, 1, 1))
    lid.update_faces([k > 1 for k in range(12)])
    with pytest.raises(InputError, match=r"open.*4 edges.*--from"):
        start_shape(mesh_of(lid))
    with pytest.raises(InputError, match="no faces with an area"):
        start_shape(Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]])))


def test_the_loss_is_a_cross_entropy_that_spares_the_rim() -> None:
    depth = torch.rand(100, generator=torch.Generator().manual_seed(0)) + 0.1
    alpha = 1 - torch.exp(-depth)
    for sign, label in ((-1, torch.ones(100)), (1, torch.zeros(100))):
        far = start_shape_loss(depth, torch.full((100,), sign * 5.0), 0.1)
        torch.testing.assert_close(far, F.binary_cross_entropy(alpha, label))
        near = start_shape_loss(depth, torch.full((100,), sign * 0.1), 0.1)
        torch.testing.assert_close(near, far * (1 - math.exp(-0.5)))
    assert float(start_shape_loss(depth, torch.zeros(100), 0.1)) == 0
    assert math.isfinite(float(start_shape_loss(torch.zeros(3), torch.full((3,), -1.0), 0.1)))


def test_the_loss_brings_matter_back_and_takes_away_what_is_too_much() -> None:
    field = VoxelFieldConfig(resolution=12).build(torch.Generator().manual_seed(0))
    field.start = start_shape(mesh_of(block((2, 1, 1))))
    x = anywhere()
    with torch.no_grad():
        field.grid[:, 0] = torch.where(field.grid[:, 0] > 0, 6.0, -9.0)  # nonsense
    loss, generator = StartShapeLossConfig(points=2000).build(), torch.Generator().manual_seed(0)
    adam = torch.optim.Adam(field.parameters(), lr=0.2)
    values = []
    for _ in range(60):
        adam.zero_grad()
        value = loss(*seen_nothing(field), generator)
        value.backward()
        adam.step()
        values.append(float(value.detach()))
    assert values[-1] < 0.2 * values[0]
    far = field.start(x).abs() > 0.15
    full = 1 - torch.exp(-field.density(x) * 0.2) > 0.5
    assert float((full == (field.start(x) < 0))[far].float().mean()) > 0.98


def test_the_loss_wants_a_shape() -> None:
    field = VoxelFieldConfig(resolution=8).build(torch.Generator())
    with pytest.raises(ConfigError, match="--shape MESH"):
        StartShapeLossConfig().build()(*seen_nothing(field), torch.Generator())
