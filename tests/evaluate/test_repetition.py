"""Balls with painted faces: one face is no Janus, two and three are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from dreamlab.core.types import Mesh
from dreamlab.evaluate.looks import looks_of
from dreamlab.evaluate.repetition import janus, real_repetition, repetition
from dreamlab.evaluate.surface_views import flat_mesh


def ball(faces_at: Sequence[float]) -> Mesh:
    """A white ball with a red patch, a third of it high, at each of these azimuths in degrees."""
    shape = trimesh.creation.icosphere(subdivisions=4)
    centres = shape.triangles_center / np.linalg.norm(shape.triangles_center, axis=1, keepdims=True)
    colors = np.ones((len(shape.faces), 3))
    for angle in np.radians(faces_at):
        colors[centres @ (math.sin(angle), 0, math.cos(angle)) > math.cos(0.4)] = (1, 0, 0)
    return flat_mesh(shape.vertices, shape.faces, colors)


def around(mesh: Mesh) -> Tensor:
    return looks_of(mesh).repeated


@pytest.mark.parametrize(("faces_at", "least", "most"), [
    ([], 0.0, 0.0),
    ([0], 0.0, 0.15),
    ([20, 95], 0.0, 0.3),
    ([0, 180], 0.95, 1.0),
    ([30, 150, 270], 0.8, 1.0),  # the triangles themselves do not come again after a third
    ([0, 90, 180, 270], 0.95, 1.0),
])  # fmt: skip
def test_a_face_that_comes_again_is_found(faces_at: list[float], least: float, most: float) -> None:
    assert least <= repetition(around(ball(faces_at))) <= most


def test_it_does_not_matter_where_one_begins() -> None:
    one = around(ball([0, 180]))
    assert repetition(one.roll(5, 0)) == pytest.approx(repetition(one))


def test_what_repeats_by_nature_is_measured_on_real_objects() -> None:
    table, cat = real_repetition("table", "red"), real_repetition("cat")
    assert table > 0.9 and cat < 0.7


def test_only_what_real_objects_do_not_repeat_is_a_janus() -> None:
    assert janus(1.0, 0.4) == 1 and janus(0.4, 0.4) == janus(0.1, 0.4) == 0
    assert janus(0.7, 0.4) == pytest.approx(0.5) and janus(1.0, 1.0) == 0


def test_another_number_of_views_is_refused() -> None:
    with pytest.raises(ValueError, match="12 views"):
        repetition(torch.zeros(8, 5, 4, 4))
