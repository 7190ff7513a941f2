"""What an instruction makes of a prompt: "make it golden" of "a red mushroom" is "a golden mushroom".

make it X, turn it into X, paint it X      colours, materials and painted things, or another thing
with X, add X, give it X, put X on it      "a red mushroom with X": painted, or a thing of its own somewhere
remove the X, without X                    the prompt without its "with X"
anything else                              the new prompt itself
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal, NamedTuple

from dreamlab.core.errors import InputError
from dreamlab.mesh.material_words import WORDS
from dreamlab.mesh.scene_words import Relation
from dreamlab.studio.paraphrase import LOOKS
from dreamlab.studio.shapes import COLORS
from dreamlab.studio.shapes.grammar import with_article

Change = Literal["look", "thing", "part"]
"""What an edit changes: colours and material alone, the thing itself, or what it has."""

PAINTED = frozenset(
    "spot spots dot dots stripe stripes checks patches freckle freckles rings bands pattern patterns".split()
)
"""Details that are colour and no shape."""
WORN = frozenset("hat cap crown helmet beret bonnet tiara".split())
"""What stands on the top of a thing, where nothing else is said."""
_BESIDE: Relation = "beside"  # where all else stands
_ADJECTIVE = {"gold": "golden", "wood": "wooden"}
_MATERIALS = ("wooden", "stone", "metal", "glass", "clay")  # of the corpus, whose other names LOOKS has
_MAKE = re.compile(r"(?:please )?(?:make|turn|paint|colou?r|dye) (?:it|this|that)\b(?: look)?(?: all)? ?(.*)")
_INTO = re.compile(r"^(?:in ?to|like|as|in|(?:out )?of)\b ?")
_ADD = re.compile(r"(?:please )?(?:add|give (?:it|this|that)|put on|put|place|stand|with)\b ?(.*)")
_IT = r"(?:it|this|that|its \w+|the \w+)"
_PLACES: dict[str, Relation] = {
    rf"(?:on|at|to) (?:its|the) left(?: side)?(?: of {_IT})?": "left",
    rf"(?:on|at|to) (?:its|the) right(?: side)?(?: of {_IT})?": "right",
    rf"in front(?: of {_IT})?": "before",
    rf"(?:behind|at the back of)(?: {_IT})?": "behind",
    rf"(?:under|underneath|beneath|below)(?: {_IT})?": "under",
    rf"(?:over|above)(?: {_IT})?": "over",
    rf"(?:beside|next to|near|by)(?: {_IT})?": "beside",
    r"on its head": "worn",
    rf"(?:on top(?: of {_IT})?|on {_IT}|atop(?: {_IT})?)": "on",
}
"""Said behind a thing that is added: where it shall stand."""
_REMOVE = re.compile(r"(?:please )?(?:remove|take away|without)\b (?:the |its |an? )?(.+)")
_TAIL = re.compile(r"\s*(?:,|;|\b(?:with|on|in|wearing|holding|beside|under|next to|made of)\b).*$")


class Part(NamedTuple):
    """A thing of its own that is put to the object: its prompt, and where it stands."""

    prompt: str
    where: Relation


class Edit(NamedTuple):
    """The prompt of the object as it shall be, what that changes, and what is put to it, if anything is."""

    prompt: str
    change: Change
    part: Part | None = None


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
    recolored = _without_looks(tail) == _without_looks(before[2])
    painted = recolored or all(_is_painted(one) for one in (tail, before[2]) if one)
    return Edit(instruction.strip(), "thing" if not same else "look" if painted else "part")


def thing_of(prompt: str) -> str:
    """What a prompt names, without its looks and details: "a red top hat with a band" is "top hat"."""
    return _parts(prompt.lower())[1]


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
    thing, where = _placed(what)
    if thing in ("", "it", "this", "that"):
        raise _says_nothing(instruction)
    joint = " and " if re.search(r"\bwith\b", was) else " with "
    if _is_painted(thing):
        plain = re.match(r"an? |the |some |\S+s\b|\S+ \S+s\b", what)
        return Edit(was + joint + (what if plain else with_article(what)), "look")
    if re.match(r"(?:two|three|four|five|six|several|many|some|\d+) ", thing):
        raise InputError("an edit adds one thing at a time", expected='such as "add a hat"', got=instruction)
    thing = with_article(re.sub(r"^(?:an?|the|one)\b ", "", thing))
    worn = _bare(_parts(thing)[1]) in WORN
    if where is None or (where == "on" and worn):
        where = "worn" if worn else _BESIDE
    return Edit(was + joint + thing, "part", Part(thing, where))


def _placed(what: str) -> tuple[str, Relation | None]:
    """What is added, without where it shall stand; and that, if it is said."""
    for words, where in _PLACES.items():
        if found := re.fullmatch(rf"(.+?),? {words}", what):
            return found[1], where
    return what, None


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


def _without_looks(text: str) -> list[str]:
    """The words that say neither colour nor material, without articles."""
    words, text = list[str](), text.strip()
    while text:
        found = _look().match(text)
        word = found[0] if found else text.split()[0]
        words += [] if found or word in ("a", "an", "the") else [word]
        text = text[len(word) :].lstrip()
    return words


def _is_painted(text: str) -> bool:
    """Whether a detail ("white spots", " with white spots on the cap") is colour alone: a hat with stripes is
    none."""
    detail = re.sub(r"^\s*(?:with|and)\b\s*", "", text)
    return any(word in PAINTED for word in re.findall(r"[a-z]+", _TAIL.sub("", detail) or detail))


@cache
def _look() -> re.Pattern[str]:
    """A word for a colour or a material at the beginning; of several the longest."""
    own = [color.word for color in COLORS]
    others = (other for word in (*own, *_MATERIALS) for other in LOOKS.get(word, ()))
    words = {*own, *_MATERIALS, *WORDS, *others}
    words.discard("candy")  # a noun first
    longest = sorted(map(re.escape, words), key=len, reverse=True)
    return re.compile(rf"({'|'.join(longest)})(?:\s+|,\s*|$)")
