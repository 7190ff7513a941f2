"""What prompts ask for, read by the grammar of the generators and its other names."""

from __future__ import annotations

import pytest

from dreamlab.evaluate.asked import asked_of
from dreamlab.studio import shapes


@pytest.mark.parametrize(
    ("prompt", "things", "relation"),
    [
        ("a red mushroom", ["red mushroom"], ""),
        ("A RED MUSHROOM!", ["red mushroom"], ""),
        ("a navy t-rex with red spots", ["dark blue dinosaur"], ""),
        ("a very shiny crimson toadstool", ["red mushroom"], ""),
        ("two blue chairs", ["blue chair"], ""),
        ("an orange", ["orange"], ""),
        ("an orange cat", ["orange cat"], ""),
        ("a photo of a red car, driving in the snow", ["red car"], ""),
        ("a slice of pizza", ["pizza slice"], ""),
        ("a cactus in a pot", ["cactus"], ""),
        ("a house with a flower", ["house"], ""),
        ("a red mug on a wooden table", ["red mug", "table"], "on"),
        ("a cat on top of a crate", ["cat", "crate"], "on"),
        ("a teal couch next to a golden trophy", ["turquoise sofa", "golden trophy"], "next to"),
        ("a white thingummy", ["white"], ""),
        ("a white thingummy on a blue table", ["white", "blue table"], "on"),
        ("a thingummy", [], ""),
        ("", [], ""),
    ],
)
def test_prompts_are_read_as_people_mean_them(prompt: str, things: list[str], relation: str) -> None:
    asked = asked_of(prompt)
    assert [str(thing) for thing in asked.things] == things and asked.relation == relation


def test_every_colour_of_every_noun_is_found_in_its_own_caption() -> None:
    for noun in shapes.NOUNS:
        for color in shapes.COLORS:
            (thing,) = asked_of(f"a {color.word} {noun}").things
            assert thing == (noun, color.word), noun
