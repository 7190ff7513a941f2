"""Proportions in words: "taller", "much wider", "a little flatter"."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.shape import parse_sides, scaled_along, stretched
from dreamlab.mesh.real_sizes import BEYOND

Side = Literal["width", "height", "depth", "length"]
"""As one who faces the object sees it; its length is the longer of width and depth, or the height of what
stands like a pencil."""

FACTORS: dict[str, tuple[tuple[Side, ...], float]] = {
    "taller": (("height",), 1.4),
    "shorter": (("height",), 0.7),
    "wider": (("width",), 1.4),
    "narrower": (("width",), 0.7),
    "longer": (("length",), 1.4),
    "flatter": (("height",), 0.6),
    "thicker": (("width", "depth"), 1.35),
    "thinner": (("width", "depth"), 0.75),
}
"""What a word does to the usual shape of a thing. By eye: less is hardly seen, and more is "much"."""
PLAIN = {
    "tall": "taller", "short": "shorter", "wide": "wider", "narrow": "narrower", "long": "longer",
    "flat": "flatter", "thick": "thicker", "thin": "thinner",
}  # fmt: skip
DEGREES = {"much": 2.0, "far": 2.0, "very": 2.0, "a little": 0.5, "a bit": 0.5, "slightly": 0.5}
"""How often a word's factor is taken: twice, or half a time."""
UPRIGHT = 2.0  # times as high as wide and deep: its length is its height

_COMPARED = rf"(?:(?P<degree>{'|'.join(DEGREES)})\s+)?(?P<word>{'|'.join(FACTORS)})"
_SAID = rf"(?:(?P<very>very)\s+)?(?P<plain>{'|'.join(PLAIN)})"
_ONE = rf"\b(?:{_COMPARED}|{_SAID})\b"
_NAMELESS = re.sub(r"\?P<\w+>", "?:", _ONE)
_JOINT = r"\s*,\s*|\s+and\s+|\s+"
_PHRASE = re.compile(rf"{_NAMELESS}(?:(?:{_JOINT}){_NAMELESS})*(?=\s+(?!than\b))", re.IGNORECASE)


class Change(NamedTuple):
    """What was said, and that it makes these sides so many times as long."""

    said: str
    sides: tuple[Side, ...]
    factor: float

    def __str__(self) -> str:
        return f"{self.said}: {self.factor:.3g} times along its {' and '.join(self.sides)}"


def parse_shape(text: str) -> tuple[Change, ...]:
    """The changes that "taller" or "much wider, a little flatter" names; none for numbers, such as 1x2x1.

    Raises InputError for what is neither, and for a word that stands there twice.
    """
    if not re.search(r"[a-wyz]", text.lower()):
        parse_sides(text)
        return ()
    found = [re.fullmatch(_ONE, part.strip().lower()) for part in re.split(r",|\band\b", text)]
    changes = tuple(_change(match) for match in found if match is not None)
    words = [match["word"] or PLAIN[match["plain"]] for match in found if match is not None]
    if len(words) < len(found) or len(set(words)) < len(words):
        raise InputError(
            "the proportions cannot be read",
            expected=f"width, height and depth, such as 1x2x1, or words, each once: {', '.join(FACTORS)}",
            got=repr(text),
        )
    return changes


def shaped(mesh: Mesh, text: str) -> Mesh:
    """The mesh with the proportions that a text names, in numbers (see `stretched`) or in words. These
    stretch the sides that they are about, and leave the others as they were. Raises as `parse_shape`."""
    changes = parse_shape(text)
    if not changes:
        return stretched(mesh, parse_sides(text))
    extent = (mesh.vertices.amax(0) - mesh.vertices.amin(0)).tolist()
    return scaled_along(mesh, factors(changes, extent))


def factors(changes: Sequence[Change], extent: Sequence[float]) -> tuple[float, float, float]:
    """How much longer each axis of a box with these sides becomes."""
    width, height, depth = extent
    across = 0 if width >= depth else 2
    axes = {"width": 0, "height": 1, "depth": 2}
    axes["length"] = 1 if height > UPRIGHT * max(width, depth) else across
    out = [1.0, 1.0, 1.0]
    for change in changes:
        for axis in {axes[side] for side in change.sides}:
            out[axis] *= change.factor
    return out[0], out[1], out[2]


def read_shape(prompt: str, knows: Callable[[str], bool]) -> tuple[str, str]:
    """What a prompt says of the shape of its thing, in words that `parse_shape` reads, and the prompt without
    these; "" and the prompt as it is, if it says nothing.

    Words are about the thing where they stand before it, not about its details ("with a longer tail"). Words
    such as "tall" that whoever hears the rest `knows` are left to them; "very tall" then is the prompt of a
    tall one, and taller.
    """
    for phrase in _PHRASE.finditer(prompt):
        if BEYOND.search(prompt[: phrase.start()].lower()):
            break
        kept, said = [], []
        for match in re.finditer(_ONE, phrase[0], re.IGNORECASE):
            plain = (match["plain"] or "").lower()
            if plain and knows(plain):
                kept.append(match["plain"])
                said += [PLAIN[plain]] if match["very"] else []
            else:
                said.append(match[0].lower())
        if said:
            article = ["a"] if phrase[0].lower().startswith("a ") else []
            rest = [prompt[: phrase.start()].rstrip(), *article, *kept, prompt[phrase.end() :].lstrip()]
            return ", ".join(dict.fromkeys(said)), " ".join(part for part in rest if part)
    return "", prompt


def _change(match: re.Match[str]) -> Change:
    if match["plain"]:
        sides, factor = FACTORS[PLAIN[match["plain"]]]
        return Change(match[0], sides, factor ** (2.0 if match["very"] else 1.0))
    sides, factor = FACTORS[match["word"]]
    return Change(match[0], sides, factor ** DEGREES.get(match["degree"], 1.0))
