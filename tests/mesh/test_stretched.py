from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.core.errors import ConfigError, InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.shape import parse_sides, place, stretched
from dreamlab.run.resolve import resolve
from dreamlab.stages import ExportStageConfig


@pytest.fixture
def ball() -> Mesh:
    shape = trimesh.creation.icosphere(3)
    vertices = torch.from_numpy(np.array(shape.vertices)).float()
    return Mesh(vertices, torch.from_numpy(np.array(shape.faces)), vertices)


@pytest.mark.parametrize("sides", [(1, 2, 1), (3, 1, 2), (1, 1, 1)])
def test_the_box_has_these_proportions_and_its_longest_side_stays(ball, sides) -> None:
    mesh = stretched(ball, sides)
    extent = mesh.vertices.amax(0) - mesh.vertices.amin(0)
    assert torch.allclose(extent / extent.max(), torch.tensor(sides) / max(sides), atol=1e-5)
    assert float(extent.max()) == pytest.approx(2, rel=1e-5)


def test_normals_are_those_of_the_ellipsoid(ball) -> None:
    mesh = stretched(ball, (1, 2, 1))
    slope = mesh.vertices / torch.tensor([0.5, 1, 0.5]) ** 2
    assert torch.allclose(mesh.normals, torch.nn.functional.normalize(slope, dim=1), atol=1e-4)


def test_size_and_proportions_go_together(ball) -> None:
    mesh = place(stretched(ball, (1, 3, 1)), size=0.3, origin="base")
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    assert torch.allclose(high - low, torch.tensor([0.1, 0.3, 0.1]), atol=1e-5) and abs(float(low[1])) < 1e-6


def test_a_flat_mesh_cannot_be_stretched() -> None:
    flat = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]]))
    with pytest.raises(InputError, match="flat mesh"):
        stretched(flat, (1, 1, 1))


@pytest.mark.parametrize("text", ["1x2", "1x2x0", "ax1x1", "1x1x1000", "", "1x-2x1"])
def test_proportions_that_cannot_be_used_are_refused(text) -> None:
    with pytest.raises(InputError, match="the proportions cannot be"):
        parse_sides(text)
    with pytest.raises((ConfigError, InputError), match="proportions"):
        resolve("a fox", preset="fast", overrides=[f"stages.export.bbox='{text}'"])


def test_the_setting_is_in_the_config() -> None:
    config = resolve("a fox", preset="fast", overrides=["stages.export.bbox=1x2x1"])
    assert config.last(ExportStageConfig).bbox == "1x2x1" and parse_sides("1 X .5x2") == (1, 0.5, 2)
