"""Conditions of unequal length in one batch."""

from __future__ import annotations

import pytest
import torch

from dreamlab.core.cameras import turntable
from dreamlab.core.types import Condition, Views
from dreamlab.guidance.query import DenoiseQuery, denoise_batched
from dreamlab.priors.diffusers.prompt_cache import PromptCache
from dreamlab.priors.embedded.prior import EmbeddedPrior
from dreamlab.priors.embedded.text import MOST_TOKENS, cut_words, encode_text
from dreamlab.priors.embedded.unet import UNet, UNetConfig

SHORT, LONG = "a mug", "a red mushroom with white spots beside a very old wooden house"


def spelled(prompts: list[str]) -> Condition:
    """A token for each letter of the longest prompt, and an extra as long and one that has no length."""
    longest = max(map(len, prompts))
    codes = torch.tensor([[ord(c) for c in p.ljust(longest)] for p in prompts])
    mask = torch.tensor([[i < len(p) for i in range(longest)] for p in prompts])
    extras = (("ids", codes), ("picture", torch.ones(len(prompts), 2, 3, 3)))
    return Condition(codes[..., None].float(), mask, None, extras)


def test_the_shorter_text_gets_tokens_that_do_not_count() -> None:
    both = Condition.cat([spelled(["ab"]), spelled(["abcd", "x"])])
    assert both.tokens[0, :, 0].tolist() == [97, 98, 0, 0] and both.mask[0].tolist() == [
        True,
        True,
        False,
        False,
    ]
    assert torch.equal(both.tokens[1:], spelled(["abcd", "x"]).tokens)
    extras = dict(both.extras)
    assert extras["ids"][0].tolist() == [97, 98, 0, 0] and extras["ids"].dtype == torch.int64
    assert extras["picture"].shape == (3, 2, 3, 3) and extras["picture"].all()


def test_a_cache_that_learns_texts_one_by_one_gives_them_together() -> None:
    cache = PromptCache(None, spelled)
    cache(["ab"])
    both = cache(["ab", "abcd"])
    assert both.mask.sum(1).tolist() == [2, 4]


def test_the_embedded_prior_answers_two_texts_in_one_call_as_it_does_alone() -> None:
    network = UNet(UNetConfig(channels=(16, 16, 16), embedding=32, head=16))
    with torch.no_grad():
        for parameter in network.parameters():  # for some begin at zero
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    prior = EmbeddedPrior(network, views_per_group=2)
    cameras = turntable(2, 0.2, 2.5, 0.7, (64, 64))
    conditions = [prior.embed([text] * 2) for text in (SHORT, LONG)]
    assert conditions[0].tokens.shape[1] < conditions[1].tokens.shape[1]
    z, t = torch.randn(2, 5, 64, 64), torch.full((2,), 0.5)
    queries = [DenoiseQuery(z, t, condition, Views(z, cameras)) for condition in conditions]
    for query, together in zip(queries, denoise_batched(prior, queries), strict=True):
        torch.testing.assert_close(denoise_batched(prior, [query])[0], together, rtol=1e-4, atol=1e-4)


def test_what_views_hold_follows_their_rows() -> None:
    first = Views(torch.zeros(2, 1, 1, 1), turntable(2, 0.2, 2.5, 0.7, (8, 8)), {"depth": torch.arange(2)})
    second = Views(
        torch.ones(2, 1, 1, 1), turntable(2, 0.9, 2.5, 0.7, (8, 8)), {"depth": 2 + torch.arange(2)}
    )
    both = Views.cat([first, second])[torch.tensor([3, 0, 2])]
    assert len(both) == 3 and both.x.flatten().tolist() == [1, 0, 1]
    assert both.aux["depth"].tolist() == [3, 0, 2]
    torch.testing.assert_close(both.cameras.elevation, torch.tensor([0.9, 0.2, 0.9]))


@pytest.mark.parametrize("text", ["", SHORT, LONG])
def test_nothing_is_cut_from_a_text_that_fits(text: str) -> None:
    assert cut_words(text) == ""


def test_what_is_cut_changes_nothing_and_the_last_word_that_is_not_does() -> None:
    words = ["red", "old", "tall", "cold", "wide"] * 8  # a token each
    text = " ".join(words)
    lost = cut_words(text).split()
    assert len(words) - len(lost) == MOST_TOKENS - 2 and words[-len(lost) :] == lost
    read = words[: -len(lost)]
    others = (read, [*read, "mushroom"], [*read[:-1], "mushroom", *lost])
    whole, cut, longer, changed = encode_text([text, *map(" ".join, others)]).tokens
    assert torch.equal(whole, cut) and torch.equal(whole, longer) and not torch.equal(whole, changed)


def test_a_word_of_which_only_the_beginning_is_read_counts_as_cut() -> None:
    text = "red " * (MOST_TOKENS - 3) + "xylophonists"
    assert cut_words(text) == "xylophonists"
