"""The loop over the nouns forgets none and hides none."""

from __future__ import annotations

import numpy as np
import pytest
from studio.nouns import holds_for_all, made

from dreamlab.studio import shapes


def test_every_noun_that_fails_is_named_with_its_reason_and_no_other() -> None:
    tried = []

    def law(noun: str) -> None:
        tried.append(noun)
        assert noun != "banana", "not closed"
        if noun == "car":
            raise KeyError("wheel")

    with pytest.raises(AssertionError) as caught:
        holds_for_all(shapes.NOUNS, law)
    assert tried == list(shapes.NOUNS)
    output = str(caught.value)
    assert output.startswith(f"2 of {len(shapes.NOUNS)} nouns fail")
    assert "banana: AssertionError: not closed" in output and "car: KeyError: 'wheel'" in output


@pytest.mark.parametrize(("nouns", "why"), [((), "no noun"), (("car", "car"), "twice")])
def test_a_loop_over_nothing_or_over_doubles_is_no_proof(nouns: tuple[str, ...], why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        holds_for_all(nouns, lambda noun: None)


def test_a_shared_shape_is_what_make_draws_and_cannot_be_changed() -> None:
    shared, fresh = made("apple", 3), shapes.make(np.random.default_rng(3), "apple")
    assert shared.vertices.tobytes() == fresh.vertices.tobytes() and shared.captions == fresh.captions
    assert made("apple", 3) is shared
    with pytest.raises(ValueError, match="read-only"):
        shared.vertices[0] = 0
