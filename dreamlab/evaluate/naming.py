"""How sure the judge is that an object is what was asked for, and how far that depends on the side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from dreamlab.evaluate.objects import majority

RESAMPLES, SEED = 1000, 20
CONFIDENCE = 0.9


class Named(NamedTuple):
    """share: of the views that show the asked class most. sure: its mean probability. low, high: where that
    mean lies in 0.9 of the resamples. taken_for: the class that most views show. agreement: their share.
    """

    share: float
    sure: float
    low: float
    high: float
    taken_for: int
    agreement: float


def named(probabilities: Float[Tensor, "views classes"], asked: int) -> Named:
    """What a ring of views is taken for, and how sure of the asked class the judge is."""
    first = probabilities.argmax(1)
    taken = int(majority(probabilities[None])[0])
    sure = probabilities[:, asked].double().numpy()
    low, high = bootstrap(sure)
    share = float((first == asked).float().mean())
    return Named(share, float(sure.mean()), low, high, taken, float((first == taken).float().mean()))


def bootstrap(values: Float[np.ndarray, " n"], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The percentile interval of a mean (Efron 1979): the mean of as many values drawn with replacement,
    RESAMPLES times. The same values give the same interval.

    Of the views of one object it says how much the score depends on the side, not how much on the seed.
    """
    rng = np.random.default_rng(SEED)
    means = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
