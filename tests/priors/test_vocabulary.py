"""What a prior says of a prompt before it starts: words that it never learned, else nothing."""

from __future__ import annotations

import pytest

from dreamlab.priors.embedded.vocabulary import Vocabulary, limits, stem, words_of

TAUGHT = Vocabulary(
    steps=100,
    images=6400,
    nouns={
        "mushroom": (2000, 0),
        "ice cream cone": (800, 0),
        "cat": (600, 300),
        "table": (300, 300),
        "wizard": (0, 40),
    },
    words={"mushroom": 2000, "ice": 800, "cream": 800, "cone": 800, "cat": 900, "table": 600, "wizard": 40}
    | {stem(word): 900 for word in ("red", "spots", "tall")},
    colors=("red", "dark green"),
    materials=("wooden",),
)


@pytest.mark.parametrize(
    "prompt",
    [
        "a red mushroom",
        "RED mushrooms, with spots!",
        "a dark green cat on a wooden table",
        "ice cream cones",
        "the cat's table",
        "a tall mushroom with a spot",
    ],
)
def test_known_words_are_silent(prompt: str) -> None:
    assert limits(TAUGHT, prompt) == []


@pytest.mark.parametrize(
    ("prompt", "output"),
    [
        ("a red dragon", "none with 'dragon'"),
        ("a wizard", "only 40 with 'wizard'"),
        ("a red mushrom", "none with 'mushrom' (nearest: mushroom)"),
        ("a kitten", "none with 'kitten' (nearest: cat"),
        ("red, and wooden", "names no object"),
        ("cream", "names no object"),
        ("🍄", "names no object"),
        ("кошка", "none with 'кошка'"),
        ("two cats", "none with 'two'"),
    ],
)
def test_what_is_not_known_is_said_once_with_what_is_near_and_what_would_serve(
    prompt: str, output: str
) -> None:
    (line,) = limits(TAUGHT, prompt)
    assert output in line and "--prior" in line and "dreamlab studio" in line


def test_every_unknown_word_is_named_once() -> None:
    (line,) = limits(TAUGHT, "a gothic dragon and a dragon")
    assert line.count("'dragon'") == 1 and "'gothic'" in line and "6400 training images" in line


def test_a_prior_that_should_know_its_words_and_does_not_says_so() -> None:
    assert "do not say which words they know" in limits(None, "a cat")[0]


def test_the_longest_noun_is_read_first_and_all_are_named() -> None:
    assert TAUGHT.read("a red ice cream cone on a table").nouns == ("ice cream cone", "table")


def test_learned_nouns_stand_in_order_of_images_and_rare_ones_are_left_out() -> None:
    assert TAUGHT.learned() == ("mushroom", "cat", "ice cream cone", "table")
    assert "wizard" in TAUGHT.learned(least=40)


def test_trainings_add_up() -> None:
    step = Vocabulary(steps=1, images=64, nouns={"cat": (1.5, 0), "cup": (0, 0.25)}, words={"cat": 1.5})
    after = TAUGHT.plus(step, times=10)
    assert after.steps == 110 and after.images == 7040
    assert after.nouns["cat"] == (615, 300) and after.nouns["cup"] == (0, 2.5)
    assert after.words["cat"] == 915 and after.colors == TAUGHT.colors


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("shoe", "shoes"), ("bench", "benches"), ("cookie", "cookies"), ("axe", "axes"), ("bus", "buses"),
        ("glass", "glasses"), ("tomato", "tomatoes"), ("vase", "vases"), ("berry", "berries"),
        ("pie", "pies"), ("goose", "geese"), ("knife", "knives"), ("cactus", "cactuses"), ("box", "boxes"),
        ("grey", "gray"),
    ],
)  # fmt: skip
def test_singular_and_plural_share_a_stem(one: str, many: str) -> None:
    assert stem(one) == stem(many)


def test_words_lose_case_and_punctuation() -> None:
    assert words_of("A T-shirt, the cat's “Hut” 🍄") == ("a", "t", "shirt", "the", "cat's", "hut")
