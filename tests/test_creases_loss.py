"""The creases loss against solids whose dihedral angles are known."""

import math

import numpy as np
import pytest
import torch
import trimesh
from torch import nn

from dreamlab.core.cameras import turntable
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import RenderOutput
from dreamlab.losses import CreasesLossConfig
from dreamlab.losses.creases import creases_loss
from dreamlab.scenes import VoxelFieldConfig
from dreamlab.scenes.unfold import face_pairs


def value(shape: trimesh.Trimesh) -> float:
    vertices, faces = torch.tensor(shape.vertices), torch.tensor(np.array(shape.faces))
    return float(creases_loss(vertices, faces, face_pairs(faces)))


def root(cosine: float) -> float:
    return math.sqrt(1 - cosine + 1e-4)


def test_a_cube_has_twelve_right_angles_and_six_diagonals() -> None:
    assert value(trimesh.creation.box()) == pytest.approx((12 * root(0) + 6 * root(1)) / 18)


def test_an_icosahedron_has_thirty_equal_angles() -> None:
    assert value(trimesh.creation.icosahedron()) == pytest.approx(root(math.sqrt(5) / 3))


def test_a_sphere_costs_less_the_finer_it_is_and_a_plane_next_to_nothing() -> None:
    """Angles between neighbours halve with every subdivision, and so does the loss: it is about the angle."""
    coarse, fine = (value(trimesh.creation.icosphere(n)) for n in (3, 4))
    assert fine == pytest.approx(coarse / 2, rel=0.1)
    plane = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    assert float(creases_loss(plane, faces, face_pairs(faces))) == pytest.approx(0.01)


def test_one_sharp_edge_costs_no_more_than_the_same_turn_in_small_steps() -> None:
    """Of a strip of faces that turns by a right angle, the diagonals left out: that is what leaves edges
    sharp. The plain 1 - n . m would cost eight times as much in one piece."""

    def strip(turns: list[float]) -> float:
        angles, points, at = np.cumsum([0.0, *turns]), [], np.zeros(2)
        for angle in [*angles, 0.0]:
            points += [[*at, 0.0], [*at, 1.0]]
            at = at + np.array([math.cos(angle), math.sin(angle)])
        faces = [f for k in range(0, len(points) - 2, 2) for f in ([k, k + 2, k + 1], [k + 1, k + 2, k + 3])]
        index = torch.tensor(faces)
        return float(creases_loss(torch.tensor(points, dtype=torch.float64), index, face_pairs(index)))

    sharp = strip([0, 0, 0, math.pi / 2, 0, 0, 0, 0])
    assert 0.9 < sharp / strip([math.pi / 16] * 8) < 1.0


def test_edges_of_one_face_or_of_three_do_not_count() -> None:
    fan = torch.tensor([[0, 1, 2], [0, 1, 3], [0, 1, 4], [1, 2, 5]])
    assert face_pairs(fan).tolist() == [[0, 3]]
    alone = torch.tensor([[0, 1, 2]])
    assert float(creases_loss(torch.rand(3, 3), alone, face_pairs(alone))) == 0.0


def test_faces_without_area_have_finite_gradients() -> None:
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0]], requires_grad=True)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    creases_loss(corners, faces, face_pairs(faces)).backward()
    assert corners.grad is not None and corners.grad.isfinite().all()


class Triangles(nn.Module):
    def __init__(self, shape: trimesh.Trimesh) -> None:
        super().__init__()
        self.faces = torch.tensor(np.array(shape.faces))
        self.corners = nn.Parameter(torch.tensor(shape.vertices).float())

    def vertices(self) -> torch.Tensor:
        return self.corners

    def albedo(self, x: torch.Tensor) -> torch.Tensor:
        return x


def seen() -> RenderOutput:
    one, three = torch.zeros(1, 2, 2, 1), torch.zeros(1, 2, 2, 3)
    return RenderOutput(three, one, one, three)


def test_it_looks_at_the_mesh_that_it_is_given_and_follows_a_new_one() -> None:
    loss, cameras = CreasesLossConfig().build(), turntable(1, 0.0, 3.0, 0.6, (2, 2))
    for shape in (trimesh.creation.box(), trimesh.creation.icosahedron()):
        got = loss(seen(), Triangles(shape), cameras, torch.Generator()).item()
        assert got == pytest.approx(value(shape), rel=1e-5)


def test_it_is_refused_for_a_scene_without_triangles() -> None:
    field = VoxelFieldConfig(resolution=4).build(torch.Generator())
    cameras = turntable(1, 0.0, 3.0, 0.6, (2, 2))
    with pytest.raises(ConfigError, match="for meshes"):
        CreasesLossConfig().build()(seen(), field, cameras, torch.Generator())
    assert CreasesLossConfig.needs_triangles
