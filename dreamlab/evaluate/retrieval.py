"""R-precision: is a picture's own prompt the one that fits it best, among all prompts of a list?

(Park et al. 2021, as Dream Fields and DreamFusion use it: of each view the first of the ranking counts.) The
scores come from CLIP or from the judge: log-probability of the noun and colour that a prompt asks for.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.evaluate.asked import Asked

_LEAST = 1e-6  # probability, so that a class that is ruled out does not rule out every comparison


def r_precision(scores: Float[Tensor, "views prompts"], own: int) -> float:
    """Share of views whose own prompt scores highest; ties are shared evenly."""
    best = scores == scores.amax(1, keepdim=True)
    return float((best[:, own].float() / best.sum(1)).mean())


def fits(
    noun: Float[Tensor, "views nouns"],
    color: Float[Tensor, "views colors"],
    prompts: Sequence[Asked],
    nouns: Sequence[str],
    colors: Sequence[str],
) -> Float[Tensor, "views prompts"]:
    """How well each view fits what each prompt asks for first, by the judge: log-probability of its noun plus
    that of its colour; where a prompt asks for no colour, that of the likeliest. -inf for nouns that the
    judge does not know."""
    scores = torch.full((len(noun), len(prompts)), -torch.inf)
    for k, asked in enumerate(prompts):
        if asked.things and asked.things[0].noun in nouns:
            thing = asked.things[0]
            hue = color[:, colors.index(thing.color)] if thing.color else color.amax(1)
            scores[:, k] = (
                noun[:, nouns.index(thing.noun)].clamp_min(_LEAST).log() + hue.clamp_min(_LEAST).log()
            )
    return scores
