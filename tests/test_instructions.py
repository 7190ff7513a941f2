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
        ("a golden mushroom with a hat", "a red mushroom", "a golden mushroom with a hat", "part"),
        ("a pumpkin", "a red mushroom", "a pumpkin", "thing"),
    ],
)
def test_an_instruction_and_a_prompt_give_the_prompt_and_what_it_changes(
    instruction: str, was: str, prompt: str, change: str
) -> None:
    assert edited(instruction, was) == (prompt, change)


@pytest.mark.parametrize("instruction", ["make it", "turn it into ", "add", " "])
def test_an_instruction_that_says_nothing_is_refused(instruction: str) -> None:
    with pytest.raises(InputError, match=r"does not say what to change|is empty"):
        edited(instruction, "a red mushroom")


def test_what_the_prompt_does_not_name_is_not_removed() -> None:
    with pytest.raises(InputError, match=r"no 'hat' to remove.*a red mushroom"):
        edited("remove the hat", "a red mushroom")
