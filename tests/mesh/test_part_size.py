"""How large a part is, and where what is worn sits."""

from __future__ import annotations

import pytest
import trimesh

from dreamlab.mesh.geometry.heights import top_region
from dreamlab.mesh.layout import SINK, Solid, laid_out
from dreamlab.mesh.part_size import BOUNDS, USUAL, WORN, part_size
from dreamlab.mesh.scene_words import Group
from tests.test_given import plain

BALL = plain(trimesh.creation.icosphere(4))


def figure() -> trimesh.Trimesh:
    """A wide low body, and a head of radius 0.5 whose middle is above (1, 0)."""
    head = trimesh.creation.icosphere(3, 0.5)
    head.apply_translation((1, 1.5, 0))
    body = trimesh.creation.box((4, 2, 1))
    return trimesh.util.concatenate([body, head])


def test_the_top_is_as_wide_as_the_cap_of_a_ball() -> None:
    (x, z), width = top_region(BALL.vertices.double().numpy(), BALL.faces.numpy())
    # what lies within 15 % of the height 2: a cap of height 0.3, of radius sqrt(1 - 0.7^2)
    assert width == pytest.approx(2 * 0.714, rel=0.06) and abs(x) < 0.05 and abs(z) < 0.05


def test_the_top_is_the_head_and_not_the_body() -> None:
    mesh = figure()
    (x, z), width = top_region(mesh.vertices, mesh.faces)
    assert x == pytest.approx(1, abs=0.1) and abs(z) < 0.1 and 0.5 < width < 1.15


def test_what_is_worn_is_as_wide_as_the_top_and_sits_on_it_a_little_pulled_over() -> None:
    body, hat = plain(figure()), plain(trimesh.creation.box((2, 1, 2)))
    size, notes = part_size("a hat", hat, "a dog", body, "worn")
    width = top_region(body.vertices.double().numpy(), body.faces.numpy())[1]
    assert not notes and size == pytest.approx(WORN * width)
    solids = [
        Solid("hat", hat.vertices.double().numpy() * size / 2, hat.faces.numpy()),
        Solid("dog", body.vertices.double().numpy(), body.faces.numpy()),
    ]
    (worn, dog), _ = laid_out((Group(("hat",), "worn"), Group(("dog",), None)), solids)
    sunk = float(dog.high[1] - worn.low[1])
    assert sunk == pytest.approx(
        SINK * size / 2, abs=1e-5
    )
    assert float((worn.low + worn.high)[0]) / 2 == pytest.approx(1 + float(dog.low[0]) + 2, abs=0.1)


def test_other_things_are_as_large_as_they_are_to_each_other() -> None:
    hat = plain(trimesh.creation.box((2, 1, 2)))
    assert part_size("a chair", hat, "a chair", BALL, "left") == (pytest.approx(2.0), [])
    size, notes = part_size("a mug", hat, "a house", BALL, "left")
    assert size == pytest.approx(2 * BOUNDS[0]) and "it is made 0.1 times as large" in notes[0]
    size, notes = part_size("a gizmo", hat, "a chair", BALL, "left")
    assert size == pytest.approx(2 * USUAL) and "is not known" in notes[0]


@pytest.mark.parametrize(("relation", "axis", "sign"), [
    ("left", 0, -1), ("right", 0, 1), ("before", 2, 1), ("behind", 2, -1),
])  # fmt: skip
def test_a_side_is_that_side_alone(relation, axis: int, sign: int) -> None:
    cube = trimesh.creation.box((1, 1, 1))
    solids = [Solid(name, cube.vertices, cube.faces) for name in ("a", "b", "c")]
    groups = (Group(("a", "b"), relation), Group(("c",), None))
    (a, b, c), _ = laid_out(groups, solids)
    for one in (a, b):
        assert sign * float((one.low - c.low)[axis]) > 1
