from __future__ import annotations

import numpy as np
import pytest

from dreamlab.evaluate.asked import Thing
from dreamlab.evaluate.prompts import render_shape, ring
from dreamlab.evaluate.seed_diversity import VIEWS, real_spread, seed_diversity
from dreamlab.studio import shapes

RED = next(color for color in shapes.COLORS if color.word == "red")


def test_real_objects_differ_as_real_ones_and_copies_not_at_all() -> None:
    real = real_spread(Thing("car", "red"))
    rings = [
        render_shape(shapes.make(np.random.default_rng((9, i)), "car", RED), ring(VIEWS, 0.0))
        for i in range(6)
    ]
    assert seed_diversity(rings, real) == pytest.approx(1, abs=0.35)
    assert seed_diversity([rings[0]] * 3, real) == 0


def test_one_object_and_unknown_things_have_none() -> None:
    x = render_shape(shapes.make(np.random.default_rng(1), "car", RED), ring(VIEWS, 0.0))
    assert seed_diversity([x], 0.3) is None and seed_diversity([x, x], None) is None


def test_any_colour_varies_more_than_one() -> None:
    assert real_spread(Thing("car", "")) > real_spread(Thing("car", "red"))
