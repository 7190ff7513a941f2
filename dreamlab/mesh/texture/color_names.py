"""Colours by name: CSS and hex codes are read, and any colour has one of a dozen plain names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from PIL import ImageColor

from dreamlab.core.errors import InputError
from dreamlab.mesh.texture.palette import Palette, lab_of

# Light, dark, dull and vivid colours of each name, so that the nearest one has it.
_PLAIN = {
    "black": ("#101010", "#262626"),
    "grey": ("#808080", "#4c4c4c", "#b0b0b0"),
    "white": ("#ffffff", "#e6e6e6"),
    "cream": ("#f0e2c0", "#fff4d8"),
    "brown": ("#7a4a24", "#4a2c18", "#a5703c", "#8b6b4e"),
    "red": ("#d02020", "#ff0000", "#8c1818", "#c0453c"),
    "orange": ("#f08020", "#ffa500", "#d0641c"),
    "yellow": ("#f0d020", "#ffff00", "#d8c060", "#c8a818"),
    "green": ("#30a030", "#00ff00", "#1c5a24", "#6b8e3a", "#90c880"),
    "cyan": ("#30c0c0", "#00ffff", "#188080"),
    "blue": ("#2850c8", "#0000ff", "#182860", "#70a0e0", "#3c6c98"),
    "purple": ("#7c30a8", "#8000ff", "#482060", "#a880c8"),
    "pink": ("#f090b8", "#ff40a0", "#d87090"),
}


def parse_color(text: str) -> Float[np.ndarray, " 3"]:
    """sRGB in 0..1 of a CSS colour: a name, #rgb, #rrggbb or rgb(...). InputError for anything else."""
    try:
        return np.array(ImageColor.getrgb(text.strip())[:3]) / 255
    except ValueError as error:
        raise InputError(
            "the colour is not known", expected="a CSS name such as navy, or #rrggbb", got=repr(text)
        ) from error


def hex_code(color: Float[np.ndarray, " 3"]) -> str:
    """#rrggbb of sRGB in 0..1."""
    return "#" + "".join(f"{round(255 * float(c)):02x}" for c in color.clip(0, 1))


def plain_name(color: Float[np.ndarray, " 3"]) -> str:
    """What most people would call sRGB in 0..1: the plain name that is nearest by CIEDE2000."""
    names = [name for name, codes in _PLAIN.items() for _ in codes]
    known = np.stack([parse_color(code) for codes in _PLAIN.values() for code in codes])
    return names[int(difference(known, color).argmin())]


def names_of(palette: Palette) -> tuple[str, ...]:
    """A plain name for each colour of a palette; of two with the same, the one with less of the surface
    becomes "red_2"."""
    names = [plain_name(color) for color in palette.colors]
    share = np.bincount(palette.labels, minlength=len(names))
    order: dict[str, list[int]] = {}
    for k in np.argsort(-share, kind="stable").tolist():
        order.setdefault(names[k], []).append(k)
    place = {k: i + 1 for ks in order.values() for i, k in enumerate(ks)}
    return tuple(name if place[k] == 1 else f"{name}_{place[k]}" for k, name in enumerate(names))


def difference(colors: Float[np.ndarray, "K 3"], color: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " K"]:
    """CIEDE2000 between each of K colours and one, all sRGB in 0..1."""
    from skimage.color import deltaE_ciede2000

    return deltaE_ciede2000(lab_of(colors), lab_of(np.broadcast_to(color, colors.shape)))


def described(colors: Float[np.ndarray, "K 3"], names: Sequence[str]) -> str:
    """Colours for people to choose from: "red #b02a20, white #eeeeee"."""
    return ", ".join(f"{name} {hex_code(color)}" for color, name in zip(colors, names, strict=True))
