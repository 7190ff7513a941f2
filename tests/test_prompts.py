"""View words, negatives and Perp-Neg weights."""

from __future__ import annotations

import math

import pytest
import torch

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.errors import ConfigError, InputError
from dreamlab.core.types import Condition
from dreamlab.guidance.prompts import VIEW_WORDS, ViewPrompts, ViewWordsConfig, view_index
from dreamlab.priors.analytic import Component, GaussianMixturePrior


class Speller(GaussianMixturePrior):
    """A prior whose tokens spell each text as one number; it counts how often it is asked."""

    def __init__(self):
        super().__init__([Component(torch.zeros(1, 1, 1), 1.0)])
        self.seen = []

    def embed(self, prompts):
        self.seen += list(prompts)
        tokens = torch.tensor([[float(sum(p.encode()))] for p in prompts])[:, None].expand(-1, 2, -1).clone()
        return Condition(tokens, torch.ones(len(prompts), 2, dtype=torch.bool), tokens[:, 0])

    def value(self, text):
        return float(sum(text.encode()))


def cameras(azimuths, elevation=0.0):
    az = torch.deg2rad(torch.tensor(azimuths, dtype=torch.float32))
    one = torch.ones_like(az)
    return orbit_cameras(az, torch.full_like(az, math.radians(elevation)), 2 * one, one, (4, 4))


def test_view_words_follow_the_azimuths_quarter():
    words = [
        VIEW_WORDS[i] for i in view_index(cameras([0, 44, 46, 90, 134, 136, 180, -44, -90, -136, 350, 540]))
    ]
    assert words == [
        *("front", "front", "side", "side", "side", "back", "back", "front", "side", "back", "front", "back")
    ]


def test_steep_views_are_overhead():
    assert [VIEW_WORDS[i] for i in view_index(cameras([0, 180], elevation=61))] == ["overhead"] * 2
    assert [VIEW_WORDS[i] for i in view_index(cameras([0], elevation=59))] == ["front"]


def test_where_a_view_is_called_what_can_be_said():
    words = ViewWordsConfig(front=30, back=20, overhead=40)
    seen = view_index(cameras([0, 29, 31, 159, 161, -29, -31]), words)
    assert [VIEW_WORDS[i] for i in seen] == ["front", "front", "side", "side", "back", "front", "side"]
    assert [VIEW_WORDS[i] for i in view_index(cameras([0, 0], elevation=41), words)] == ["overhead"] * 2
    prior = Speller()
    prompts = ViewPrompts(prior, "a duck", words=words).reworded(prior, prompt="a goose")
    assert prompts.positive(cameras([31])).tokens[0, 0, 0] == prior.value("a goose, side view")


def test_blended_words_are_the_encodings_weighted_by_the_azimuth():
    """LucidDreamer, train.py: r = 1 - |azimuth| / 90 of front beside side, and so on towards the back."""
    prior = Speller()
    prompts = ViewPrompts(prior, "a duck", words=ViewWordsConfig(blend=True, overhead=80))
    front, side, back, overhead = (prior.value(f"a duck, {word} view") for word in VIEW_WORDS)
    got = prompts.positive(cameras([0, 30, -30, 90, 120, -120, 180])).tokens[:, 0, 0].tolist()
    third, two = 1 / 3, 2 / 3
    side_front, side_back = two * front + third * side, two * side + third * back
    assert got == pytest.approx([front, side_front, side_front, side, side_back, side_back, back])
    assert prompts.positive(cameras([30], elevation=85)).tokens[0, 0, 0] == pytest.approx(overhead)
    plain = ViewPrompts(prior, "a duck", view_dependent=False, words=ViewWordsConfig(blend=True))
    assert plain.positive(cameras([30])).tokens[0, 0, 0] == prior.value("a duck")


def test_every_view_gets_its_own_words():
    prior = Speller()
    prompts = ViewPrompts(prior, "a duck", "blurry")
    got = prompts.positive(cameras([0, 90, 180])).tokens[:, 0, 0].tolist()
    assert got == [prior.value(f"a duck, {w} view") for w in ("front", "side", "back")]
    assert prompts.negative(2).tokens[:, 0, 0].tolist() == [prior.value("blurry")] * 2
    assert prompts.null(3).tokens[:, 0, 0].tolist() == [0.0] * 3
    assert prompts.plain(2).tokens[:, 0, 0].tolist() == [prior.value("a duck")] * 2


def test_view_words_can_be_left_off():
    prior = Speller()
    prompts = ViewPrompts(prior, "a duck", view_dependent=False)
    assert prompts.positive(cameras([0, 90])).tokens[:, 0, 0].tolist() == [prior.value("a duck")] * 2


def test_no_negative_prompt_means_the_empty_one():
    prompts = ViewPrompts(Speller(), "a duck")
    assert torch.equal(prompts.negative(2).tokens, prompts.null(2).tokens)


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_an_empty_prompt_is_refused(prompt):
    with pytest.raises(InputError, match="empty"):
        ViewPrompts(Speller(), prompt)


def test_another_prior_and_other_words_leave_the_rest_as_it_was():
    first, second = Speller(), Speller()
    prompts = ViewPrompts(first, "a duck", "blurry", view_dependent=False)
    same, other = prompts.reworded(second), prompts.reworded(second, prompt="a hen")
    assert (same.prompt, same.negative_prompt, same.view_dependent) == ("a duck", "blurry", False)
    assert (other.prompt, other.negative_prompt, other.view_dependent) == ("a hen", "blurry", False)
    assert torch.equal(same.positive(cameras([0])).tokens, prompts.positive(cameras([0])).tokens)
    assert len(first.seen) == 7 and len(second.seen) == 14
    assert prompts.texts == ("a duck", "blurry")


def test_perp_neg_repels_the_far_views_and_never_the_seen_one():
    output = ViewPrompts(Speller(), "a duck").perp_neg(cameras([0, 89.99, 90.01, 180]))
    front, side_from_front, side_from_back, back = output.weights.tolist()
    assert front == pytest.approx([0.0, -1.574], abs=1e-3)
    assert side_from_front == pytest.approx([-1.574, 0.0], abs=1e-3)
    assert side_from_back == pytest.approx([0.0, -1.574], abs=1e-3)
    assert back == pytest.approx([-0.394, -1.967], abs=1e-3)


def test_perp_neg_weights_never_attract_and_mirror():
    prompts = ViewPrompts(Speller(), "a duck")
    angles = list(range(0, 181, 3))
    right, left = prompts.perp_neg(cameras(angles)), prompts.perp_neg(cameras([-a for a in angles]))
    assert (right.weights <= 0).all()
    assert torch.allclose(right.weights, left.weights, atol=1e-4)
    assert torch.allclose(right.positive.tokens, left.positive.tokens, atol=0.05)


def test_perp_neg_blends_the_two_nearest_views():
    prior = Speller()
    output = ViewPrompts(prior, "a duck").perp_neg(cameras([22.5, 135]))
    front, side, back = (prior.value(f"a duck, {w} view") for w in ("front", "side", "back"))
    assert output.positive.tokens[:, 0, 0].tolist() == pytest.approx(
        [0.75 * front + 0.25 * side, 0.5 * side + 0.5 * back], rel=1e-6
    )
    assert output.positive.pooled is not None
    assert output.positive.pooled[1, 0] == pytest.approx((side + back) / 2)
    assert output.negatives[0].tokens[:, 0, 0].tolist() == [front, side]
    assert output.negatives[1].tokens[:, 0, 0].tolist() == [side, front]


def test_perp_neg_leaves_overhead_views_alone():
    prior = Speller()
    output = ViewPrompts(prior, "a duck").perp_neg(cameras([10, 100], elevation=80))
    assert not output.weights.any()
    assert output.positive.tokens[:, 0, 0].tolist() == [prior.value("a duck, overhead view")] * 2


def test_perp_neg_needs_views_that_differ():
    with pytest.raises(ConfigError, match="Perp-Neg"):
        ViewPrompts(Speller(), "a duck", view_dependent=False).perp_neg(cameras([0]))
