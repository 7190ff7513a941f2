from __future__ import annotations

import pytest

from dreamlab.core.errors import InputError
from dreamlab.mesh.scene_words import MOST_THINGS, WORDS, read_scene, things_of


@pytest.mark.parametrize("prompt, groups", [
    ("a red cat on a blue table", [(["a red cat"], "on"), (["a blue table"], None)]),
    ("A dog in front of a house.", [(["A dog"], "before"), (["a house"], None)]),
    ("red cat next to blue table", [(["red cat"], "beside"), (["blue table"], None)]),
    ("a cat and a dog on a table", [(["a cat", "a dog"], "on"), (["a table"], None)]),
    ("a cat on a table and a chair", [(["a cat"], "on"), (["a table", "a chair"], None)]),
    ("a cat on a table beside a chair", [(["a cat"], "on"), (["a table"], "beside"), (["a chair"], None)]),
    ("a cat between a dog and a tree", [(["a cat"], "between"), (["a dog", "a tree"], None)]),
    ("a dog, a cat and a mouse under a tree", [(["a dog", "a cat", "a mouse"], "under"), (["a tree"], None)]),
    ("a sheep and a pig", [(["a sheep", "a pig"], None)]),
    ("a mushroom with white spots behind a chair", [(["a mushroom with white spots"], "behind"),
                                                    (["a chair"], None)]),
    ("a cat to the left of a dog", [(["a cat"], "left"), (["a dog"], None)]),
    ("a top hat on the head of a cat", [(["a top hat"], "worn"), (["a cat"], None)]),
    ("a bird on top of a gizmo", [(["a bird"], "on"), (["a gizmo"], None)]),
])  # fmt: skip
def test_a_prompt_is_its_things_and_how_they_stand(prompt, groups) -> None:
    assert [(list(group.things), group.relation) for group in read_scene(prompt)] == groups
    assert list(things_of(read_scene(prompt))) == [thing for things, _ in groups for thing in things]


@pytest.mark.parametrize("prompt", [
    "a red mushroom", "a black and white cow", "a red and blue ball", "a snowman with a top hat",
    "a cake with a candle on top", "a pizza with cheese on it", "a bow and arrow", "a flower in a vase",
])  # fmt: skip
def test_one_thing_with_its_parts_is_one_thing(prompt) -> None:
    ((things, relation),) = read_scene(prompt)
    assert list(things) == [prompt] and relation is None


def test_every_word_for_a_relation_is_understood() -> None:
    for word, relation in WORDS.items():
        first, *_ = read_scene(f"a cat {word} a house and a tree")
        assert first == (("a cat",), relation)


def test_what_is_too_much_or_too_little_is_said() -> None:
    with pytest.raises(InputError, match="too many things"):
        read_scene(" and ".join(["a cat"] * (MOST_THINGS + 1)))
    with pytest.raises(InputError, match="wants two things"):
        read_scene("a cat between a house")
