"""The Janus problem: does an object show the same side again and again as one walks around it?

Two-faced objects look alike from opposite sides and different in between; with three faces, they repeat
after a third of the circle. What looks alike from everywhere (a mushroom) has no side to repeat; what is
symmetrical by nature (a table) repeats too, and is compared with real objects of its noun.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.evaluate.prompts import HELD_OUT, render_shape, ring
from dreamlab.studio import shapes

AROUND = 12  # views, so that halves, thirds and quarters of the circle are whole steps
_STEPS = (6, 4, 3)
_NOTHING = 0.02
"""Root mean square difference, of channels in -1..1, below which no side differs from any other."""


def repetition(x: Float[Tensor, "views 5 S S"]) -> float:
    """0 where opposite views differ as much as any two do, 1 where the object repeats itself exactly after a
    half, a third or a quarter of a turn.

    x: AROUND views, evenly spaced, in model space. With D(k) the root mean square difference of views k steps
    apart, over the pixels that both show: 1 - D(k) / max D, the greatest over the three turns.
    """
    if len(x) != AROUND:
        raise ValueError(f"repetition wants {AROUND} views, got {len(x)}")
    differences = {k: _difference(x, x.roll(-k, 0)) for k in range(1, AROUND // 2 + 1)}
    greatest = max(differences.values())
    if greatest < _NOTHING:
        return 0.0
    return max(1 - differences[k] / greatest for k in _STEPS)


@lru_cache(maxsize=512)
def real_repetition(noun: str, color: str = "", objects: int = 6) -> float:
    """The median of `repetition` over procedural objects of a noun: what its own symmetry gives."""
    word = next((c for c in shapes.COLORS if c.word == color), None)
    rngs = [np.random.default_rng((HELD_OUT, 22, copy)) for copy in range(objects)]
    rings = [render_shape(shapes.make(rng, noun, word), ring(AROUND, 0.0)) for rng in rngs]
    return float(np.median([repetition(x) for x in rings]))


def janus(found: float, real: float) -> float:
    """By how much an object repeats itself more than real ones do, as a share of what is left to 1."""
    return max(0.0, (found - real) / (1 - real)) if real < 1 else 0.0


def _difference(a: Tensor, b: Tensor) -> float:
    """Over the pixels that both show: silhouettes from opposite sides are mirror images by nature."""
    both = (torch.minimum(a[:, 3], b[:, 3]) > 0)[:, None]
    channels = [0, 1, 2, 4]
    squares = ((a[:, channels] - b[:, channels]).square() * both).sum()
    return math.sqrt(float(squares / (both.sum() * len(channels)).clamp_min(1)))
