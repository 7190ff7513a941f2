"""Do the seeds of a prompt give different objects, as different as real ones of that prompt?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.evaluate.prompts import HELD_OUT, VIEWS, EvalPrompt, Sampler, render_shape, ring, rings

OBJECTS = 8
"""Of each prompt, sampled and real."""


def diversity(
    sampler: Sampler, prompts: Sequence[EvalPrompt], nouns: Sequence[str], seed: int = 0
) -> dict[str, float]:
    """Mean distance of two objects of one prompt, seen from the same VIEWS sides, over that of real ones.

    diversity: the median of this quotient over the prompts; diversity_least: the least, near 0 where the
    seeds of a prompt collapse into one object. Colour, opacity and relative depth count alike.
    """
    rng = np.random.default_rng((HELD_OUT, 8, seed))
    texts = [q.prompt for q in prompts for _ in range(OBJECTS * VIEWS)]
    cameras = rings([q.turn for q in prompts for _ in range(OBJECTS)])
    sampled = sampler(texts, cameras, 40_000).split(OBJECTS * VIEWS)
    shares = []
    for q, mine in zip(prompts, sampled, strict=True):
        sides = ring(VIEWS, q.turn)
        real = torch.cat([render_shape(q.real(nouns, rng), sides) for _ in range(OBJECTS)])
        shares.append(spread(mine) / max(spread(real), 1e-9))
    return {"diversity": float(np.median(shares)), "diversity_least": float(min(shares))}


def spread(x: Float[Tensor, "n 5 S S"], objects: int = OBJECTS) -> float:
    """Root mean square difference of two of the objects, over all pairs; n is objects times views."""
    each = x.reshape(objects, -1)
    squares = torch.cdist(each[None], each[None])[0].square() / each.shape[1]
    return float((squares.sum() / (objects * (objects - 1))).sqrt())
