"""Captions said again: by other names of the same thing, and never by those of another one."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dreamlab.priors.embedded.vocabulary import Vocabulary
from dreamlab.studio import shapes
from dreamlab.studio.batches import BatchConfig
from dreamlab.studio.corpus import CorpusConfig, gather
from dreamlab.studio.paraphrase import LOOKS, NOUNS, paraphrase, synonym_in, with_paraphrases
from dreamlab.studio.shapes.grammar import MATERIALS
from dreamlab.studio.vocabulary_counts import vocabulary_counts


def many(caption: str, noun: str, count: int = 60) -> set[str]:
    rng = np.random.default_rng(0)
    return {paraphrase(caption, noun, rng) for _ in range(count)}


def test_no_name_stands_for_two_things() -> None:
    names = [name for table in (NOUNS, LOOKS) for others in table.values() for name in others]
    taken = {*NOUNS, *LOOKS, *shapes.NOUNS, *(c.word for c in shapes.COLORS), *(m.word for m in MATERIALS)}
    assert len(names) == len(set(names)) and not taken & set(names)
    assert set(NOUNS) <= set(shapes.NOUNS)


def test_every_name_is_used_and_what_has_no_other_name_stays() -> None:
    assert many("a mushroom", "mushroom") == {"a mushroom", "a toadstool", "a fungus"}
    assert many("a banana", "banana") == {"a banana"}


def test_articles_follow_the_words() -> None:
    assert "an automobile" in many("a car", "car")
    assert "a doughnut" in many("a donut", "donut") and "an azure ufo" in many("a blue ufo", "ufo")


def test_the_longest_name_wins() -> None:
    """A police car is no "police automobile", dark red no "dark crimson"."""
    said = many("a dark red police car", "police car")
    assert not any(re.search("automobile|dark crimson|dark scarlet", s) for s in said)
    assert any("patrol car" in s for s in said) and any("maroon" in s for s in said)


def test_only_what_the_caption_is_about_is_renamed() -> None:
    said = many("a green cactus in a red pot", "cactus")
    assert all(s.endswith(" pot") for s in said) and any("crimson pot" in s for s in said)


def test_a_scene_may_rename_both() -> None:
    said = many("a rabbit next to an umbrella", "rabbit next to umbrella")
    assert "a bunny next to a parasol" in said


def test_captions_stay_and_half_as_many_join_them() -> None:
    for seed in range(20):
        captions = shapes.make(np.random.default_rng(seed), "mushroom").captions
        more = with_paraphrases(captions, "mushroom", np.random.default_rng(seed))
        assert more[0] == captions[0] and more[-1] == captions[-1] and set(captions) <= set(more)
        assert len(more) == len(set(more)) <= len(captions) + -(-len(captions) // 2)


def test_a_thing_is_known_by_its_other_names() -> None:
    """After enough images "a toadstool" names an object that the prior knows."""
    corpus = gather(CorpusConfig(nouns=("mushroom", "banana"), per_noun=40, scenes=0))[0]
    counts = vocabulary_counts(corpus, BatchConfig())
    said = {synonym_in(c, "mushroom") for captions in corpus.captions[:40] for c in captions}
    assert said == {None, "toadstool", "fungus"}
    assert counts.nouns["mushroom"] == pytest.approx((32.0, 0.0))
    assert 1.0 < counts.nouns["toadstool"][0] + counts.nouns["fungus"][0] < 16.0
    taught = Vocabulary().plus(counts, times=1000)
    assert taught.read("a toadstool").nouns == ("toadstool",) and not taught.read("a toadstool").gaps
