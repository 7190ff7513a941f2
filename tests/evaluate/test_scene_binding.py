from __future__ import annotations

import numpy as np
import pytest

from dreamlab.evaluate.asked import asked_of
from dreamlab.evaluate.objects import around
from dreamlab.evaluate.prompts import render_shape
from dreamlab.evaluate.scene_binding import can_be_bound, scene_binding
from dreamlab.studio import shapes

PROMPT = "a red mug on a blue table"
COLORS = {color.word: color for color in shapes.COLORS}


def painted(first: str, second: str) -> shapes.Shape:
    """A scene that the measure has not seen."""
    return shapes.scene(np.random.default_rng(5), "on", ("mug", "table"), (COLORS[first], COLORS[second]))


def test_own_colours_are_told_from_swapped_ones() -> None:
    asked = asked_of(PROMPT)
    right = scene_binding(render_shape(painted("red", "blue"), around()), around(), asked)
    swapped = scene_binding(render_shape(painted("blue", "red"), around()), around(), asked)
    both = scene_binding(render_shape(painted("purple", "purple"), around()), around(), asked)
    assert right > 0.3 and swapped < -0.3 and swapped < both < right


@pytest.mark.parametrize(
    ("prompt", "able"),
    [
        (PROMPT, True),
        ("a red mug", False),
        ("a red mug on a table", False),
        ("a red mug on a red table", False),
        ("a red mug next to a blue table", False),
        ("a red house on a blue mug", False),
        ("a red thingummy on a blue table", False),
    ],
)
def test_only_two_colours_one_above_the_other_can_be_told(prompt: str, able: bool) -> None:
    assert can_be_bound(asked_of(prompt)) is able
