"""A part in words that the prior has learned."""

from __future__ import annotations

import pytest

from dreamlab.core.errors import InputError
from dreamlab.priors.embedded.vocabulary import Vocabulary
from dreamlab.run.known_part import known_part

SEEN = dict.fromkeys(("mug", "wizard hat", "crown"), (1000.0, 0.0)) | {"top hat": (2000.0, 0.0)}
KNOWN = Vocabulary(nouns=SEEN, words={}, colors=("red",))


def test_a_learned_noun_is_taken_as_it_is() -> None:
    assert known_part("a red crown", KNOWN) == ("a red crown", [])


def test_another_word_for_it_and_the_commonest_of_a_kind_are_said() -> None:
    assert known_part("a red cup", KNOWN) == (
        "a red mug", ["the prior has not learned 'cup', and makes a red mug"]
    )  # fmt: skip
    made, (note,) = known_part("a red hat with a band", KNOWN)
    assert made == "a red top hat with a band" and note.endswith("(others: wizard hat)")


def test_an_unknown_noun_is_refused_with_near_ones() -> None:
    with pytest.raises(InputError, match=r"has not learned what 'a scarf' is.*such as .*hat") as raised:
        known_part("a scarf", KNOWN)
    assert "\n" not in str(raised.value)
