"""Collapse and mesh health of shapes whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.core.types import Mesh
from dreamlab.evaluate.collapse import collapse
from dreamlab.evaluate.mesh_health import mesh_health, slivers
from dreamlab.mesh.game import soundness
from dreamlab.mesh.geometry.crossings import crossing_faces


def mesh_of(*shapes: trimesh.Trimesh) -> Mesh:
    whole = trimesh.util.concatenate(shapes)
    return Mesh(torch.tensor(whole.vertices).float(), torch.tensor(whole.faces))


def ball(at: tuple[float, float, float] = (0, 0, 0), radius: float = 1.0) -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=3, radius=radius).apply_translation(at)


def test_a_ball_is_sound_and_fills_its_box_as_balls_do() -> None:
    found, health = collapse(mesh_of(ball())), mesh_health(mesh_of(ball()))
    assert found.verdict == "" and found.pieces == 1 and found.piece_share == pytest.approx(1)
    assert found.flatness == pytest.approx(1, abs=0.01) and found.box_share == pytest.approx(
        math.pi / 6, 0.03
    )
    assert health.watertight and health.handles == 0 and health.pinched_corners == 0
    assert health.crossing_faces == 0 and health.slivers == 0 and health.uv_islands == 0


def test_nothing_and_faces_without_area_are_empty() -> None:
    nothing = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64))
    point = Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]]))
    assert collapse(nothing).verdict == collapse(point).verdict == "empty"


def test_a_sheet_is_flat_however_it_lies() -> None:
    sheet = trimesh.creation.box((2, 0.02, 2))
    assert collapse(mesh_of(sheet)).verdict == "flat"
    turned = sheet.apply_transform(trimesh.transformations.rotation_matrix(0.7, (1, 2, 3)))
    assert collapse(mesh_of(turned)).verdict == "flat"


def test_a_filled_box_is_full_unless_a_box_was_asked_for() -> None:
    box = mesh_of(trimesh.creation.box((2, 2, 2)))
    assert collapse(box).verdict == "full" and collapse(box).box_share == pytest.approx(1)
    assert collapse(box, boxy=True).verdict == ""


def test_a_cloud_of_balls_is_in_pieces_and_a_crumb_beside_a_ball_is_not() -> None:
    cloud = mesh_of(*(ball((x, 0, 0), 0.4) for x in (-3, -1, 1, 3)))
    assert collapse(cloud)[2:] == (pytest.approx(0.25), 4, "in pieces")
    crumb = collapse(mesh_of(ball(), ball((2, 0, 0), 0.1)))
    assert crumb.verdict == "" and crumb.pieces == 2 and crumb.piece_share == pytest.approx(1 / 1.01)


def test_parts_that_touch_are_one_thing() -> None:
    touching = collapse(mesh_of(*(ball((x, 0, 0), 0.995) for x in (-3, -1, 1, 3))))
    assert touching.verdict == "" and touching.pieces == 4 and touching.piece_share == pytest.approx(1)


def test_handles_are_counted_and_open_meshes_have_none_that_could_be() -> None:
    ring = trimesh.creation.torus(1.0, 0.3)
    assert mesh_health(mesh_of(ring)).handles == 1
    two = mesh_health(mesh_of(ring, trimesh.creation.torus(1.0, 0.3).apply_translation((5, 0, 0))))
    assert two.handles == 2 and two.watertight
    half = ball()
    half.update_faces(half.triangles_center[:, 1] > 0)
    assert not mesh_health(mesh_of(half)).watertight and mesh_health(mesh_of(half)).handles == -1


def test_faces_that_cross_are_found_and_those_that_touch_are_not() -> None:
    one, other = ball((0, 0, 0)), ball((0.9, 0.013, 0.027))
    both = trimesh.util.concatenate([one, other])
    found = len(crossing_faces(both.vertices, both.faces))
    far = trimesh.util.concatenate([ball((0, 0, 0)), ball((3, 0, 0))])
    assert 20 < found < 300 and len(crossing_faces(far.vertices, far.faces)) == 0
    # the circle in which the balls meet, against every pair tried one by one
    small = trimesh.util.concatenate(
        [trimesh.creation.icosphere(0), trimesh.creation.icosphere(0).apply_translation((0.9, 0.013, 0.027))]
    )
    assert set(crossing_faces(small.vertices, small.faces)) == one_by_one(small.vertices, small.faces)
    cubes = trimesh.util.concatenate(
        [trimesh.creation.box((2, 2, 2)), trimesh.creation.box((2, 2, 2)).apply_translation((2, 0, 0))]
    )
    assert len(crossing_faces(cubes.vertices, cubes.faces)) == 0


def one_by_one(vertices: np.ndarray, faces: np.ndarray) -> set[int]:
    """Faces that an edge of another passes through, or the other way round, by solving for each pair."""
    crossing = set()
    for i, f in enumerate(faces):
        for j, g in enumerate(faces):
            if i == j or set(f) & set(g):
                continue
            a, b, c = vertices[g]
            for k in range(3):
                start, end = vertices[f[k]], vertices[f[(k + 1) % 3]]
                system = np.stack([b - a, c - a, start - end], 1)
                if abs(np.linalg.det(system)) > 1e-12:
                    u, v, t = np.linalg.solve(system, start - a)
                    if min(u, v, t, 1 - t, 1 - u - v) > 1e-9:
                        crossing |= {i, j}
    return crossing


def test_crossings_of_huge_meshes_are_not_looked_for(monkeypatch) -> None:
    whole = mesh_of(ball((0, 0, 0)))
    assert mesh_health(whole).crossing_faces == 0
    monkeypatch.setattr(soundness, "MOST", len(whole.faces) - 1)
    assert mesh_health(whole).crossing_faces == -1


def test_needles_are_slivers_and_equilateral_faces_are_not() -> None:
    corners = np.array([(0, 0, 0), (1, 0, 0), (0.5, 0.01, 0), (0.5, 0.8, 0)], float)
    assert slivers(corners, np.array([(0, 1, 2), (0, 1, 3)])) == 0.5
    assert slivers(corners, np.zeros((0, 3), np.int64)) == 0
