"""How sure a judge is, and by how much that depends on the side: against closed forms and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from dreamlab.evaluate.naming import bootstrap, named


def test_shares_and_means_are_those_of_the_views() -> None:
    views = torch.tensor([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.9, 0.1, 0.0]])
    found = named(views, 0)
    assert found.share == 0.75 and found.sure == pytest.approx(0.575)
    assert found.taken_for == 0 and found.agreement == 0.75
    assert found.low < found.sure < found.high
    other = named(views, 2)
    assert other.share == 0 and other.sure == pytest.approx(0.075) and other.taken_for == 0


def test_views_that_agree_leave_no_doubt_about_the_side() -> None:
    assert bootstrap(np.full(8, 0.3)) == pytest.approx((0.3, 0.3))


def test_the_interval_is_that_of_another_library() -> None:
    values = np.random.default_rng(4).uniform(0, 1, 40)
    ours = bootstrap(values)
    theirs = stats.bootstrap(
        (values,), np.mean, confidence_level=0.9, n_resamples=4000, method="percentile", rng=1
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert bootstrap(values) == ours  # the same at every call
