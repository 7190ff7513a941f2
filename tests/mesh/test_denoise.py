"""Lumps go and the shape stays: closed forms are the oracles. And proof that each guard fires."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.bumpiness import bumpiness
from dreamlab.mesh.geometry.thickness import local_thickness
from dreamlab.mesh.surface import denoise as module
from dreamlab.mesh.surface.clean import CleanConfig, clean, denoised, solidity
from dreamlab.mesh.surface.denoise import DenoiseConfig, denoise
from tests.mesh.lumps import LEG, SHAPES, Sample, box, errors, lumpy, sphere, volume, volume_below

# The angle to the true normals that is left, in degrees: 14 to 17 go in
LEFT = {"box": 4.0, "drum": 4.0, "sphere": 3.0, "house": 5.0, "mug": 6.0, "stool": 9.0}


def as_mesh(vertices: np.ndarray, faces: np.ndarray) -> Mesh:
    return Mesh(torch.from_numpy(np.array(vertices)).float(), torch.from_numpy(np.array(faces)).long())


@pytest.fixture(scope="module", params=list(SHAPES))
def case(request: pytest.FixtureRequest) -> tuple[str, Sample, np.ndarray]:
    rough = lumpy(SHAPES[request.param])
    return request.param, rough, denoise(rough.vertices, rough.faces)


def test_normals_and_places_come_near_those_of_the_solid(case) -> None:
    name, rough, smooth = case
    (angle, distance), (angle_left, distance_left) = (
        errors(v, rough.faces, rough.distance) for v in (rough.vertices, smooth)
    )
    assert angle > 12
    assert angle_left < LEFT[name]
    assert distance_left < 0.7 * distance


def test_the_volume_is_kept(case) -> None:
    _, rough, smooth = case
    assert volume(smooth, rough.faces) == pytest.approx(volume(rough.vertices, rough.faces), rel=0.005)


def test_the_mesh_stays_one_closed_manifold_without_folded_faces(case) -> None:
    _, rough, smooth = case
    before, after = (solidity(as_mesh(v, rough.faces)) for v in (rough.vertices, smooth))
    assert after.watertight and after.genus == before.genus
    old, new = (topo.face_normals(v, rough.faces)[0] for v in (rough.vertices, smooth))
    truth = np.einsum("fi,fi->f", new, old) < 0
    area = topo.face_normals(smooth, rough.faces)[1]
    assert area[truth].sum() < 0.002 * area.sum()  # slivers that stood across the surface before


def test_fewer_faces_are_enough_afterwards(case) -> None:
    name, rough, smooth = case
    light = clean(as_mesh(smooth, rough.faces), CleanConfig(faces=2500, denoise=DenoiseConfig(iterations=0)))
    v, f = light.vertices.double().numpy(), light.faces.numpy()
    assert solidity(light).watertight
    assert errors(v, f, rough.distance)[0] < LEFT[name]
    assert volume(v, f) == pytest.approx(volume(rough.vertices, rough.faces), rel=0.01)


def test_thin_legs_stay_as_thick_as_they_are() -> None:
    rough = lumpy(SHAPES["stool"])
    legs, seat = (volume_below(rough.vertices, rough.faces, y) for y in (0.0, 1.0))
    assert legs == pytest.approx(4 * LEG**2 * 0.65, rel=0.05) and seat > legs
    after = denoise(rough.vertices, rough.faces)
    assert volume_below(after, rough.faces, 0.0) == pytest.approx(legs, rel=0.02)


def test_without_giving_back_volume_thin_legs_would_shrink(monkeypatch) -> None:
    """The guard is needed: without it and the care for thin parts the legs lose more than 5 %."""
    rough = lumpy(SHAPES["stool"])
    monkeypatch.setattr(module, "give_back_volume", lambda before, after, faces: after)
    monkeypatch.setattr(module, "THIN_ITERATIONS", 20)
    after = denoise(rough.vertices, rough.faces)
    assert volume_below(after, rough.faces, 0.0) < 0.95 * volume_below(rough.vertices, rough.faces, 0.0)


def test_planes_cubes_and_balls_are_nearly_fixed_points() -> None:
    cube = trimesh.creation.box((1, 1, 1)).subdivide().subdivide().subdivide().subdivide()
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.6)
    for shape, far in ((cube, 3e-3), (ball, 3e-3)):
        v, f = np.array(shape.vertices), np.array(shape.faces)
        assert np.abs(denoise(v, f) - v).max() < far
    across = trimesh.creation.box((1, 1, 1))  # of twelve faces
    assert np.abs(denoise(np.array(across.vertices), np.array(across.faces)) - across.vertices).max() < 0.03


def test_a_flat_sheet_stays_flat_and_its_lumps_go() -> None:
    n = 40
    x, z = (g.reshape(-1) / n for g in np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"))
    v = np.stack([x, np.zeros_like(x), z], -1)
    i = (np.arange(n)[:, None] * (n + 1) + np.arange(n)).reshape(-1)
    f = np.concatenate([np.stack([i, i + 1, i + n + 1], -1), np.stack([i + 1, i + n + 2, i + n + 1], -1)])
    assert np.abs(denoise(v, f)[:, 1]).max() < 1e-9
    rough = v + 0.01 * np.stack([x * 0, np.sin(50 * x) * np.sin(50 * z), x * 0], -1)
    assert np.abs(denoise(rough, f)[:, 1]).mean() < 0.3 * np.abs(rough[:, 1]).mean()


def test_the_same_bytes_come_out_twice() -> None:
    rough = lumpy(SHAPES["house"], faces=3000)
    one, two = (denoise(rough.vertices, rough.faces).tobytes() for _ in range(2))
    assert one == two


def test_size_and_place_do_not_matter() -> None:
    rough = lumpy(SHAPES["box"], faces=3000)
    there = denoise(rough.vertices * 30 + 100, rough.faces)
    assert np.abs((there - 100) / 30 - denoise(rough.vertices, rough.faces)).max() < 1e-3


def test_no_iterations_leave_the_mesh_alone(ball) -> None:
    off = DenoiseConfig(iterations=0)
    vertices = ball.mesh.vertices.double().numpy()
    assert denoise(vertices, ball.mesh.faces.numpy(), off) is vertices
    assert denoised(ball.mesh, off) is ball.mesh


def test_poor_meshes_come_through() -> None:
    """Faces without area, one face alone, no face, all corners in one place."""
    cube = trimesh.creation.box((1, 1, 1)).subdivide()
    v, f = np.array(cube.vertices), np.array(cube.faces)
    flat = np.concatenate([f, [[0, 0, 1], [2, 2, 2]]])
    assert np.isfinite(denoise(v, flat)).all()
    assert np.isfinite(denoise(v, f[:1])).all()
    assert denoise(v, f[:0]) is v
    assert np.isfinite(denoise(v * 0, f)).all()


def test_colours_stay_with_their_corners(ball) -> None:
    field_of_x = (ball.mesh.vertices[:, :1] / 2 + 0.5).expand(-1, 3)
    colored = Mesh(ball.mesh.vertices, ball.mesh.faces, colors=field_of_x)
    out = denoised(colored, DenoiseConfig(faces=2000))
    assert len(out.faces) <= 2000
    assert out.colors is not None
    assert (out.colors[:, 0] - (out.vertices[:, 0] / 2 + 0.5)).abs().mean() < 0.02


# ---- guards ----


def test_moves_are_bounded_by_edges_and_by_thickness() -> None:
    shape = trimesh.creation.icosphere(subdivisions=2)
    v, f = np.array(shape.vertices), np.array(shape.faces)
    broad, thin = np.full(len(f), 9.0), np.full(len(f), 0.1)
    far = v * 3
    for thickness, limit in ((broad, module.FARTHEST * 0.2), (thin, module.DEEPEST * 0.1)):
        moved = np.linalg.norm(module.bounded(v, far, f, 0.2, thickness) - v, axis=1)
        assert moved.max() == pytest.approx(limit)
    near = v * 1.001
    assert np.allclose(module.bounded(v, near, f, 0.2, broad), near)


def test_moves_that_fold_faces_are_taken_back() -> None:
    shape = trimesh.creation.icosphere(subdivisions=3)
    v, f = np.array(shape.vertices), np.array(shape.faces)
    normals = topo.face_normals(v, f)[0]
    folded = v * 1.0
    folded[7] -= 1.5 * v[7]  # through the other side
    folded[50] = v[f[(f == 50).any(1)][0]].mean(0) * 0.9 + np.array([0.3, 0.3, -0.3])
    turned = np.einsum("fi,fi->f", topo.face_normals(folded, f)[0], normals) < 0
    assert turned.any()
    out = module.unfolded(v, folded, f, normals)
    assert (np.einsum("fi,fi->f", topo.face_normals(out, f)[0], normals) >= 0).all()
    still = np.setdiff1d(np.arange(len(v)), f[(f == 7).any(1) | (f == 50).any(1)])
    assert np.array_equal(out[still], v[still])
    collapsed = np.where(np.arange(len(v))[:, None] == f[0, 0], v[f[0, 1]], v)
    assert topo.face_normals(module.unfolded(v, collapsed, f, normals), f)[1].min() > 0


def test_silhouettes_bound_what_is_smoothed(caplog) -> None:
    shape = trimesh.creation.icosphere(subdivisions=3)
    v, f = np.array(shape.vertices), np.array(shape.faces)
    with caplog.at_level(logging.INFO):
        out = module.same_silhouettes(v, v * 0.9, f)
        assert "silhouettes" in caplog.text
        assert 0.96 < np.linalg.norm(out, axis=1).mean() < 1
        assert np.array_equal(module.same_silhouettes(v, v * 0, f), v)
    assert np.array_equal(module.same_silhouettes(v, v * 0.999, f), v * 0.999)


def test_lost_volume_comes_back_and_lumps_do_not() -> None:
    rough = lumpy(SHAPES["sphere"], faces=3000)
    shrunk = rough.vertices * 0.98
    back = module.give_back_volume(rough.vertices, shrunk, rough.faces)
    assert volume(back, rough.faces) == pytest.approx(volume(rough.vertices, rough.faces), rel=2e-3)
    smooth = rough.vertices * (0.6 / np.linalg.norm(rough.vertices, axis=1, keepdims=True))
    left = module.give_back_volume(rough.vertices, smooth, rough.faces)
    before, after = (np.linalg.norm(v, axis=1).std() for v in (rough.vertices, left))
    assert after < 0.4 * before


# ---- what it rests on ----


def test_thickness_is_that_of_plates_and_balls() -> None:
    plate = trimesh.creation.box((1, 0.1, 1)).subdivide().subdivide().subdivide()
    v, f = np.array(plate.vertices), np.array(plate.faces)
    broad = np.abs(topo.face_normals(v, f)[0][:, 1]) > 0.9
    inner = broad & (np.abs(v[f].mean(1)) < 0.4)[:, [0, 2]].all(1)
    assert np.allclose(local_thickness(v, f)[inner], 0.1, atol=1e-3)
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.5)
    found = local_thickness(np.array(ball.vertices), np.array(ball.faces))
    assert found.min() > 0.85 and found.max() <= 1.0
    open_face = np.array([[0, 1, 2]])
    assert local_thickness(np.eye(3), open_face) == pytest.approx([1.0])


def test_bumpiness_tells_planes_and_balls_from_lumps() -> None:
    cube = trimesh.creation.box((1, 1, 1)).subdivide().subdivide().subdivide().subdivide()
    assert bumpiness(as_mesh(cube.vertices, cube.faces)) < 0.01
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.6)
    assert bumpiness(as_mesh(ball.vertices, ball.faces)) < 2
    for shape in (box((1.2, 0.8, 0.9)), sphere(0.6)):
        rough = lumpy(shape)
        bumps = bumpiness(as_mesh(rough.vertices, rough.faces))
        assert bumps > 9
        assert bumpiness(as_mesh(denoise(rough.vertices, rough.faces), rough.faces)) < 0.3 * bumps


def test_bumpiness_of_creases_alone_or_of_nothing_is_not_a_number() -> None:
    cube = trimesh.creation.box((1, 1, 1))
    assert np.isnan(bumpiness(as_mesh(cube.vertices, cube.faces)))
    assert np.isnan(bumpiness(as_mesh(cube.vertices, cube.faces[:0])))
