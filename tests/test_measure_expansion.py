"""The measure of expansion: its lots, and what it says of pictures in closed form."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest
import torch

from dreamlab.core.errors import InputError

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import measure_expansion
from measure_expansion import NO_COLOR, haze, measured, spread_of_seeds, trials

NOUNS = ("cube", "sphere", "apple", "banana")


def with_opacity(opacity: float) -> torch.Tensor:
    x = torch.full((1, 5, 64, 64), -1.0)
    x[:, 3] = 2 * opacity - 1
    return x


def test_haze_is_none_where_opacity_is_decided_and_twice_at_a_half() -> None:
    assert haze(with_opacity(1.0)) == haze(with_opacity(0.0)) == 0.0
    assert haze(with_opacity(0.5)) == pytest.approx(2.0)


def test_equal_seeds_have_no_spread_and_others_their_difference() -> None:
    a, b = torch.zeros(4, 5, 8, 8), torch.ones(4, 5, 8, 8)
    assert spread_of_seeds([a, a, b, b], 2) == 0.0
    assert spread_of_seeds([a, b], 2) == pytest.approx(1.0)


def test_a_lot_has_no_noun_twice_and_every_other_prompt_bare() -> None:
    lot = trials(argparse.Namespace(count=4, seeds=2, seed=3, weights=None), NOUNS)
    assert [trial.seed for trial in lot] == [3, 4] * 4
    assert {trial.prompt.noun for trial in lot} == set(range(4))
    assert [trial.prompt.color == NO_COLOR for trial in lot[::2]] == [True, False] * 2
    assert all(trial.heard["off"] == trial.prompt.prompt for trial in lot)
    with pytest.raises(InputError, match="not so many nouns"):
        trials(argparse.Namespace(count=5, seeds=1, seed=3, weights=None), NOUNS)


def test_the_report_has_both_arms_and_what_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_expansion, "nouns_to_sample", lambda args: NOUNS)
    monkeypatch.setattr(measure_expansion, "judge_of", lambda config, file: None)
    monkeypatch.setattr(measure_expansion, "kept", lambda args, lot, arm: (with_opacity(1.0) for _ in lot))
    found = {"haze": 0.0, "each": [{}] * 3}
    monkeypatch.setattr(measure_expansion, "judged", lambda judge, pictures, lot, seeds: found)
    values = {"count": 3, "seeds": 1, "seed": 3, "weights": None, "picture": None, "judge": None}
    report = measured(argparse.Namespace(**values, of="fields", preset="fast", set=[]))
    assert report["off"] == report["full"] == {"haze": 0.0}
    assert [row["heard"] for row in report["each"]] != [row["prompt"] for row in report["each"]]
