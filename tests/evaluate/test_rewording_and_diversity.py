"""Figures of other names and of seeds, with known answers planted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from dreamlab.core.types import Cameras
from dreamlab.evaluate.classifier import Judge, Prediction
from dreamlab.evaluate.diversity import OBJECTS, diversity, spread
from dreamlab.evaluate.prompts import VIEWS, render_shape, ring, sample_prompts
from dreamlab.evaluate.rewording import reworded, rewording
from dreamlab.studio import shapes

NOUNS = ("mushroom", "car", "banana")


class ReadsThePixel(Judge):
    """Names the noun whose number is written into every pixel."""

    def look(self, x: Tensor, channels: str = "color") -> Prediction:
        noun = torch.nn.functional.one_hot(x[:, 0, 0, 0].long(), len(self.nouns)).float()
        return Prediction(noun, torch.zeros(len(x), len(shapes.COLORS)))


def answers(names: dict[str, int]) -> object:
    def sampler(prompts: Sequence[str], cameras: Cameras, seed: int) -> Tensor:
        numbers = [next((n for name, n in names.items() if name in p), 0) for p in prompts]
        return torch.tensor(numbers, dtype=torch.float32)[:, None, None, None].expand(-1, 5, 2, 2)

    return sampler


def test_every_prompt_is_said_in_other_words_for_the_same() -> None:
    pairs = reworded(NOUNS, 12, 0)
    assert len(pairs) == 12 and all(q.prompt != other for q, other in pairs)
    for q, other in pairs:
        if NOUNS[q.noun] == "banana":  # has no other name, so its colour changed
            assert other.endswith("banana")


def test_a_prior_that_knows_all_names_loses_nothing_and_one_that_does_not_loses_those() -> None:
    judge = ReadsThePixel(NOUNS)
    plain = {"car": 1, "banana": 2}
    deaf = rewording(answers(plain), judge, NOUNS, 20)  # pyright: ignore[reportArgumentType]
    knowing = rewording(answers(plain | {"automobile": 1, "sedan": 1}), judge, NOUNS, 20)  # pyright: ignore[reportArgumentType]
    assert deaf["reworded_plain"] == knowing["reworded_plain"] == knowing["reworded_ratio"] == 1
    missed = np.mean([q.noun == 1 and "car" not in other for q, other in reworded(NOUNS, 20, 0)])
    assert missed > 0 and deaf["reworded"] == pytest.approx(1 - missed)


def test_what_has_no_other_name_is_not_measured() -> None:
    assert rewording(answers({}), ReadsThePixel(("banana",)), (), 0) == {}  # pyright: ignore[reportArgumentType]


def test_the_spread_is_the_root_mean_square_of_all_pairs() -> None:
    x = torch.randn(OBJECTS * VIEWS, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    each = x.reshape(OBJECTS, -1).double()
    pairs = [(each[i] - each[j]).square().mean() for i in range(OBJECTS) for j in range(i)]
    assert spread(x) == pytest.approx(float(torch.stack(pairs).mean().sqrt()), rel=1e-5)


def test_real_objects_are_as_diverse_as_real_ones_and_one_object_is_not() -> None:
    prompts = sample_prompts(NOUNS, 4, (3,))

    def objects(same: bool) -> dict[str, float]:
        def sampler(texts: Sequence[str], cameras: Cameras, seed: int) -> Tensor:
            out = []
            for number, q in enumerate(prompts):
                for k in range(OBJECTS):
                    rng = np.random.default_rng((5, number, 0 if same else k))
                    out.append(render_shape(q.real(NOUNS, rng), ring(VIEWS, q.turn)))
            return torch.cat(out)

        return diversity(sampler, prompts, NOUNS)

    assert 0.7 < objects(same=False)["diversity"] < 1.4
    assert objects(same=True)["diversity_least"] == pytest.approx(0, abs=1e-3)
