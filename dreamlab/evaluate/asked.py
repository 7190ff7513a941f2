"""What a prompt asks for, as far as the judge can look for it: things with their colours, and how they stand.

"a red mug on a wooden table" asks for a red mug and a table, the mug on the table.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from dreamlab.priors.embedded.vocabulary import stem, words_of
from dreamlab.studio import shapes
from dreamlab.studio.paraphrase import LOOKS, NOUNS

JOINTS: dict[tuple[str, ...], str] = {
    ("on", "top", "of"): "on",
    ("on",): "on",
    ("under",): "under",
    ("below",): "under",
    ("next", "to"): "next to",
    ("beside",): "next to",
    ("in", "front", "of"): "in front of",
    ("and",): "and",
}
"""Words between two things that are both asked for, and the relation that is meant."""
_ENDS = frozenset("with in of at by from that which wearing holding".split())
"""What comes after these belongs to the thing before, and is not looked for."""


class Thing(NamedTuple):
    """noun: in the generators' words, "" for something that none draws. color: one of COLORS' words, ""
    where none was asked for."""

    noun: str
    color: str

    def __str__(self) -> str:
        return f"{self.color} {self.noun}".strip()


class Asked(NamedTuple):
    """things: in their order; none where neither a noun nor a colour is known. relation: of the first to the
    second, "" for a single thing."""

    things: tuple[Thing, ...]
    relation: str


def asked_of(prompt: str) -> Asked:
    """Read a prompt; other names and plurals of the nouns and colours are understood."""
    words = words_of(prompt)
    things: list[Thing] = []
    relation, color, skipping, at = "", "", False, 0
    while at < len(words):
        joint = _longest(JOINTS, words, at)
        if joint is not None:
            things += [] if things else [Thing("", color)]
            relation = JOINTS[joint] if len(things) == 1 else relation
            color, skipping, at = "", False, at + len(joint)
            continue
        if words[at] in _ENDS:
            things += [] if things or words[at] == "of" else [Thing("", color)]  # of: "a photo of"
            skipping, at = bool(things), at + 1
            continue
        if skipping:
            at += 1
            continue
        look, name = _longest(_colors(), words, at), _noun(words, at)
        is_look = look is not None and (name is None or len(look) >= len(name))
        if look is not None and is_look and (name is None or _noun_follows(words, at + len(look))):
            color, at = _colors()[look], at + len(look)
        elif name is not None:
            things.append(Thing(_nouns()[name], color))
            color, skipping, at = "", True, at + len(name)
        else:
            at += 1
    if not things and color:
        things = [Thing("", color)]
    return Asked(tuple(things), relation if len(things) > 1 else "")


def _noun_follows(words: tuple[str, ...], at: int) -> bool:
    """Whether a noun stands before the next joint: in "an orange" orange is the noun."""
    while at < len(words) and words[at] not in _ENDS and _longest(JOINTS, words, at) is None:
        if _noun(words, at) is not None:
            return True
        at += 1
    return False


def _noun(words: tuple[str, ...], at: int) -> tuple[str, ...] | None:
    return _longest(_nouns(), tuple(stem(word) for word in words), at)


def _longest(table: dict[tuple[str, ...], str], words: tuple[str, ...], at: int) -> tuple[str, ...] | None:
    """The longest key that stands at this word."""
    for length in range(min(4, len(words) - at), 0, -1):
        if words[at : at + length] in table:
            return words[at : at + length]
    return None


@cache
def _colors() -> dict[tuple[str, ...], str]:
    own = [color.word for color in shapes.COLORS]
    others = {words_of(other): word for word in own for other in LOOKS.get(word, ())}
    return others | {words_of(word): word for word in own}


@cache
def _nouns() -> dict[tuple[str, ...], str]:
    """What nouns are called, each word by its stem."""
    others = {_stems(other): noun for noun in shapes.NOUNS for other in NOUNS.get(noun, ())}
    return others | {_stems(noun): noun for noun in shapes.NOUNS}


def _stems(text: str) -> tuple[str, ...]:
    return tuple(stem(word) for word in words_of(text))
