"""Copies of a prior on further devices: each takes its share, and the answers are those of one prior."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from dreamlab.core.cameras import turntable
from dreamlab.core.errors import UnavailableError
from dreamlab.core.types import Condition, Views
from dreamlab.guidance.query import DenoiseQuery, denoise_batched
from dreamlab.priors.embedded.prior import EmbeddedPrior, EmbeddedPriorConfig
from dreamlab.run.begin import new_run
from dreamlab.run.events import Step
from dreamlab.run.pipeline import generate
from dreamlab.run.resolve import resolve


class Counting:
    """Answers the sum of what it is given, and remembers how much that was and in which thread."""

    resolution, channels = 4, 3

    def __init__(self, group: int, copies: Sequence[Counting] = ()) -> None:
        self.views_per_group, self.copies, self.device = group, copies, torch.device("cpu")
        self.asked: list[int] = []
        self.grad = True

    def embed(self, *_):
        raise AssertionError("nobody asks for that here")

    encode = alpha_sigma = embed

    def denoise(self, z, t, condition, views=None):
        self.asked.append(len(z))
        self.grad = torch.is_grad_enabled()
        seen = 0 if views is None else views.x + views.aux["more"]
        return z + t[:, None, None, None] + condition.tokens.sum((1, 2))[:, None, None, None] + seen


def query(n: int, seed: int, with_views: bool = True) -> DenoiseQuery:
    random = torch.Generator().manual_seed(seed)
    z, more = torch.randn(2, n, 3, 4, 4, generator=random)
    cameras = turntable(n, 0.2, 3.0, 0.7, (4, 4))
    condition = Condition(torch.randn(n, 2, 5, generator=random), torch.ones(n, 2, dtype=torch.bool))
    views = Views(z, cameras, {"more": more}) if with_views else None
    return DenoiseQuery(z, torch.rand(n, generator=random), condition, views)


@pytest.mark.parametrize(
    ("group", "n", "copies", "shares"),
    [(1, 8, 1, [8, 8]), (4, 8, 1, [8, 8]), (1, 7, 2, [4, 5, 5]), (4, 4, 3, [0, 4, 0, 4]), (2, 3, 1, [2, 4])],
)
def test_shares_are_whole_groups_and_their_answers_are_those_of_one(group, n, copies, shares) -> None:
    helpers = [Counting(group) for _ in range(copies)]
    alone, prior = Counting(group), Counting(group, helpers)
    passes = [query(n, 0), query(n, 1)]
    together = denoise_batched(prior, passes)
    for ours, theirs in zip(together, denoise_batched(alone, passes), strict=True):
        assert torch.equal(ours, theirs)
    assert [sum(one.asked) for one in (prior, *helpers)] == shares


def test_a_copy_keeps_to_the_largest_batch_and_no_graph() -> None:
    helper = Counting(2)
    prior = Counting(2, [helper])
    denoise_batched(prior, [query(12, 0, with_views=False)], max_batch=4)
    assert prior.asked == helper.asked == [4, 2] and not helper.grad


def test_a_copy_that_fails_is_heard() -> None:
    helper = Counting(1)
    helper.denoise = lambda *_: (_ for _ in ()).throw(RuntimeError("the card is gone"))
    with pytest.raises(RuntimeError, match="the card is gone"):
        denoise_batched(Counting(1, [helper]), [query(4, 0)])


def test_a_run_with_a_copy_is_the_run_without_to_rounding(tmp_path: Path) -> None:
    """Eight views, two groups: one for the prior and one for its copy."""
    priors: list[EmbeddedPrior] = []

    def build(config: EmbeddedPriorConfig, device: torch.device) -> EmbeddedPrior:
        priors.append(config.build(device))
        return priors[-1]

    fields = []
    for devices in ([], ["cpu"]):
        settings = {"stages": {"shape": {"steps": 2, "views": 8}}, "prior_devices": devices}
        config = resolve("a red mushroom", preset="fast", settings=settings)
        run = new_run(config, tmp_path)
        events = generate(run.config(), run, build=build)
        for event in events:
            if isinstance(event, Step) and event.done == 2:
                fields.append(dict(event.event.state.scene.state_dict()))
                break
        events.close()
    assert [len(prior.copies) for prior in priors] == [0, 1, 0]
    one, two = fields
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-4, rtol=1e-3)


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    config = resolve("a red mushroom", preset="fast", overrides=["prior_devices=[warp]"])
    with pytest.raises(UnavailableError, match="warp"):
        new_run(config, tmp_path)
    assert not list(tmp_path.iterdir())
