"""Corners where a mesh is pinched, faces that pass through others, and what decimation does about both."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import trimesh

from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.crossings import crossing_faces
from dreamlab.mesh.geometry.fans import fans, part_fans, pinched_corners
from dreamlab.mesh.geometry.hidden import hidden_share
from dreamlab.mesh.surface import decimate as decimation
from dreamlab.mesh.surface.decimate import decimate, untangled


def joined(*meshes: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray]:
    """One mesh, equal corners welded."""
    whole = trimesh.util.concatenate(meshes)
    return topo.weld(np.array(whole.vertices), np.array(whole.faces))


def box(*middle: float) -> trimesh.Trimesh:
    return trimesh.creation.box((1, 1, 1), trimesh.transformations.translation_matrix(middle))


def test_boxes_that_touch_in_a_corner_are_parted_there_and_nowhere_else() -> None:
    vertices, faces = joined(box(0, 0, 0), box(1, 1, 1))
    assert vertices[pinched_corners(faces)].tolist() == [[0.5, 0.5, 0.5]]
    parted, again = part_fans(vertices, faces)
    assert len(parted) == 16 and len(pinched_corners(again)) == 0 and topo.is_closed(again)
    kept = {tuple(v) for v in vertices} & {tuple(v) for v in parted}
    assert len(kept) == 14
    assert len(topo.weld(parted, again)[0]) == 16
    before, after = (trimesh.Trimesh(v, f).volume for v, f in ((vertices, faces), (parted, again)))
    assert abs(after / before - 1) < 0.02


def test_a_mesh_that_is_pinched_nowhere_passes_as_it_is() -> None:
    ball = trimesh.creation.icosphere(2)
    vertices, faces = np.array(ball.vertices), np.array(ball.faces)
    parted, again = part_fans(vertices, faces)
    assert parted is vertices and again is faces
    assert len(np.unique(fans(faces))) == len(vertices)


def test_faces_cross_where_bodies_do() -> None:
    """Oracle: boxes at known places; only the sides that the other box's edges pierce, or whose do, count."""
    assert len(crossing_faces(*joined(box(0, 0, 0), box(3, 0, 0)))) == 0
    assert len(crossing_faces(*joined(box(0, 0, 0), box(1, 0, 0)))) == 0  # they touch
    vertices, faces = joined(box(0, 0, 0), box(0.6, 0.7, 0.8))
    found = crossing_faces(vertices, faces)
    sides = {tuple(np.round(n, 6)) for n in topo.face_normals(vertices, faces)[0][found[found < 12]]}
    assert sides == {(1, 0, 0), (0, 1, 0), (0, 0, 1)}
    order = np.random.default_rng(0).permutation(len(faces))
    assert set(order[crossing_faces(vertices, faces[order])]) == set(found)


def test_what_an_outer_shell_hides_is_hidden() -> None:
    """Closed form: of a box of side 1 inside one of side 2, 6 of 30 square units; of a bowl, nothing."""
    outer = trimesh.creation.box((2, 2, 2))
    assert hidden_share(*joined(box(0, 0, 0), outer)) == pytest.approx(6 / 30)
    assert hidden_share(*joined(box(0, 0, 0), box(3, 0, 0))) == 0
    ball = trimesh.creation.icosphere(3)
    bowl = trimesh.Trimesh(ball.vertices, ball.faces[ball.triangles_center[:, 2] < 0])
    two_sided = trimesh.util.concatenate([bowl, trimesh.Trimesh(bowl.vertices * 0.9, bowl.faces[:, ::-1])])
    assert hidden_share(np.array(two_sided.vertices), np.array(two_sided.faces)) < 0.02
    assert hidden_share(np.zeros((3, 3)), np.array([[0, 1, 2]])) == 0


def test_a_corner_that_was_pushed_through_the_other_side_is_taken_back() -> None:
    """Nothing but the corners of the faces that cross moves, and they as little as it takes."""
    ball = trimesh.creation.icosphere(3)
    vertices, faces = np.array(ball.vertices), np.array(ball.faces)
    vertices[100] *= -1.2
    assert len(crossing_faces(vertices, faces)) > 0
    own = np.unique(faces[crossing_faces(vertices, faces)])
    mended = untangled(vertices, faces)
    assert len(crossing_faces(mended, faces)) == 0
    still = np.setdiff1d(np.arange(len(vertices)), own)
    assert (mended[still] == vertices[still]).mean() > 0.9 and np.linalg.norm(mended, axis=1).max() < 1.01
    assert untangled(mended, faces) is mended


def test_of_two_results_of_a_collapse_the_sound_one_is_taken(monkeypatch, caplog) -> None:
    ball = trimesh.creation.icosphere(3)
    crossed, sound = joined(box(0, 0, 0), box(0.6, 0.7, 0.8)), joined(trimesh.creation.icosphere(0))
    asked = []

    def fast(points, faces, target, aggression, keep_rim=False):
        asked.append(aggression)
        return crossed if aggression == 5 else sound

    monkeypatch.setattr(decimation, "_fast", fast)
    monkeypatch.setattr(decimation, "SMOOTHED", 0)
    vertices, faces = decimate(np.array(ball.vertices), np.array(ball.faces), 100)
    assert asked == [5, 7] and len(faces) == 20 and len(crossing_faces(vertices, faces)) == 0
    assert caplog.text == ""


def test_where_every_result_crosses_itself_the_best_is_taken_and_it_is_said(monkeypatch, caplog) -> None:
    ball = trimesh.creation.icosphere(3)
    crossed = joined(box(0, 0, 0), box(0.6, 0.7, 0.8))
    monkeypatch.setattr(decimation, "_fast", lambda *_, **__: crossed)
    monkeypatch.setattr(decimation, "SMOOTHED", 0)
    with caplog.at_level(logging.WARNING):
        faces = decimate(np.array(ball.vertices), np.array(ball.faces), 100)[1]
    assert len(faces) == 24
    assert f"{len(crossing_faces(*crossed))} of 24 faces pass through others" in caplog.text


def test_meshes_too_large_to_look_at_are_taken_as_they_are(monkeypatch) -> None:
    crossed = joined(box(0, 0, 0), box(0.6, 0.7, 0.8))
    assert decimation._flaws(*crossed) > 0
    monkeypatch.setattr(decimation, "CHECKED", 23)
    assert decimation._flaws(*crossed) == 0


def test_a_pinched_result_of_a_collapse_is_parted(monkeypatch) -> None:
    ball = trimesh.creation.icosphere(3)
    monkeypatch.setattr(decimation, "_fast", lambda *_, **__: joined(box(0, 0, 0), box(1, 1, 1)))
    faces = decimate(np.array(ball.vertices), np.array(ball.faces), 100)[1]
    assert len(faces) == 24 and len(pinched_corners(faces)) == 0
