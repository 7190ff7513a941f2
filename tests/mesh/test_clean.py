from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.surface.clean import CleanConfig, clean, solidity
from dreamlab.mesh.surface.denoise import DenoiseConfig
from dreamlab.mesh.surface.extract import ExtractConfig, extract
from tests.mesh.analytic import Solid, ball_area, ball_volume, shell, sphere, torus, union

OFF = DenoiseConfig(iterations=0)


def mesh_of(*parts: trimesh.Trimesh) -> Mesh:
    whole = trimesh.util.concatenate(parts) if len(parts) > 1 else parts[0]
    return Mesh(
        torch.from_numpy(np.array(whole.vertices, np.float32)),
        torch.from_numpy(np.array(whole.faces, np.int64)),
    )


def ball(radius: float, at: tuple[float, float, float] = (0, 0, 0), inward: bool = False) -> trimesh.Trimesh:
    out = trimesh.creation.icosphere(subdivisions=3, radius=radius)
    out.apply_translation(at)
    if inward:
        out.invert()
    return out


def test_solidity_agrees_with_trimesh(ring) -> None:
    other = trimesh.Trimesh(ring.mesh.vertices.numpy(), ring.mesh.faces.numpy())
    solid = solidity(ring.mesh)
    assert solid.watertight and other.is_watertight
    assert solid.volume == pytest.approx(other.volume, rel=1e-5)
    assert solid.area == pytest.approx(other.area, rel=1e-5)
    assert solid.genus == 1 - other.euler_number // 2


@pytest.mark.parametrize("budget", [200, 1000, 4000])
def test_the_face_budget_is_kept_and_the_shape_too(ring, budget: int) -> None:
    mesh = clean(ring.mesh, CleanConfig(faces=budget))
    solid = solidity(mesh)
    assert len(mesh.faces) <= budget
    assert solid.watertight and solid.genus == 1
    assert solid.volume == pytest.approx(solidity(ring.mesh).volume, rel=10 / budget)


def test_a_mesh_within_the_budget_keeps_its_faces(ball) -> None:  # the fixture of conftest
    mesh = clean(ball.mesh, CleanConfig(faces=10**6, denoise=OFF))
    assert len(mesh.faces) == len(ball.mesh.faces)
    mesh = clean(ball.mesh, CleanConfig(faces=10**6))
    assert len(mesh.faces) == DenoiseConfig().faces


def test_inner_walls_go() -> None:
    hollow = extract(Solid(shell(0.7, 0.5)), ExtractConfig(resolution=48, iso=100.0)).mesh
    for keep in ("largest", 0.01):
        solid = solidity(clean(hollow, CleanConfig(keep=keep)))
        assert solid.volume == pytest.approx(ball_volume(0.7), rel=0.01)
        assert solid.area == pytest.approx(ball_area(0.7), rel=0.01)


def test_what_floats_in_a_cavity_goes_too() -> None:
    mesh = clean(mesh_of(ball(0.9), ball(0.7, inward=True), ball(0.3)), CleanConfig(keep=0.001))
    assert solidity(mesh).volume == pytest.approx(trimesh.creation.icosphere(3, 0.9).volume, rel=1e-4)


def test_floaters_go_and_parts_stay_as_asked() -> None:
    soup = mesh_of(ball(0.5), ball(0.3, (0.9, 0, 0)), ball(0.02, (-0.9, 0, 0)))
    volumes = {keep: solidity(clean(soup, CleanConfig(keep=keep))).volume for keep in ("largest", 0.05, 0.0)}
    one, two, three = (trimesh.creation.icosphere(3, r).volume for r in (0.5, 0.3, 0.02))
    assert volumes["largest"] == pytest.approx(one, rel=1e-4)
    assert volumes[0.05] == pytest.approx(one + two, rel=1e-4)
    assert volumes[0.0] == pytest.approx(one + two + three, rel=1e-6)


def test_touching_spheres_are_both_kept() -> None:
    field = Solid(union(sphere(0.3, (-0.3, 0, 0)), sphere(0.3, (0.3, 0, 0))))
    mesh = clean(
        extract(field, ExtractConfig(resolution=64, iso=100.0)).mesh, CleanConfig(faces=3000, keep=0.1)
    )
    solid = solidity(mesh)
    assert solid.watertight
    assert solid.volume == pytest.approx(2 * ball_volume(0.3), rel=0.01)


def test_small_holes_are_closed_and_large_ones_left_open(caplog) -> None:
    whole = ball(0.5)
    pierced = Mesh(mesh_of(whole).vertices, mesh_of(whole).faces[6:])
    assert not solidity(pierced).watertight
    mended = solidity(clean(pierced))
    assert mended.watertight and mended.volume == pytest.approx(whole.volume, rel=0.01)
    with caplog.at_level(logging.WARNING):
        still = clean(pierced, CleanConfig(hole_edges=0))
    assert not solidity(still).watertight
    assert "open" in caplog.text


def test_inside_out_and_mixed_winding_are_put_right() -> None:
    turned = mesh_of(ball(0.5, inward=True))
    assert solidity(clean(turned)).volume > 0
    mixed = mesh_of(ball(0.5))
    faces = mixed.faces.clone()
    faces[::3] = faces[::3].flip(-1)
    assert not topo.is_closed(faces.numpy())
    solid = solidity(clean(Mesh(mixed.vertices, faces)))
    assert solid.watertight and solid.volume == pytest.approx(ball(0.5).volume, rel=1e-4)


def test_self_intersecting_parts_come_through() -> None:
    mesh = clean(mesh_of(ball(0.5), ball(0.5, (0.4, 0, 0))), CleanConfig(keep=0.1))
    assert solidity(mesh).watertight


def test_an_edge_of_three_faces_is_mended() -> None:
    base = mesh_of(ball(0.5))
    fin = torch.tensor([[2.0, 2.0, 2.0]])
    extra = torch.cat([base.faces[0, :2], torch.tensor([len(base.vertices)])])[None]
    mesh = clean(Mesh(torch.cat([base.vertices, fin]), torch.cat([base.faces, extra])))
    assert solidity(mesh).watertight


def test_decimation_that_breaks_the_manifold_is_replaced(ring, monkeypatch, caplog) -> None:
    import fast_simplification

    def broken(points, faces, **_):
        return points, faces[:-5]

    monkeypatch.setattr(fast_simplification, "simplify", broken)
    with caplog.at_level(logging.WARNING):
        mesh = clean(ring.mesh, CleanConfig(faces=2000))
    assert "manifold3d" in caplog.text
    solid = solidity(mesh)
    assert solid.watertight and solid.genus == 1 and len(mesh.faces) <= 2000


def test_cleaning_evens_out_noise_without_shrinking() -> None:
    noise = np.random.default_rng(0).normal(0, 0.004, 642)
    rough = ball(0.5)
    rough.vertices *= 1 + noise[: len(rough.vertices), None]
    smooth = clean(mesh_of(rough))
    assert (
        smooth.vertices.norm(dim=-1).std()
        < 0.5 * torch.from_numpy(np.linalg.norm(rough.vertices, axis=1)).std()
    )
    assert solidity(smooth).volume == pytest.approx(rough.volume, rel=0.01)


@pytest.mark.parametrize(
    ("vertices", "faces", "word"),
    [
        (torch.rand(5, 3), torch.zeros(0, 3, dtype=torch.int64), "no faces"),
        (torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, torch.nan, 0]]), torch.tensor([[0, 1, 2]]), "not finite"),
        (torch.rand(3, 3), torch.tensor([[0, 1, 7]]), "not there"),
        (torch.zeros(3, 3), torch.tensor([[0, 1, 2]]), "no area"),
        (torch.rand(3, 3), torch.tensor([[0, 1, 1]]), "no area"),
    ],
)
def test_meshes_without_a_surface_are_refused(vertices, faces, word: str) -> None:
    with pytest.raises(InputError, match=word):
        clean(Mesh(vertices, faces))


def test_contains_agrees_with_trimesh() -> None:
    solid = trimesh.creation.torus(0.6, 0.25)
    points = np.random.default_rng(0).uniform(-1, 1, (200, 3))
    ours = [topo.contains(np.array(solid.vertices), np.array(solid.faces), p) for p in points]
    assert (np.array(ours) == solid.contains(points)).mean() > 0.99


def test_vertex_normals_of_a_ball_are_radial() -> None:
    solid = ball(0.5)
    normals = topo.vertex_normals(np.array(solid.vertices), np.array(solid.faces))
    assert (np.einsum("ij,ij->i", normals, solid.vertices) / 0.5).min() > 0.9995


def test_torus_keeps_its_hole_through_cleaning() -> None:
    mesh = clean(extract(Solid(torus()), ExtractConfig(resolution=48)).mesh, CleanConfig(faces=500))
    assert solidity(mesh).genus == 1
