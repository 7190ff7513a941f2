from __future__ import annotations

import pytest

from dreamlab.mesh.material_words import PLAIN, WORDS, finish_of


@pytest.mark.parametrize(
    ("prompt", "word"),
    [
        ("a golden crown", "golden"),
        ("a Golden Crown with wooden spikes", "golden"),
        ("a small shiny steel fork", "steel"),
        ("a wooden chair", "wooden"),
        ("a chair made of glass", "glass"),
        ("a cup, made out of solid silver", "silver"),
        ("a house made of brick with a golden roof", "brick"),
    ],
)
def test_the_thing_is_of_the_material_that_is_said_of_it(prompt, word) -> None:
    assert finish_of(prompt) == WORDS[word]


@pytest.mark.parametrize(
    "prompt",
    [
        "a red mushroom",
        "",
        "a house with a golden roof",
        "a cat on a wooden table",
        "a golden retriever",
        "a green pine tree",
        "an ice cream",
        "a dog and a silver car",
        "a tin",
        "gold",
    ],
)
def test_details_other_things_and_mere_names_say_nothing(prompt) -> None:
    assert finish_of(prompt) == PLAIN


def test_shares_are_shares() -> None:
    assert all(0 <= value <= 1 for finish in WORDS.values() for value in finish)
