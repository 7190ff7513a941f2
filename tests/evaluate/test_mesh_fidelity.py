"""Mesh against mesh where the answer can be written down: spheres, walls of one colour, faceted balls."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.core.cameras import OrbitCamerasConfig, camera_rays, orbit_cameras
from dreamlab.core.errors import InputError
from dreamlab.core.types import Cameras, Mesh
from dreamlab.evaluate.mesh_fidelity import ALL_ROUND, MOST_DECIBELS, mesh_fidelity, survey
from dreamlab.evaluate.surface_views import surface_views


def ball(radius: float = 1.0, subdivisions: int = 5, color: float = 0.5) -> Mesh:
    made = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    vertices = torch.from_numpy(np.array(made.vertices, np.float32))
    return Mesh(vertices, torch.from_numpy(np.array(made.faces)), colors=torch.full_like(vertices, color))


def from_afar(size: int = 256) -> Cameras:
    """Two views that are nearly parallel projections of a disc of radius 1.2."""
    distance = 60.0
    fovy = torch.full((2,), 2 * math.atan(1.2 / distance))
    one = torch.ones(2)
    return orbit_cameras(
        torch.tensor([0.3, 2.0]), torch.tensor([0.2, -0.7]), distance * one, fovy, (size, size)
    )


def over_disc(values: np.ndarray, r: np.ndarray) -> float:
    """The mean over the unit disc of a function of the radius."""
    return float((values * r).sum() / r.sum())


def test_a_mesh_is_itself() -> None:
    same = mesh_fidelity(ball(0.8, 3), ball(0.8, 3), survey(4, 64))
    assert same == (1.0, 0.0, 1.0, 0.0, MOST_DECIBELS)


def test_winding_and_shared_corners_do_not_matter() -> None:
    mesh = ball(0.8, 3)
    assert mesh.colors is not None
    corners = mesh.faces.flip(1).flatten()
    other = Mesh(mesh.vertices[corners], torch.arange(len(corners)).view(-1, 3), colors=mesh.colors[corners])
    likeness = mesh_fidelity(other, mesh, survey(4, 64))
    assert likeness.silhouette_iou == 1.0 and likeness.depth < 1e-6 and likeness.normal_angle < 1e-3


def test_a_sphere_a_tenth_too_large_has_the_overlap_depth_and_angle_of_geometry() -> None:
    likeness = mesh_fidelity(ball(1.1), ball(1.0), from_afar())
    assert likeness.silhouette_iou == pytest.approx(1 / 1.21, rel=0.005)
    assert likeness.depth == pytest.approx(2 / 3 * (1.1**3 - 0.21**1.5 - 1), rel=0.01)
    r = (np.arange(20_000) + 0.5) / 20_000
    angle = np.degrees(np.arcsin(r) - np.arcsin(r / 1.1))
    assert likeness.normal_angle == pytest.approx(over_disc(angle, r), rel=0.05)
    assert likeness.normal_within == pytest.approx(over_disc((angle < 10).astype(float), r), abs=0.02)


def test_a_faceted_ball_differs_from_a_smooth_one_by_the_angle_of_its_facets() -> None:
    cameras, coarse = from_afar(96), ball(subdivisions=1)
    likeness = mesh_fidelity(coarse, ball(subdivisions=6), cameras)
    assert likeness.normal_angle == pytest.approx(facet_angle(coarse, cameras), rel=0.03)


def facet_angle(mesh: Mesh, cameras: Cameras) -> float:
    """Mean angle between the unit sphere and the facets before it, ray by ray in float64."""
    rays = camera_rays(cameras)
    origin, direction = rays.origins.double().numpy(), rays.directions.double().numpy()
    closest = -(origin * direction).sum(1)
    half_chord = 1 - (origin * origin).sum(1) + closest**2
    corners = mesh.vertices.double().numpy()[mesh.faces.numpy()]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    # of a convex body the face that is hit is the one of the facing planes that lies farthest
    facing = direction @ normal.T
    reach = ((corners[:, 0] * normal).sum(1)[None] - origin @ normal.T) / facing
    entry = np.where(facing < 0, reach, -np.inf)
    leave = np.where(facing > 0, reach, np.inf).min(1)
    hit = (half_chord > 0) & (entry.max(1) < leave)
    smooth = origin + direction * (closest - np.sqrt(half_chord.clip(0)))[:, None]
    cosine = (smooth * normal[entry.argmax(1)]).sum(1)[hit]
    return float(np.degrees(np.arccos(cosine.clip(-1, 1))).mean())


@pytest.mark.parametrize("shift", [0.1, -0.03])
def test_a_constant_shift_of_colour_has_its_own_decibels(shift: float) -> None:
    likeness = mesh_fidelity(ball(0.9, 3, 0.5 + shift), ball(0.9, 3), survey(3, 64))
    assert likeness.psnr == pytest.approx(-20 * math.log10(abs(shift)), abs=1e-4)
    assert likeness.silhouette_iou == 1.0


def test_what_only_one_shows_counts_as_paper() -> None:
    likeness = mesh_fidelity(ball(1.1, 4, 0.0), ball(1.0, 4, 0.0), from_afar(96))
    assert likeness.psnr == pytest.approx(-10 * math.log10(1 - likeness.silhouette_iou), abs=1e-3)


def test_meshes_that_never_meet_have_no_angle() -> None:
    small = ball(0.1, 2)
    apart = replace(small, vertices=small.vertices + torch.tensor([0.0, 0.8, 0.0]))
    level = survey(9, 64, ALL_ROUND)[torch.tensor([4])]  # from the horizon neither hides the other
    likeness = mesh_fidelity(small, apart, level)
    assert likeness.silhouette_iou == 0.0 and math.isnan(likeness.normal_angle) and math.isnan(likeness.depth)


def test_a_mesh_without_faces_is_refused() -> None:
    empty = Mesh(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.long))
    with pytest.raises(InputError, match="no faces"):
        mesh_fidelity(empty, ball(0.5, 1), survey(1, 16))


def test_the_survey_looks_from_where_presets_do_and_just_holds_the_object() -> None:
    cameras = survey()
    usual = OrbitCamerasConfig().elevation
    assert len(cameras) == 24 and cameras.size == (256, 256)
    assert cameras.elevation.rad2deg().aminmax() == pytest.approx(usual, abs=2.5)
    seen = surface_views(ball(0.99, 4), survey(2, 64)).seen
    border = torch.cat([seen[:, 0], seen[:, -1], seen[:, :, 0], seen[:, :, -1]], 1)
    assert not border.all(1).any() and float(seen.float().mean()) == pytest.approx(math.pi / 4, abs=0.04)


def test_a_survey_of_all_round_is_even() -> None:
    cameras = survey(elevation=ALL_ROUND)
    directions = torch.nn.functional.normalize(cameras.c2w[:, :3, 3], dim=-1)
    assert directions.mean(0).norm() < 0.05
    assert torch.allclose(directions.T @ directions / 24, torch.eye(3) / 3, atol=0.05)
