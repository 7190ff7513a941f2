"""Bare prompts said in full: every word stays, and what is added is what the generators say and draw."""

from __future__ import annotations

import numpy as np
import pytest

from dreamlab.priors.embedded.vocabulary import Vocabulary, stem, words_of
from dreamlab.studio import shapes
from dreamlab.studio.expand import expand, read, variants, worded
from dreamlab.studio.shapes.grammar import Paint, captions

UNDERSTOOD = (
    "a mushroom",
    "a house with a red roof",
    "a house with a crimson roof and a door",
    "a wooden chair",
    "a tall scarlet toadstool",
    "a cute navy robot",
    "an orange mushroom",
    "a cactus in a pot",
    "a mug of coffee",
    "A Mushroom, with spots!",
)
LEFT_ALONE = (
    "a rainbow mushroom",  # a look that the grammar does not know
    "two mushrooms",
    "a house with a chimney",  # a part that is never drawn
    "a mushroom without spots",
    "a glass mushroom",  # a material that it is never made of
    "a red and blue mushroom",
    "a red blue mushroom",
    "a thing",
    "!",
)


def all_known() -> Vocabulary:
    """Of a prior that has learned every word of UNDERSTOOD and of its expansions."""
    texts = [text for prompt in (*UNDERSTOOD, "a cat", "an orange") for text in every(prompt)]
    words = {stem(word): 1e4 for text in (*texts, *UNDERSTOOD, *LEFT_ALONE) for word in words_of(text)}
    return Vocabulary(nouns=dict.fromkeys(shapes.NOUNS, (1e4, 0.0)), words=words)


def every(prompt: str) -> list[str]:
    wish = read(prompt)
    return [] if wish is None else [worded(wish, variant) for variant in variants(wish)]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return all_known()


@pytest.mark.parametrize("prompt", UNDERSTOOD)
def test_every_word_that_was_said_is_heard_and_more(prompt: str, vocabulary: Vocabulary) -> None:
    said = set(words_of(prompt)) - {"a", "an"}
    for seed in range(4):
        full = expand(prompt, seed, vocabulary)
        assert full is not None
        assert said < set(words_of(full))


@pytest.mark.parametrize("prompt", LEFT_ALONE)
def test_what_the_grammar_does_not_understand_stays_as_it_was(prompt: str, vocabulary: Vocabulary) -> None:
    assert [expand(prompt, seed, vocabulary) for seed in range(3)] == [None] * 3


def test_the_words_are_those_of_the_grammars_own_full_captions() -> None:
    for noun in ("mushroom", "cat", "chair", "orange"):
        wish = read(f"a {noun}")
        assert wish is not None
        for variant in variants(wish):
            main = Paint(np.zeros(3), variant.color, variant.material)
            assert worded(wish, variant) == captions(noun, main, variant.size, variant.details)[-1]


def test_objects_of_such_captions_are_really_drawn() -> None:
    drawn = {shapes.make(np.random.default_rng(k), "penguin").captions[-1] for k in range(150)}
    assert set(every("a penguin")[:4]) <= drawn


def test_seeds_that_follow_each_other_are_variants_until_all_had_their_turn(vocabulary: Vocabulary) -> None:
    texts = [expand("a mushroom", seed, vocabulary) for seed in range(60)]
    turn = texts.index(texts[0], 1)
    assert turn > 10 and len(set(texts[:turn])) == turn
    assert texts[turn:] == texts[: 60 - turn]


def test_the_commonest_comes_first_and_only_natural_colors_come(vocabulary: Vocabulary) -> None:
    wish = read("a cat")
    assert wish is not None
    natural = {c.word for c in wish.generator.natural if hasattr(c, "word")}
    assert {variant.color for variant in variants(wish)} <= natural
    first = expand("a mushroom", 0, vocabulary)
    assert first is not None and "white spots" in first and "purple" not in first


def test_a_color_that_was_said_is_the_only_one_of_the_body(vocabulary: Vocabulary) -> None:
    for seed in range(8):
        full = expand("a purple mushroom", seed, vocabulary)
        assert full is not None and "purple mushroom with" in full
        assert not {"purple spots", "red", "brown"} & {full.partition("with ")[2], *full.split()}


def test_a_red_roof_is_not_dark_red() -> None:
    texts = every("a house with a red roof")
    assert texts and all("with a red roof" in text for text in texts)


def test_the_noun_is_what_the_prompt_is_about(vocabulary: Vocabulary) -> None:
    assert "orange orange" in (expand("an orange", 0, vocabulary) or "")
    assert (read("an orange mushroom") or read("?")).generator.noun == "mushroom"  # pyright: ignore
    assert (read("a christmas tree") or read("?")).generator.noun == "pine tree"  # pyright: ignore


def test_no_word_is_added_that_the_prior_has_not_learned(vocabulary: Vocabulary) -> None:
    spotless = vocabulary.model_copy(update={"words": vocabulary.words | {"spot": 3.0}})
    texts = [expand("a mushroom", seed, spotless) for seed in range(6)]
    assert all(text and "spots" not in text for text in texts)


def test_no_word_of_the_negative_prompt_is_added(vocabulary: Vocabulary) -> None:
    texts = [expand("a mushroom", seed, vocabulary, unwanted="red, white spot") for seed in range(6)]
    assert all(text and not {"red", "white", "spots"} & set(text.split()) for text in texts)


def test_where_details_can_be_told_they_are(vocabulary: Vocabulary) -> None:
    texts = [expand("a mushroom", seed, vocabulary) for seed in range(20)]
    assert all(text and text.endswith(" spots") for text in texts)


def test_without_details_only_what_has_no_colour_gets_one_and_sizes() -> None:
    known = all_known()
    heard = [expand("a cat", seed, known, details=False) for seed in range(6)]
    assert all(text and text.endswith(" cat") for text in heard) and len(set(heard)) > 2
    for said in ("an orange mushroom", "a wooden chair", "a tall scarlet toadstool"):
        assert expand(said, 0, known, details=False) is None
