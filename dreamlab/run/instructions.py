"""What an instruction makes of a prompt: "make it golden" of "a red mushroom" is "a golden mushroom".

make it X, turn it into X, paint it X      colours, materials and painted things, or another thing
with X, add X, give it X                   "a red mushroom with X"
remove the X, without X                    the prompt without its "with X"
anything else                              the new prompt itself
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal, NamedTuple

from dreamlab.core.errors import InputError
from dreamlab.mesh.material_words import WORDS
from dreamlab.studio.paraphrase import LOOKS
from dreamlab.studio.shapes import COLORS
from dreamlab.studio.shapes.grammar import with_article

Change = Literal["look", "thing", "part"]
"""What an edit changes: colours and material alone, the thing itself, or what it has."""

PAINTED = frozenset("spots dots stripes checks patches freckles rings bands patterns".split())
"""Details that are colour and no shape."""
_ADJECTIVE = {"gold": "golden", "wood": "wooden"}
_MATERIALS = ("wooden", "stone", "metal", "glass", "clay")  # of the corpus, whose other names LOOKS has
_MAKE = re.compile(r"(?:please )?(?:make|turn|paint|colou?r|dye) (?:it|this|that)\b(?: look)?(?: all)? ?(.*)")
_INTO = re.compile(r"^(?:in ?to|like|as|in|(?:out )?of)\b ?")
_ADD = re.compile(r"(?:please )?(?:add|give it|put on|with)\b ?(.*)")
_REMOVE = re.compile(r"(?:please )?(?:remove|take away|without)\b (?:the |its |an? )?(.+)")
_TAIL = re.compile(r"\s*(?:,|;|\b(?:with|on|in|wearing|holding|beside|under|next to|made of)\b).*$")


class Edit(NamedTuple):
    """The prompt of the object as it shall be, and what that changes."""

    prompt: str
    change: Change


def edited(instruction: str, was: str) -> Edit:
    """What an object of the prompt `was` shall be.

    Raises InputError for an instruction that says nothing, and for a removal of what `was` does not name.
    """
    text = " ".join(instruction.lower().split()).rstrip(".!")
    if found := _MAKE.fullmatch(text):
        return _made(_INTO.sub("", found[1]), was, instruction)
    if found := _ADD.fullmatch(text):
        return _added(found[1], was, instruction)
    if found := _REMOVE.fullmatch(text):
        return _removed(found[1], was)
    if not text:
        raise InputError("the instruction is empty", mend='Say what to change: "make it golden"')
    noun, tail = _parts(text)[1:]
    before = _parts(was.lower())
    same = _bare(noun) == _bare(before[1])
    painted = tail == before[2] or all(_is_painted(one) for one in (tail, before[2]) if one)
    return Edit(instruction.strip(), "thing" if not same else "look" if painted else "part")


def _made(what: str, was: str, instruction: str) -> Edit:
    looks, noun, tail = _parts(what)
    if not looks and not noun:
        raise _says_nothing(instruction)
    if noun:  # another thing
        same = _bare(noun) == _bare(_parts(was.lower())[1])
        return Edit(with_article(f"{looks} {noun}".strip()) + tail, "look" if same else "thing")
    _, thing, rest = _parts(was.lower())
    words = " ".join(_ADJECTIVE.get(word, word) for word in looks.split())
    return Edit(with_article(f"{words} {thing}".strip()) + (tail or rest), "look")


def _added(what: str, was: str, instruction: str) -> Edit:
    if not what:
        raise _says_nothing(instruction)
    joint = " and " if re.search(r"\bwith\b", was) else " with "
    plain = re.match(r"an? |the |some |\S+s\b|\S+ \S+s\b", what)
    return Edit(
        was + joint + (what if plain else with_article(what)), "look" if _is_painted(what) else "part"
    )


def _removed(what: str, was: str) -> Edit:
    detail = re.search(rf"\s*(?:\bwith|\band)\b (?:an? )?(?:\w+ )*?{re.escape(what)}\b", was.lower())
    if detail is None:
        raise InputError(f"there is no {what!r} to remove", expected="a part that the prompt names", got=was)
    left = (was[: detail.start()] + was[detail.end() :]).strip()
    return Edit(left, "look" if _is_painted(what) else "part")


def _says_nothing(instruction: str) -> InputError:
    return InputError(
        "the instruction does not say what to change",
        expected='such as "make it golden", "paint it blue", "a golden mushroom"',
        got=instruction,
    )


def _parts(prompt: str) -> tuple[str, str, str]:
    """The words for colour and material, what is left of the thing without its article, and the rest from
    "with" on, with the blank before it."""
    head = _TAIL.sub("", prompt)
    tail = prompt[len(head) :]
    thing = re.sub(r"^(?:an?|the)\b\s*", "", head.strip())
    looks, others = list[str](), list[str]()
    while thing:
        found = _look().match(thing)
        word, rest = (found[1], thing[found.end() :]) if found else (thing.split()[0], "")
        thing = rest if found else thing[len(word) :].lstrip()
        (looks if found else others).append(word)
    if looks and not others and re.match(r"(?:an?|the)\b", head.strip()):
        others.append(looks.pop())  # "an orange": the last word of a thing with an article is the thing
    return " ".join(looks), " ".join(others), tail


def _bare(thing: str) -> str:
    """The noun of a thing: "small mushroom" -> "mushroom"."""
    return thing.split()[-1] if thing else ""


def _is_painted(text: str) -> bool:
    return any(word in PAINTED for word in re.findall(r"[a-z]+", text))


@cache
def _look() -> re.Pattern[str]:
    """A word for a colour or a material at the beginning; of several the longest."""
    own = [color.word for color in COLORS]
    others = (other for word in (*own, *_MATERIALS) for other in LOOKS.get(word, ()))
    words = {*own, *_MATERIALS, *WORDS, *others}
    words.discard("candy")  # a noun first
    longest = sorted(map(re.escape, words), key=len, reverse=True)
    return re.compile(rf"({'|'.join(longest)})(?:\s+|,\s*|$)")
