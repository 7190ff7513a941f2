"""beartype as jaxtyping's import hook wants it: numbers as Python means them, and `Self` passed over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep3119Exception

_check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int where a float is asked for is right


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its annotations checked at every call.

    Passed over: `Self`, which beartype cannot know outside its class, and protocols that isinstance cannot
    check.
    """
    hints = getattr(function, "__annotations__", {})
    if any("Self" in str(hint) for hint in hints.values()):
        return function
    try:
        return _check(function)
    except BeartypeDecorHintPep3119Exception:
        return function
