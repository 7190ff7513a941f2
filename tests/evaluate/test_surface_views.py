"""What a pixel sees of a mesh, against the renderer of the training corpus and hand-made scenes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.errors import InputError
from dreamlab.core.types import Cameras, Mesh
from dreamlab.evaluate.surface_views import flat_mesh, surface_views
from dreamlab.mesh.geometry.shape import face_normals_of

RED = (1.0, 0.0, 0.0)


def front(size: int = 32, distance: float = 3.0) -> Cameras:
    zero = torch.zeros(1)
    return orbit_cameras(zero, zero, zero + distance, zero + 0.7, (size, size))


def wall(z: float, color: tuple[float, float, float] = RED, turned_away: bool = False) -> Mesh:
    """A square of side 1 that faces the front, or is wound the other way."""
    corners = np.array([[-0.5, -0.5, z], [0.5, -0.5, z], [0.5, 0.5, z], [-0.5, 0.5, z]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    return flat_mesh(corners, faces[:, ::-1] if turned_away else faces, np.array([color] * 2))


@pytest.mark.parametrize("turned_away", [False, True])
def test_a_wall_has_one_depth_and_a_normal_towards_the_viewer(turned_away: bool) -> None:
    views = surface_views(wall(0.25, turned_away=turned_away), front())
    assert views.seen.any() and not views.seen.all()
    assert torch.allclose(views.depth[views.seen], torch.tensor(2.75), atol=1e-5)
    assert torch.allclose(views.normal[views.seen], torch.tensor([0.0, 0.0, 1.0]), atol=1e-6)
    assert torch.allclose(views.albedo[views.seen], torch.tensor(RED), atol=1e-6)


def test_a_wall_covers_what_perspective_says() -> None:
    size = 200
    side = 1.0 / (2 * 2.75 * math.tan(0.35)) * size
    assert float(surface_views(wall(0.25), front(size)).seen.sum()) == pytest.approx(side**2, rel=0.03)


def test_where_nothing_is_seen_all_is_zero() -> None:
    views = surface_views(wall(0.0), front())
    for layer in (views.albedo, views.depth, views.normal):
        assert not layer[~views.seen].any()


def test_a_texture_is_read_where_there_is_one_and_grey_where_there_is_no_colour() -> None:
    plain = wall(0.0)
    uv = plain.vertices[:, :2] + 0.5
    image = torch.zeros(4, 4, 3, dtype=torch.uint8)
    image[:2, :, 2] = 255  # the upper half is blue
    textured = Mesh(plain.vertices, plain.faces, uv=uv, textures=(("albedo", image),))
    views = surface_views(textured, front(64))
    rows = views.seen[0].any(1).nonzero()[:, 0]
    upper, lower = (views.albedo[0, rows[k]][views.seen[0, rows[k]]] for k in (2, -3))
    assert torch.allclose(upper, torch.tensor([0.0, 0.0, 1.0]), atol=1e-6) and not lower.any()
    bare = surface_views(Mesh(plain.vertices, plain.faces), front())
    assert torch.allclose(bare.albedo[bare.seen], torch.tensor(0.8), atol=1e-6)


def test_normals_of_faces_follow_their_winding() -> None:
    towards = np.array([0.0, 0.0, 1.0])
    assert np.allclose(face_normals_of(wall(0.0)), towards)
    assert np.allclose(face_normals_of(wall(0.0, turned_away=True)), -towards)


def test_a_mesh_without_faces_is_refused() -> None:
    with pytest.raises(InputError, match="no faces"):
        surface_views(Mesh(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.long)), front())
