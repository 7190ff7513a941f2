"""How large the thing is that a text names: the table in real_sizes.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from dreamlab.core.errors import InputError

# What follows tells more of the thing, and is not it: "a mug on a table".
BEYOND = re.compile(
    r"\b(with|on|in|and|under|over|beside|behind|near|next|at|by|from|for|wearing|holding|riding|made|that|of)\b"
)


@cache
def real_sizes() -> Mapping[str, float]:
    """Longest sides in metres by noun, in lower case."""
    import yaml

    groups = yaml.safe_load((files("dreamlab.mesh") / "real_sizes.yaml").read_text(encoding="utf-8"))
    return {noun: float(metres) for group in groups for noun, metres in group["metres"].items()}


def real_size(text: str) -> float:
    """The longest side in metres of what a text names: of its last known noun before "with", "on", "of", ...

    "a red toy car on a table" is a car, "a fire truck" is no truck. InputError where no noun is known.
    """
    plain = " ".join(re.findall(r"[^\W_]+", text.lower()))
    found = _last_noun(plain, across=True) or _last_noun(BEYOND.split(plain, maxsplit=1)[0])
    if found is None:
        raise InputError(
            f"how large {text!r} really is, is not known",
            expected=f"one of {len(real_sizes())} things, such as a mug, a chair or a car",
            mend="Say it: --size 30cm",
        )
    return real_sizes()[found]


def names_a_noun(text: str) -> bool:
    """Whether a text names a thing whose size is known."""
    return _last_noun(" ".join(re.findall(r"[^\W_]+", text.lower()))) is not None


def _last_noun(text: str, across: bool = False) -> str | None:
    """The known noun that ends last, the longest of those; `across`: of such that have "of" or "and"."""
    nouns = [noun for noun in real_sizes() if not across or BEYOND.search(noun)]
    ends = ((match.end(), len(noun), noun) for noun in nouns for match in _named(noun).finditer(text))
    return max(ends, default=(0, 0, None))[-1]


@cache
def _named(noun: str) -> re.Pattern[str]:
    """One, or several of them."""
    stem, plural = (noun[:-1], "(y|ies)") if noun.endswith("y") else (noun, "(s|es)?")
    return re.compile(rf"\b{re.escape(stem)}{plural}\b")
