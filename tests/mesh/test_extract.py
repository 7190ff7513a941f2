from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from dreamlab.core.cameras import camera_rays
from dreamlab.core.errors import ConfigError, DreamlabError
from dreamlab.mesh.geometry.topology import is_closed
from dreamlab.mesh.surface import extract as module
from dreamlab.mesh.surface.clean import solidity
from dreamlab.mesh.surface.extract import (
    ExtractConfig,
    extract,
    march_grid,
    sample_lattice,
    silhouette_level,
    survey_cameras,
)
from tests.mesh.analytic import Solid, ball_area, ball_volume, plate, shell, sphere, torus, union


def test_ball_has_its_known_volume_area_and_genus(ball) -> None:
    solid = solidity(ball.mesh)
    assert solid.watertight and solid.genus == 0
    assert solid.volume == pytest.approx(ball_volume(0.6), rel=2e-3)
    assert solid.area == pytest.approx(ball_area(0.6), rel=2e-3)


def test_torus_has_its_known_volume_area_and_genus(ring) -> None:
    solid = solidity(ring.mesh)
    assert solid.watertight and solid.genus == 1
    assert solid.volume == pytest.approx(2 * math.pi**2 * 0.55 * 0.2**2, rel=6e-3)
    assert solid.area == pytest.approx(4 * math.pi**2 * 0.55 * 0.2, rel=6e-3)


def test_thin_plate_survives(ring) -> None:
    mesh = extract(Solid(plate(0.04)), ExtractConfig(resolution=64, iso=100.0)).mesh
    solid = solidity(mesh)
    assert solid.watertight and solid.genus == 0
    assert solid.volume == pytest.approx(0.04 * 1.2**2, rel=0.02)


def test_hollow_shell_has_two_walls_before_cleaning() -> None:
    mesh = extract(Solid(shell(0.7, 0.5)), ExtractConfig(resolution=64, iso=100.0)).mesh
    assert solidity(mesh).volume == pytest.approx(ball_volume(0.7) - ball_volume(0.5), rel=5e-3)


def test_touching_spheres_stay_closed() -> None:
    field = Solid(union(sphere(0.3, (-0.3, 0, 0)), sphere(0.3, (0.3, 0, 0))))
    mesh = extract(field, ExtractConfig(resolution=64, iso=100.0)).mesh
    assert is_closed(mesh.faces.numpy())
    assert solidity(mesh).volume == pytest.approx(2 * ball_volume(0.3), rel=1e-2)


@pytest.mark.parametrize("iso", [5.0, 100.0, 150.0])
def test_vertices_lie_where_the_field_has_the_level(iso: float) -> None:
    radius = 0.6 + 0.01 * math.log(200.0 / iso - 1)  # closed form of Solid's density
    mesh = extract(Solid(sphere(0.6)), ExtractConfig(resolution=32, iso=iso)).mesh
    assert (mesh.vertices.norm(dim=-1) - radius).abs().max() < 3e-5


def test_root_finding_is_what_puts_vertices_on_the_surface() -> None:
    far = [
        (
            extract(
                Solid(sphere(0.6)), ExtractConfig(resolution=32, iso=100.0, refine=steps)
            ).mesh.vertices.norm(dim=-1)
            - 0.6
        )
        .abs()
        .max()
        for steps in (0, 6)
    ]
    assert far[0] > 100 * far[1]


def test_a_step_in_the_density_is_found_by_bisection() -> None:
    step = Solid(sphere(0.6), width=1e-6)
    mesh = extract(step, ExtractConfig(resolution=32, iso=100.0, refine=12)).mesh
    assert (mesh.vertices.norm(dim=-1) - 0.6).abs().max() < 1e-4


def test_faces_look_outward(ball) -> None:
    a, b, c = ball.mesh.vertices[ball.mesh.faces].unbind(1)
    assert ((torch.linalg.cross(b - a, c - a) * (a + b + c)).sum(-1) >= 0).all()


def test_a_field_that_fills_the_box_is_closed_at_its_sides() -> None:
    mesh = extract(Solid(sphere(5.0)), ExtractConfig(resolution=32, iso=100.0)).mesh
    solid = solidity(mesh)
    assert solid.watertight and mesh.vertices.abs().max() <= 1
    assert solid.volume == pytest.approx(8, rel=0.15)


# ---- the level ----


def test_opacity_through_a_uniform_ball_is_beer_lamberts() -> None:
    sigma, radius = 3.0, 0.6
    grid = sample_lattice(Solid(sphere(radius), peak=sigma, width=1e-4), 128)
    cameras = survey_cameras(2, 48)
    peak, opacity = march_grid(grid, cameras)
    rays = camera_rays(cameras)
    closest = (rays.origins - (rays.origins * rays.directions).sum(-1, keepdim=True) * rays.directions).norm(
        dim=-1
    )
    chord = 2 * (radius**2 - closest**2).clamp(min=0).sqrt()
    clear = (closest - radius).abs() > 0.03
    assert (opacity - (1 - torch.exp(-sigma * chord)))[clear].abs().max() < 0.08
    assert ((peak > sigma / 2) == (closest < radius))[clear].all()


def test_the_level_is_the_best_of_all_levels() -> None:
    generator = torch.Generator().manual_seed(0)
    peak = torch.rand(500, generator=generator)
    inside = peak + 0.3 * torch.randn(500, generator=generator) > 0.6

    def iou(level: float) -> float:
        return float(((peak > level) & inside).sum() / ((peak > level) | inside).sum())

    chosen = silhouette_level(peak, inside, slack=0.0)
    assert iou(chosen) >= max(iou(float(p) - 1e-6) for p in peak) - 1e-6


def test_a_range_of_equal_levels_gives_its_geometric_middle() -> None:
    peak = torch.tensor([0.01] * 50 + [100.0] * 50)
    assert silhouette_level(peak, peak > 1, slack=0.0) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize(
    "sdf", [sphere(0.6), torus(), plate(0.1), shell()], ids=["ball", "torus", "plate", "shell"]
)
def test_automatic_level_matches_the_silhouettes(sdf) -> None:
    report = extract(Solid(sdf), ExtractConfig(resolution=64)).report
    assert report.silhouette_iou > 0.96
    assert 0 < report.iso < 200


def test_a_level_that_does_not_fit_is_reported_as_such() -> None:
    soft = Solid(sphere(0.5), width=0.1)
    fits = extract(soft, ExtractConfig(resolution=48)).report
    forced = extract(soft, ExtractConfig(resolution=48, iso=190.0)).report
    assert fits.silhouette_iou > 0.97 > 0.7 > forced.silhouette_iou


def test_given_silhouettes_decide_the_level() -> None:
    cameras = survey_cameras(8, 64)
    field = Solid(sphere(0.5), width=0.1)
    grid = sample_lattice(field, 48)
    peak, _ = march_grid(grid, cameras)
    wanted = 40.0
    opacity = (peak > wanted).float().reshape(8, 64, 64, 1)
    report = extract(field, ExtractConfig(resolution=48), silhouettes=(opacity, cameras)).report
    assert report.iso == pytest.approx(wanted, rel=0.15)


# ---- refusals ----


@pytest.mark.parametrize(
    ("field", "config", "word"),
    [
        (Solid(sphere(), peak=0.0), ExtractConfig(resolution=16), "max density 0"),
        (Solid(sphere(), peak=0.05), ExtractConfig(resolution=16), "max opacity 0.0"),
        (Solid(sphere()), ExtractConfig(resolution=16, iso=1e6), "iso level 1e+06"),
        (Solid(sphere()), ExtractConfig(resolution=16, iso=-1.0), "iso level -1"),
    ],
)
def test_no_empty_mesh_is_made_and_the_reason_is_told(field, config, word: str) -> None:
    with pytest.raises(DreamlabError, match="no surface") as caught:
        extract(field, config)
    assert word in str(caught.value)


def test_what_is_thinner_than_a_cell_is_refused_or_closed_never_torn() -> None:
    """A plate of a twentieth of a cell: between lattice planes nothing is found, and resolution is named as
    the cure; on one it is a closed surface."""

    def thin(height: float) -> Solid:
        sdf = plate(0.005)
        return Solid(lambda x: sdf(x - torch.tensor([0.0, height, 0.0])), width=1e-4)

    config = ExtractConfig(resolution=16, iso=100.0)
    with pytest.raises(DreamlabError, match=r"extract\.resolution"):
        extract(thin(0.06), config)
    assert is_closed(extract(thin(0.0), config).mesh.faces.numpy())


def test_nan_in_the_field_is_refused() -> None:
    field = Solid(lambda x: torch.where(x[:, 0] > 0.9, torch.nan, x.norm(dim=-1) - 0.5))
    with pytest.raises(DreamlabError, match="not finite"):
        extract(field, ExtractConfig(resolution=16))


# ---- fields that know their distance ----


class Exact(Solid):
    """A solid that tells its distance, or `slope` times as much."""

    finest_cell = 1 / 64

    def __init__(self, sdf, slope: float = 1.0, **settings) -> None:
        super().__init__(sdf, **settings)
        self.slope = slope

    def distance(self, x: torch.Tensor) -> torch.Tensor:
        return self.slope * self.sdf(x)


@pytest.mark.parametrize("slope", [0.3, 1.0, 3.0])
def test_the_surface_is_where_the_distance_is_zero_however_soft_the_density(slope: float) -> None:
    found = extract(Exact(sphere(0.6), slope, width=0.1), ExtractConfig(resolution=48))
    assert found.report.iso == 0.0 and is_closed(found.mesh.faces.numpy())
    assert (found.mesh.vertices.norm(dim=-1) - 0.6).abs().max() < 1e-5
    assert found.report.fill_fraction == pytest.approx(ball_volume(0.6) / 8, rel=0.1)


def test_a_torus_by_distance_has_its_volume_and_genus() -> None:
    solid = solidity(extract(Exact(torus()), ExtractConfig(resolution=96)).mesh)
    assert solid.watertight and solid.genus == 1
    assert solid.volume == pytest.approx(2 * math.pi**2 * 0.55 * 0.2**2, rel=6e-3)


def test_a_plate_between_the_points_of_the_survey_is_found_on_the_finer_lattice(monkeypatch) -> None:
    monkeypatch.setattr(module, "COARSE", 16)
    sdf = plate(0.04)
    field = Exact(lambda x: sdf(x - torch.tensor([0.0, 0.06, 0.0])))
    solid = solidity(extract(field, ExtractConfig(resolution=64)).mesh)
    assert solid.watertight and solid.volume == pytest.approx(0.04 * 1.2**2, rel=0.03)


def test_a_fine_lattice_of_distances_is_sampled_near_the_surface_only(monkeypatch) -> None:
    monkeypatch.setattr(module, "COARSE", 48)
    field = Exact(sphere(0.5))
    asked = []
    distance = field.distance
    field.distance = lambda x: (asked.append(len(x)), distance(x))[1]
    mesh = extract(field, ExtractConfig(resolution=192)).mesh
    assert sum(asked) < 0.45 * 193**3
    assert solidity(mesh).volume == pytest.approx(ball_volume(0.5), rel=1e-3)


def test_a_distance_that_is_nowhere_negative_holds_no_surface() -> None:
    with pytest.raises(DreamlabError, match="no surface"):
        extract(Exact(lambda x: x.norm(dim=-1) + 0.1), ExtractConfig(resolution=16))


def test_a_distance_that_is_no_number_is_refused() -> None:
    field = Exact(sphere(0.5))
    field.distance = lambda x: torch.where(x[:, 0] > 0.9, torch.nan, x.norm(dim=-1) - 0.5)
    with pytest.raises(DreamlabError, match="distance is not finite"):
        extract(field, ExtractConfig(resolution=16))


def test_a_density_level_for_a_field_that_knows_its_distance_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"stages\.extract\.iso=auto"):
        extract(Exact(sphere(0.5)), ExtractConfig(resolution=16, iso=5.0))


# ---- sparse blocks ----


def test_blocks_weld_to_the_mesh_of_one_block(monkeypatch) -> None:
    config = ExtractConfig(resolution=64, iso=100.0)
    many = extract(Solid(torus()), config).mesh
    monkeypatch.setattr(module, "BLOCK", 64)
    one = extract(Solid(torus()), config).mesh
    assert is_closed(many.faces.numpy())
    assert len(many.faces) == len(one.faces)
    assert torch.equal(
        many.vertices[torch.from_numpy(np.lexsort(many.vertices.T.numpy()))],
        one.vertices[torch.from_numpy(np.lexsort(one.vertices.T.numpy()))],
    )


def test_a_fine_lattice_is_sampled_near_the_surface_only(monkeypatch) -> None:
    monkeypatch.setattr(module, "COARSE", 48)
    field = Solid(sphere(0.5))
    mesh = extract(field, ExtractConfig(resolution=192, iso=100.0)).mesh
    assert field.calls < 0.45 * 193**3
    assert solidity(mesh).volume == pytest.approx(ball_volume(0.5), rel=1e-3)


@pytest.mark.slow
def test_512_cubed_stays_within_two_gigabytes() -> None:
    code = (
        "import resource; from tests.mesh.analytic import *; from dreamlab.mesh.surface.extract import *;"
        "m = extract(Solid(torus()), ExtractConfig(resolution=512, iso=100.0)).mesh;"
        "print(len(m.faces), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    faces, kilobytes = map(int, out.stdout.split())
    assert faces > 500_000
    assert kilobytes < 2e6


def test_pits_are_filled_and_the_mesh_stays_closed_wherever_they_end() -> None:
    def drilled(x: torch.Tensor) -> torch.Tensor:
        hole = torch.maximum(x[:, :2].norm(dim=-1) - 0.06, -x[:, 2])
        return torch.maximum(sphere(0.7)(x), -hole)

    plain, filled = (
        extract(Solid(drilled), ExtractConfig(resolution=64, iso=100.0, close=close)).mesh
        for close in (0, 0.12)
    )
    assert is_closed(plain.faces.numpy()) and is_closed(filled.faces.numpy())
    hole = math.pi * 0.06**2 * 0.7
    assert solidity(plain).volume == pytest.approx(ball_volume(0.7) - hole, rel=3e-3)
    assert solidity(filled).volume == pytest.approx(ball_volume(0.7), rel=2e-3)


def test_a_hidden_hole_is_filled_with_the_pits() -> None:
    mesh = extract(Solid(shell(0.7, 0.5)), ExtractConfig(resolution=64, iso=100.0, close=0.04)).mesh
    assert solidity(mesh).volume == pytest.approx(ball_volume(0.7), rel=5e-3)
