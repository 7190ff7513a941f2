from __future__ import annotations

import pytest
import torch
import trimesh
from torch import Tensor

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.shape_words import FACTORS, PLAIN, factors, parse_shape, read_shape, shaped


def box(*sides: float) -> Mesh:
    shape = trimesh.creation.box(sides)
    return Mesh(torch.from_numpy(shape.vertices.copy()).float(), torch.from_numpy(shape.faces.copy()).long())


def sides(mesh: Mesh) -> Tensor:
    return mesh.vertices.amax(0) - mesh.vertices.amin(0)


def nothing(word: str) -> bool:
    return False


def everything(word: str) -> bool:
    return True


@pytest.mark.parametrize("word, grown", [
    ("taller", [1, 1.4, 1]), ("much taller", [1, 1.96, 1]), ("a little taller", [1, 1.4**0.5, 1]),
    ("shorter", [1, 0.7, 1]), ("wider", [1.4, 1, 1]), ("narrower", [0.7, 1, 1]), ("flatter", [1, 0.6, 1]),
    ("thicker", [1.35, 1, 1.35]), ("thinner", [0.75, 1, 0.75]), ("very flat", [1, 0.36, 1]),
    ("taller and narrower", [0.7, 1.4, 1]), ("taller, wider", [1.4, 1.4, 1]),
])  # fmt: skip
def test_a_word_stretches_its_sides_and_leaves_the_others(word, grown) -> None:
    assert torch.allclose(sides(shaped(box(2, 3, 4), word)), torch.tensor([2.0, 3, 4]) * torch.tensor(grown))


@pytest.mark.parametrize("extent, axis", [((4, 2, 1), 0), ((1, 2, 4), 2), ((1, 5, 2), 1), ((1, 3, 2), 2)])
def test_length_is_the_longer_way_across_or_the_height_of_a_stick(extent, axis) -> None:
    grown = factors(parse_shape("longer"), extent)
    assert grown == tuple(1.4 if k == axis else 1.0 for k in range(3))


def test_numbers_are_proportions_and_keep_the_longest_side() -> None:
    assert parse_shape("1x2x1") == ()
    assert torch.allclose(sides(shaped(box(2, 2, 2), "1x2x1")), torch.tensor([1.0, 2, 1]))


@pytest.mark.parametrize(
    "text", ["taller taller", "taller, very tall", "huge", "taller than a house", "tall-er"]
)
def test_what_is_no_proportion_is_refused(text) -> None:
    with pytest.raises(InputError, match="taller, shorter, wider"):
        parse_shape(text)


def test_every_plain_word_and_every_factor_is_told_apart() -> None:
    assert set(PLAIN.values()) == set(FACTORS)
    assert all(factor != 1 for _, factor in FACTORS.values())
    assert [str(change) for change in parse_shape("thinner")] == [
        "thinner: 0.75 times along its width and depth"
    ]


@pytest.mark.parametrize("prompt, shape, rest", [
    ("a taller mushroom", "taller", "a mushroom"),
    ("A much taller red mushroom", "much taller", "A red mushroom"),
    ("a little taller mushroom", "a little taller", "a mushroom"),
    ("a taller and wider car", "taller, wider", "a car"),
    ("a red, slightly flatter cake", "slightly flatter", "a red, cake"),
    ("a flat cake", "flat", "a cake"),
    ("a very flat cake with a candle", "very flat", "a cake with a candle"),
])  # fmt: skip
def test_what_is_said_of_the_thing_is_taken_out_of_the_prompt(prompt, shape, rest) -> None:
    assert read_shape(prompt, nothing) == (shape, rest)
    parse_shape(shape)


@pytest.mark.parametrize("prompt", [
    "a mushroom", "a mushroom with a longer stem", "a mushroom taller than a house", "a cat on a wider table",
    "something taller", "a stallion",
])  # fmt: skip
def test_details_and_comparisons_are_left_as_they_were(prompt) -> None:
    assert read_shape(prompt, nothing) == ("", prompt)


def test_adjectives_that_are_known_are_left_and_very_goes_beyond_them() -> None:
    assert read_shape("a tall mushroom", everything) == ("", "a tall mushroom")
    assert read_shape("a very long car", everything) == ("longer", "a long car")
    assert read_shape("a very long car", nothing) == ("very long", "a car")
    assert read_shape("a tall, thin man", everything) == ("", "a tall, thin man")
