"""Other colours in a palette's place: borders stay, gradients bend the new colours as the old."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from dreamlab.core.errors import InputError
from dreamlab.mesh.texture.color_names import (
    described,
    difference,
    hex_code,
    names_of,
    parse_color,
    plain_name,
)
from dreamlab.mesh.texture.palette import Palette, lab_of
from dreamlab.mesh.texture.palette_colors import MERGE

GREY = 5.0  # chroma below which a colour has no hue that could turn


def recolored(palette: Palette, changes: Mapping[str, str]) -> Palette:
    """The palette with some of its colours replaced, all at once, so that two can change places.

    Keys name a colour of the palette: by its plain name ("red", "red_2"), or as a CSS name or hex code that
    has the same plain name or is as near as two colours that would be one (MERGE). Values are CSS colours.

    Raises InputError, with the colours that there are, for a key that names none of them, or one that another
    key names too; and for a value that is no colour.
    """
    names = names_of(palette)
    colors, gradient, taken = palette.colors.copy(), palette.gradient.copy(), {}
    for old, new in changes.items():
        k = color_named(palette, names, old)
        if k in taken:
            raise InputError(
                f"{old!r} and {taken[k]!r} are the same colour of the object",
                expected="one of " + described(palette.colors, names),
            )
        taken[k] = old
        colors[k] = parse_color(new)
        gradient[:, k] = _turned(gradient[:, k], palette.colors[k], colors[k])
    return palette._replace(colors=colors, gradient=gradient)


def _turned(gradient: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """A gradient [V,3] in L*a*b*: lightness as it was; the rest turned with the hue, so that red towards
    orange becomes blue towards violet by the same angle, and lessened with the chroma."""
    before, after = (complex(*lab_of(color)[1:]) for color in (old, new))
    if abs(before) < GREY:
        return gradient
    turn = after / before / max(abs(after / before), 1.0)
    chroma = (gradient[:, 1] + 1j * gradient[:, 2]) * turn
    return np.stack([gradient[:, 0], chroma.real, chroma.imag], -1)


def color_named(palette: Palette, names: Sequence[str], text: str) -> int:
    """Which colour of a palette with these names a word means: see `recolored`, also for errors."""
    wanted = text.strip().lower()
    if wanted in names:
        return names.index(wanted)
    there = described(palette.colors, names)
    if re.fullmatch(r"[a-z]+_\d+", wanted):
        raise InputError("the object has not so many of this colour", expected=f"one of {there}", got=text)
    try:
        color = parse_color(wanted)
    except InputError as error:
        raise InputError("the colour is not known", expected=f"one of {there}", got=text) from error
    apart = difference(palette.colors, color)
    alike = np.array([re.sub(r"_\d+$", "", name) == plain_name(color) for name in names])
    apart[(apart >= MERGE) & ~alike] = np.inf
    if not np.isfinite(apart).any():
        raise InputError(
            f"the object has no {text}",
            expected=f"one of {there}",
            got=text if text.startswith("#") else f"{text} ({hex_code(color)})",
        )
    return int(apart.argmin())
