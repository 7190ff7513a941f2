"""R-precision with planted answers."""

from __future__ import annotations

import pytest
import torch

from dreamlab.evaluate.asked import asked_of
from dreamlab.evaluate.retrieval import fits, r_precision

NOUNS, COLORS = ("car", "mushroom"), ("red", "blue")


def test_it_is_the_share_of_views_whose_own_prompt_is_first() -> None:
    scores = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0], [9.0, 8.0, 7.0], [1.0, 0.0, 2.0]])
    assert r_precision(scores, 0) == 0.5
    assert r_precision(scores, 1) == r_precision(scores, 2) == 0.25


def test_ties_are_shared_so_that_a_blind_judge_is_at_chance() -> None:
    assert r_precision(torch.zeros(5, 4), 2) == pytest.approx(0.25)


def test_the_judge_looks_for_noun_and_colour_and_for_the_noun_alone_where_no_colour_was_said() -> None:
    noun, color = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.2, 0.8]])
    prompts = [asked_of(p) for p in ("a red car", "a blue car", "a car", "a blue mushroom", "a red ladder")]
    scores = fits(noun, color, prompts, NOUNS, COLORS)[0]
    assert scores[:4].exp().tolist() == pytest.approx([0.18, 0.72, 0.72, 0.08])
    assert scores[4] == -torch.inf
