"""DDIM inversion: the noise that would have made a clean image, found by walking the flow backwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from dreamlab.core.diffusion import Image, Level, ddim_step, per_image
from dreamlab.priors.protocols import Prior


def invert(prior: Prior, x: Image, levels: Sequence[Level], answer: Callable[[Image, Level], Image]) -> Image:
    """z at the last of `levels`, by one deterministic step between each and the next (Song et al. 2021,
    section 4.3).

    levels: ascending, [B] each. The walk starts from alpha * x without noise, so the first level should be
    small. answer(z, t) is x0_hat under the condition to invert with.
    """
    scales = [tuple(v.to(x) for v in prior.alpha_sigma(t)) for t in levels]
    z = per_image(scales[0][0], x) * x
    for t, (now, then) in zip(levels, pairwise(scales), strict=False):
        z = ddim_step(z, answer(z, t), (now[0], now[1]), (then[0], then[1]))
    return z


def even_levels(first: float, last: Level, steps: int) -> list[Level]:
    """steps + 1 levels from `first` to each image's own `last`, evenly spaced."""
    return [first + (last - first) * (i / steps) for i in range(steps + 1)]
