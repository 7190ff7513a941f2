"""Do runs of one prompt with different seeds differ as much as real objects of that prompt do?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.evaluate.asked import Thing
from dreamlab.evaluate.diversity import OBJECTS, spread
from dreamlab.evaluate.prompts import HELD_OUT, render_shape, ring
from dreamlab.studio import shapes

VIEWS = 4


def seed_diversity(rings: Sequence[Float[Tensor, "views 5 S S"]], real: float | None) -> float | None:
    """The spread of the objects over that of real ones: near 0 where the seeds collapse into one object, 1
    where they differ as real ones do. None for a single object, or where no real ones are known.

    rings: each object from the same VIEWS sides.
    """
    if len(rings) < 2 or not real:
        return None
    return spread(torch.cat(list(rings)), len(rings)) / real


def real_spread(thing: Thing) -> float:
    """The spread of OBJECTS procedural objects of a noun and, where one was asked for, a colour."""
    word = next((c for c in shapes.COLORS if c.word == thing.color), None)
    sides = ring(VIEWS, 0.0)
    rngs = [np.random.default_rng((HELD_OUT, 24, copy)) for copy in range(OBJECTS)]
    return spread(torch.cat([render_shape(shapes.make(rng, thing.noun, word), sides) for rng in rngs]))
