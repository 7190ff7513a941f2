"""What an instruction makes of a prompt."""

from __future__ import annotations

import pytest

from dreamlab.core.errors import InputError
from dreamlab.run.instructions import edited


@pytest.mark.parametrize(
    ("instruction", "was", "prompt", "change"),
    [
        ("make it golden", "a red mushroom", "a golden mushroom", "look"),
        ("Make it look golden.", "a small red mushroom", "a golden small mushroom", "look"),
        ("paint it dark blue", "an orange car", "a dark blue car", "look"),
        ("make it of gold", "a mug", "a golden mug", "look"),
        ("turn it into wood", "a red chair", "a wooden chair", "look"),
        ("make it shiny red", "a mug", "a shiny red mug", "look"),
        ("paint it blue", "a red mushroom with white spots", "a blue mushroom with white spots", "look"),
        ("make it orange", "a golden crown made of gold", "an orange crown made of gold", "look"),
        ("turn it into a pumpkin", "a red mushroom", "a pumpkin", "thing"),
        ("make it an orange", "a red apple", "an orange", "thing"),
        ("make it a golden mushroom", "a red mushroom", "a golden mushroom", "look"),
        ("add white spots", "a red mushroom", "a red mushroom with white spots", "look"),
        ("with stripes", "a red mug with a handle", "a red mug with a handle and stripes", "look"),
        ("add a hat", "a red mushroom", "a red mushroom with a hat", "part"),
        ("add hat", "a red mushroom", "a red mushroom with a hat", "part"),
        ("remove the white spots", "a red mushroom with white spots", "a red mushroom", "look"),
        ("remove the handle", "a mug with a handle", "a mug", "part"),
        ("a golden mushroom", "a red mushroom", "a golden mushroom", "look"),
        ("a golden mushroom", "a red mushroom with white spots", "a golden mushroom", "look"),
        ("a golden mug", "a mug with a handle", "a golden mug", "part"),
        ("a house with a blue roof", "a house with a red roof", "a house with a blue roof", "look"),
        ("a house with a tower", "a house with a red roof", "a house with a tower", "part"),
        ("a golden mushroom with a hat", "a red mushroom", "a golden mushroom with a hat", "part"),
        ("a pumpkin", "a red mushroom", "a pumpkin", "thing"),
    ],
)
def test_an_instruction_and_a_prompt_give_the_prompt_and_what_it_changes(
    instruction: str, was: str, prompt: str, change: str
) -> None:
    assert edited(instruction, was)[:2] == (prompt, change)


@pytest.mark.parametrize(
    ("instruction", "part"),
    [
        ("add a hat", ("a hat", "worn")),
        ("give it a hat", ("a hat", "worn")),
        ("put on a red hat", ("a red hat", "worn")),
        ("put a red hat on it", ("a red hat", "worn")),
        ("add a red hat with white stripes", ("a red hat with white stripes", "worn")),
        ("add a crown on its head", ("a crown", "worn")),
        ("add a cup on the left", ("a cup", "left")),
        ("place a mug to the right of it", ("a mug", "right")),
        ("add orange ball", ("an orange ball", "beside")),
        ("put a cat on top of it", ("a cat", "on")),
        ("put a hat in front of it", ("a hat", "before")),
        ("add a cat behind", ("a cat", "behind")),
        ("add a table under it", ("a table", "under")),
    ],
)
def test_a_thing_of_its_own_has_a_prompt_and_a_place(instruction: str, part: tuple[str, str]) -> None:
    edit = edited(instruction, "a red mushroom")
    assert (edit.change, edit.part) == ("part", part)


@pytest.mark.parametrize("instruction", ["add stripes", "with white spots", "add stripes on the cap"])
def test_what_is_painted_is_no_part(instruction: str) -> None:
    assert edited(instruction, "a red mushroom with a hat").part is None


def test_one_thing_is_added_at_a_time() -> None:
    with pytest.raises(InputError, match="one thing at a time"):
        edited("add two candles", "a cake")


@pytest.mark.parametrize("instruction", ["make it", "turn it into ", "add", "put it", " "])
def test_an_instruction_that_says_nothing_is_refused(instruction: str) -> None:
    with pytest.raises(InputError, match=r"does not say what to change|is empty"):
        edited(instruction, "a red mushroom")


def test_what_the_prompt_does_not_name_is_not_removed() -> None:
    with pytest.raises(InputError, match=r"no 'hat' to remove.*a red mushroom"):
        edited("remove the hat", "a red mushroom")
