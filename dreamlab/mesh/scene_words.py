"""A prompt that names several things and how they stand to each other: "a red cat on a blue table"."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Literal, NamedTuple

from dreamlab.core.errors import InputError
from dreamlab.mesh.real_sizes import names_a_noun

Relation = Literal["on", "worn", "under", "over", "beside", "left", "right", "before", "behind", "between"]
WORDS: dict[str, Relation] = {
    "on top of": "on", "sitting on": "on", "standing on": "on", "lying on": "on", "on": "on", "atop": "on",
    "underneath": "under", "under": "under", "beneath": "under", "below": "under",
    "over": "over", "above": "over",
    "beside": "beside", "next to": "beside", "near": "beside", "by": "beside", "alongside": "beside",
    "to the left of": "left", "on the left of": "left", "left of": "left",
    "to the right of": "right", "on the right of": "right", "right of": "right",
    "in front of": "before", "behind": "behind", "between": "between", "on the head of": "worn",
}  # fmt: skip
"""What is said between two things. "With" and "in" are not: what follows them is a part of the thing."""
MOST_THINGS = 8

_ARTICLE = re.compile(r"(?:an?|the|one|another|some)\s+\S", re.IGNORECASE)
_SPLIT = re.compile(
    rf"\s+(?:is\s+)?({'|'.join(sorted(WORDS, key=len, reverse=True))}|and|,)\s+|\s*(,)\s*", re.IGNORECASE
)


class Group(NamedTuple):
    """Things that are named together, each a prompt of its own, and how they stand to the first of the next
    group (of the next two, for "between"); None for the last group."""

    things: tuple[str, ...]
    relation: Relation | None


def read_scene(prompt: str) -> tuple[Group, ...]:
    """The groups of a prompt, in its order; a single one with a single thing, if it names no two that stand
    to each other.

    Words that part two things do so where an article follows them, or where both sides have a noun of a
    known size: "a black and white cow" is one thing. "A and B on C" has both on C; "on A and B" has it on A,
    and B beside that.

    Raises InputError for more than MOST_THINGS, and for "between" with a single thing behind it.
    """
    groups: list[Group] = []
    things: list[str] = []
    start = 0
    text = " ".join(prompt.split()).strip(" .")
    for match in _SPLIT.finditer(text):
        word = (match[1] or match[2]).lower()
        if not _parts(text[start : match.start()], text[match.end() :]):
            continue
        things.append(text[start : match.start()].strip())
        start = match.end()
        if word not in ("and", ","):
            groups.append(Group(tuple(things), WORDS[word]))
            things = []
    groups.append(Group((*things, text[start:].strip()), None))
    _check(groups)
    return tuple(groups)


def things_of(groups: tuple[Group, ...]) -> tuple[str, ...]:
    """All things, in their order."""
    return tuple(thing for group in groups for thing in group.things)


def _parts(left: str, right: str) -> bool:
    """Whether a word between these parts two things."""
    if not left.strip():
        return False
    if _ARTICLE.match(right):
        return bool(_ARTICLE.match(left)) or names_a_noun(left)
    upto = _SPLIT.split(right, maxsplit=1)[0]
    return names_a_noun(left) and names_a_noun(upto)


def _check(groups: list[Group]) -> None:
    if (count := sum(len(group.things) for group in groups)) > MOST_THINGS:
        raise InputError(
            "the prompt names too many things", expected=f"at most {MOST_THINGS}", got=str(count)
        )
    for group, after in pairwise(groups):
        if group.relation == "between" and len(after.things) < 2:
            raise InputError(
                '"between" wants two things behind it', expected="such as a cat between a dog and a tree"
            )
