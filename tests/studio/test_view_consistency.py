"""Agreement of silhouettes, against shapes whose silhouettes are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.core.cameras import orbit_cameras
from dreamlab.evaluate.view_consistency import silhouette_consistency
from dreamlab.studio.render import render_views


def ring(n: int = 12):
    azimuth = torch.arange(n) * (2 * math.pi / n)
    return azimuth, torch.full((n,), math.radians(15.0)), torch.full((n,), 3.0), torch.full((n,), 0.7)


def photographed(mesh: trimesh.Trimesh, azimuth: torch.Tensor) -> torch.Tensor:
    colors = np.ones((len(mesh.faces), 3))
    _, *rest = (angles.numpy() for angles in ring(len(azimuth)))
    pictures = render_views(mesh.vertices, mesh.faces, colors, azimuth.numpy(), *rest, size=64)
    return torch.from_numpy(pictures[..., 3])


BAR = trimesh.creation.box((1.6, 0.3, 0.3))


@pytest.mark.parametrize("mesh", [trimesh.creation.icosphere(radius=0.7), BAR], ids=["ball", "bar"])
def test_views_of_one_object_agree(mesh):
    angles = ring()
    found = silhouette_consistency(photographed(mesh, angles[0]), orbit_cameras(*angles, (64, 64)))
    assert found.shape == (12,) and found.min() > 0.9


def test_a_bar_that_is_broadside_from_everywhere_disagrees():
    angles = ring()
    broadside = photographed(BAR, torch.zeros(12))
    found = silhouette_consistency(broadside, orbit_cameras(*angles, (64, 64)))
    assert found.max() < 0.8  # a low disc would look almost so


def test_one_wrong_view_is_found_out():
    angles = ring()
    silhouettes = photographed(BAR, angles[0])
    silhouettes[0] = silhouettes[3]
    found = silhouette_consistency(silhouettes, orbit_cameras(*angles, (64, 64)))
    assert found[1:].max() < 0.9  # the hull is cut for all


def test_nothing_agrees_with_nothing_without_dividing_by_zero():
    angles = ring(3)
    assert torch.equal(
        silhouette_consistency(torch.zeros(3, 8, 8), orbit_cameras(*angles, (8, 8))), torch.zeros(3)
    )
