"""Things at their places: they touch where they should, and pass through each other nowhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import trimesh

from dreamlab.core.errors import InputError
from dreamlab.mesh.geometry.crossings import crossing_faces
from dreamlab.mesh.geometry.heights import clearance, heights_of
from dreamlab.mesh.layout import Solid, laid_out
from dreamlab.mesh.scene_words import read_scene


def solid(name: str, *shapes: Any) -> Solid:
    shape = trimesh.util.concatenate(shapes)
    return Solid(name, np.array(shape.vertices, float), np.array(shape.faces))


def box(sides: Any, at: Any = (0, 0, 0)) -> Any:
    return trimesh.creation.box(sides).apply_translation(at)


def ball(radius: float = 0.1) -> Solid:
    return solid("a ball", trimesh.creation.icosphere(2, radius))


def table() -> Solid:
    legs = [box((0.06, 0.7, 0.06), (x, 0.35, z)) for x in (-0.5, 0.5) for z in (-0.3, 0.3)]
    return solid("a table", box((1.2, 0.06, 0.7), (0, 0.72, 0)), *legs)


def chair() -> Solid:
    legs = [box((0.05, 0.44, 0.05), (x, 0.22, z)) for x in (-0.2, 0.2) for z in (-0.2, 0.2)]
    back = box((0.45, 0.5, 0.05), (0, 0.7, -0.2))
    return solid("a chair", box((0.45, 0.05, 0.45), (0, 0.45, 0)), back, *legs)


def laid(prompt: str, *solids: Solid) -> tuple[list[Solid], list[str]]:
    """At their places, which no two share."""
    placed, notes = laid_out(read_scene(prompt), solids)
    for k, one in enumerate(placed):
        for other in placed[:k]:
            starts = np.concatenate([one.vertices, other.vertices])
            faces = np.concatenate([one.faces, other.faces + len(one.vertices)])
            own = len(crossing_faces(one.vertices, one.faces)) + len(
                crossing_faces(other.vertices, other.faces)
            )
            assert len(crossing_faces(starts, faces)) == own
    for before, after in zip(solids, placed, strict=True):  # moved, and neither turned nor scaled
        assert np.allclose(np.ptp(after.vertices, axis=0), np.ptp(before.vertices, axis=0))
    return placed, notes


def touching(upper: Solid, lower: Solid) -> bool:
    return 0 <= clearance(upper.vertices, upper.faces, lower.vertices, lower.faces) + 1e-6 < 1e-3


@pytest.mark.parametrize("thing", [ball(), solid("a box", box((0.2, 0.1, 0.3)))], ids=["ball", "box"])
def test_on_a_table_is_on_its_middle(thing: Solid) -> None:
    (there, under), notes = laid("a ball on a table", thing, table())
    assert not notes and touching(there, under)
    assert there.low[1] == pytest.approx(0.75, abs=1e-4)
    assert np.abs((there.low + there.high)[[0, 2]] / 2).max() < 0.05


def test_on_a_chair_is_on_its_seat() -> None:
    (there, under), _ = laid("a ball on a chair", ball(), chair())
    assert touching(there, under) and there.low[1] == pytest.approx(0.475, abs=1e-3)


def test_on_a_round_thing_touches_it_at_its_top() -> None:
    (there, under), _ = laid("a ball on a ball", ball(0.08), ball(0.12))
    assert touching(there, under) and there.low[1] > 0.95 * 0.24


def test_two_on_one_stand_beside_each_other() -> None:
    (first, second, under), _ = laid("a ball and a ball on a table", ball(), ball(0.12), table())
    assert touching(first, under) and touching(second, under)
    assert first.low[1] == pytest.approx(second.low[1], abs=1e-4)


def test_what_would_fall_is_told_and_what_has_no_place_is_refused() -> None:
    wide = solid("a table", box((2, 0.1, 2), (0, 0.5, 0)), box((0.1, 1, 0.1), (0.9, 0, 0)))
    (there, under), notes = laid("a table on a ball", wide, ball(0.2))
    assert "would fall" in notes[0] and touching(there, under)


def test_under_is_under_where_there_is_room_and_beside_where_not() -> None:
    (there, over), notes = laid("a ball under a table", ball(), table())
    assert not notes and there.low[1] == 0 and np.abs(there.low + there.high)[[0, 2]].max() / 2 < 0.2
    (there, over), notes = laid("a box under a table", solid("a box", box((2, 2, 2))), table())
    assert notes == ["there is no room for a box under a table: it stands beside"]
    assert there.low[0] > over.high[0]


@pytest.mark.parametrize("word, axis, sign", [
    ("beside", 0, 1), ("in front of", 2, 1), ("behind", 2, -1), ("next to", 0, 1), ("above", 1, 1),
])  # fmt: skip
def test_beside_before_and_behind_are_a_gap_apart_on_one_ground(word: str, axis: int, sign: int) -> None:
    (there, by), _ = laid(f"a ball {word} a chair", ball(), chair())
    gap = there.low[axis] - by.high[axis] if sign > 0 else by.low[axis] - there.high[axis]
    assert 0.01 < gap < 0.1 and (axis == 1 or there.low[1] == by.low[1] == 0)


def test_several_beside_one_go_to_both_sides() -> None:
    (first, second, third, by), _ = laid(
        "a ball, a ball and a ball beside a chair", ball(), ball(), ball(), chair()
    )
    assert first.low[0] > by.high[0] and second.high[0] < by.low[0] and third.low[0] > first.high[0]


def test_between_has_one_on_each_side() -> None:
    (there, left, right), notes = laid("a ball between a chair and a table", ball(0.3), chair(), table())
    assert not notes and left.high[0] < there.low[0] and there.high[0] < right.low[0]


def test_a_chain_is_followed() -> None:
    (top, under, by), _ = laid("a ball on a table beside a chair", ball(), table(), chair())
    assert touching(top, under) and under.low[0] > by.high[0] and by.low[1] == 0


def test_heights_are_those_of_a_pyramid() -> None:
    pyramid = trimesh.creation.cone(radius=1, height=1, sections=64)
    pyramid.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, (1, 0, 0)))
    first, count = np.array([-1.2, -1.2]), np.array([25, 25])
    found = heights_of(np.array(pyramid.vertices), np.array(pyramid.faces), first, count, 0.1)
    x, z = np.meshgrid(*[np.linspace(-1.2, 1.2, 25)] * 2, indexing="ij")
    inside = np.hypot(x, z) < 0.9
    assert np.allclose(found.top[inside], (1 - np.hypot(x, z))[inside], atol=0.02)
    assert np.allclose(found.bottom[inside], 0, atol=1e-9)
    assert np.isinf(found.top[np.hypot(x, z) > 1.1]).all()


def test_clearance_is_exact_for_corners_and_for_edges() -> None:
    low = trimesh.creation.box((1, 1, 1))
    edge = trimesh.creation.box((1, 1, 1))
    edge.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 4, (0, 0, 1)))
    other = trimesh.creation.box((1, 1, 1))
    other.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 4, (1, 0, 0)))
    for upper, lower, touch in ((low, low, 1.0), (edge, low, 0.5 + 0.5**0.5), (edge, other, 2**0.5)):
        high = np.array(upper.vertices) + np.array([0.1, 5, 0.05])
        gap = clearance(high, np.array(upper.faces), np.array(lower.vertices), np.array(lower.faces))
        assert gap == pytest.approx(5 - touch, abs=1e-5)
    far = np.array(low.vertices) + np.array([3, 0, 0])
    assert clearance(far, np.array(low.faces), np.array(low.vertices), np.array(low.faces)) == np.inf


def test_a_thing_that_nothing_holds_anywhere_is_refused() -> None:
    post = solid("a box", box((0.01, 0.01, 0.01)))
    with pytest.raises(InputError, match="no room for a ball on a box"):
        laid("a ball and a ball on a box", ball(), ball(), post)
