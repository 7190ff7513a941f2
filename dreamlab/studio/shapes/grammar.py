"""Words and what they look like: colours, materials, sizes, captions; and the generator that binds them."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dreamlab.studio.shapes.core import Builder, FloatArray, Rng, Shape, normalise


@dataclass(frozen=True)
class ColorWord:
    """A colour word and the HSV box it names: hue in degrees, saturation, value in 0..1; (low, high)."""

    word: str
    hue: tuple[float, float]
    saturation: tuple[float, float]
    value: tuple[float, float]

    def sample(self, rng: Rng) -> FloatArray:
        """An sRGB colour [3] that people call by this word."""
        h, s, v = (lo + (hi - lo) * rng.random() for lo, hi in (self.hue, self.saturation, self.value))
        return np.array(colorsys.hsv_to_rgb(h / 360 % 1, s, v))


RED = ColorWord("red", (-5, 6), (0.8, 0.95), (0.7, 0.92))
ORANGE = ColorWord("orange", (21, 30), (0.85, 1), (0.92, 1))
YELLOW = ColorWord("yellow", (50, 57), (0.75, 0.95), (0.92, 1))
LIME = ColorWord("lime", (74, 88), (0.65, 0.85), (0.82, 0.95))
GREEN = ColorWord("green", (108, 138), (0.6, 0.85), (0.5, 0.7))
DARK_GREEN = ColorWord("dark green", (118, 150), (0.6, 0.8), (0.2, 0.33))
TURQUOISE = ColorWord("turquoise", (170, 181), (0.6, 0.8), (0.72, 0.86))
LIGHT_BLUE = ColorWord("light blue", (196, 208), (0.35, 0.52), (0.9, 1))
BLUE = ColorWord("blue", (214, 230), (0.75, 0.92), (0.66, 0.9))
DARK_BLUE = ColorWord("dark blue", (221, 236), (0.65, 0.85), (0.24, 0.38))
PURPLE = ColorWord("purple", (268, 288), (0.55, 0.8), (0.5, 0.74))
PINK = ColorWord("pink", (328, 346), (0.35, 0.55), (0.93, 1))
BROWN = ColorWord("brown", (18, 28), (0.55, 0.75), (0.34, 0.5))
BEIGE = ColorWord("beige", (34, 42), (0.22, 0.34), (0.82, 0.92))
BLACK = ColorWord("black", (200, 250), (0, 0.1), (0.06, 0.13))
WHITE = ColorWord("white", (30, 60), (0, 0.03), (0.93, 1))
GREY = ColorWord("grey", (190, 230), (0, 0.05), (0.42, 0.55))
SILVER = ColorWord("silver", (205, 220), (0.02, 0.06), (0.72, 0.8))
GOLDEN = ColorWord("golden", (40, 45), (0.75, 0.88), (0.75, 0.85))
DARK_RED = ColorWord("dark red", (350, 360), (0.78, 0.92), (0.32, 0.44))

COLORS = (
    RED, ORANGE, YELLOW, LIME, GREEN, DARK_GREEN, TURQUOISE, LIGHT_BLUE, BLUE, DARK_BLUE,
    PURPLE, PINK, BROWN, BEIGE, BLACK, WHITE, GREY, SILVER, GOLDEN, DARK_RED,
)  # fmt: skip

# Pairs that people mix up in a small picture: never side by side in one object as main colour and accent.
NEAR = {
    "red": ("dark red",),
    "dark red": ("red", "brown"),
    "orange": ("golden",),
    "yellow": ("golden",),
    "golden": ("yellow", "orange"),
    "lime": ("green",),
    "green": ("lime", "dark green"),
    "dark green": ("green", "black"),
    "turquoise": ("light blue",),
    "light blue": ("turquoise", "blue"),
    "blue": ("dark blue", "light blue"),
    "dark blue": ("blue", "black"),
    "brown": ("dark red",),
    "black": ("dark blue", "dark green"),
    "white": ("silver",),
    "silver": ("white", "grey"),
    "grey": ("silver",),
}


@dataclass(frozen=True)
class Material:
    """A material word ("wooden") and the colour that it looks like without textures."""

    word: str
    color: ColorWord
    look: ColorWord


WOODEN = Material("wooden", BROWN, ColorWord("brown", (20, 30), (0.5, 0.68), (0.42, 0.56)))
STONE = Material("stone", GREY, ColorWord("grey", (30, 50), (0.02, 0.08), (0.46, 0.6)))
METAL = Material("metal", SILVER, ColorWord("silver", (205, 220), (0.03, 0.08), (0.66, 0.77)))
GLASS = Material("glass", LIGHT_BLUE, ColorWord("light blue", (192, 204), (0.28, 0.4), (0.9, 0.98)))
CLAY = Material("clay", BROWN, ColorWord("brown", (14, 20), (0.58, 0.7), (0.52, 0.62)))
MATERIALS = (WOODEN, STONE, METAL, GLASS, CLAY)


@dataclass(frozen=True)
class Paint:
    """A sampled colour [3] with its words: colour ("brown") and material ("wooden" or "")."""

    rgb: FloatArray
    color: str
    material: str = ""

    def shade(self, factor: float) -> FloatArray:
        """Darker (factor < 1), or lighter by that share of what is left to white (factor > 1)."""
        return self.rgb * factor if factor <= 1 else self.rgb + (1 - self.rgb) * (factor - 1)

    def words(self) -> str:
        """What the full caption calls it: "white", "wooden"."""
        return self.material or self.color

    def a(self, thing: str) -> str:
        """The thing in this paint, with its article: "a red hat", "an orange hat"."""
        return with_article(f"{self.words()} {thing}")


def paint(rng: Rng, choices: Sequence[ColorWord | Material], unlike: str = "") -> Paint:
    """One of the choices at random, but none that could be mistaken for the colour word `unlike`.

    If that leaves nothing, any of the choices.
    """
    near = (unlike, *NEAR.get(unlike, ()))
    allowed = [c for c in choices if (c.word if isinstance(c, ColorWord) else c.color.word) not in near]
    open_to = allowed or choices
    choice = open_to[int(rng.integers(len(open_to)))]
    if isinstance(choice, Material):
        return Paint(choice.look.sample(rng), choice.color.word, choice.word)
    return Paint(choice.sample(rng), choice.word)


@dataclass(frozen=True)
class Size:
    """A proportion word and how it stretches the object: (low, high) factors along X, Y, Z."""

    word: str
    x: tuple[float, float] = (0.95, 1.05)
    y: tuple[float, float] = (0.95, 1.05)
    z: tuple[float, float] = (0.95, 1.05)


TALL = Size("tall", y=(1.35, 1.65))
SHORT = Size("short", y=(0.58, 0.7))
FAT = Size("fat", x=(1.35, 1.6), z=(1.35, 1.6))
THIN = Size("thin", x=(0.6, 0.7), z=(0.6, 0.7))
WIDE = Size("wide", x=(1.35, 1.6))
NARROW = Size("narrow", x=(0.6, 0.7))
LONG = Size("long", z=(1.35, 1.65))
LONG_X = Size("long", x=(1.35, 1.65))
UPRIGHT = (TALL, SHORT, FAT, THIN)

_AN = ("hourglass", "honest", "herb")
_A = ("uni", "ufo", "uku", "use", "euro", "one")


def with_article(phrase: str) -> str:
    """ "mushroom" -> "a mushroom", "orange mushroom" -> "an orange mushroom", "unicorn" -> "a unicorn"."""
    low = phrase.lower()
    vowel = low[0] in "aeiou" and not low.startswith(_A)
    return f"an {phrase}" if vowel or low.startswith(_AN) else f"a {phrase}"


def listed(details: Sequence[str]) -> str:
    """ "with x", "with y" -> "with x and y"; other details simply follow."""
    text = ""
    for detail in details:
        joint = (
            " and " + detail.removeprefix("with ")
            if text.startswith("with ") and detail.startswith("with ")
            else ""
        )
        text = text + joint if joint else f"{text} {detail}".strip()
    return text


def captions(noun: str, main: Paint | None, size: str = "", details: Sequence[str] = ()) -> tuple[str, ...]:
    """Captions from bare to full: noun; with colour, material or size; with one detail; with everything."""
    color, material = (main.color, main.material) if main else ("", "")

    def phrase(*words: str, tail: str = "") -> str:
        return with_article(" ".join(w for w in (*words, noun) if w)) + (f" {tail}" if tail else "")

    captions = [phrase(), phrase(color), phrase(material), phrase(size)]
    if details:
        captions += [phrase(material or color, tail=details[0])]
    captions.append(phrase(size, color, material, tail=listed(details)))
    return tuple(dict.fromkeys(captions))


Build = Callable[[Builder, Rng, Paint], None]


@dataclass(frozen=True)
class Generator:
    """Builds one noun in random proportions.

    natural: colours and materials to choose from when none is asked for (repeat one to make it likelier);
    `wild` is the chance that any colour is taken instead. sizes: proportion words the noun can bear.
    holds: another object can stand on its middle; shelters: one can stand under it.
    """

    noun: str
    category: str
    build: Build
    natural: tuple[ColorWord | Material, ...] = COLORS
    sizes: tuple[Size, ...] = ()
    wild: float = 0.25
    holds: bool = False
    shelters: bool = False

    def make(self, rng: Rng, color: ColorWord | None = None) -> Shape:
        """One object whose main body has the given colour, or a natural one; same rng state, same bytes."""
        if color is not None:
            main = Paint(color.sample(rng), color.word)
        else:
            main = paint(rng, COLORS if rng.random() < self.wild else self.natural)
        size = self.sizes[rng.integers(len(self.sizes))] if self.sizes and rng.random() < 0.3 else Size("")
        builder = Builder()
        self.build(builder, rng, main)
        solid, colors = builder.merged()
        stretch = [rng.uniform(*span) for span in (size.x, size.y, size.z)]
        return Shape(
            vertices=normalise(solid.vertices * stretch).astype(np.float32),
            faces=solid.faces.astype(np.int32),
            face_colors=np.clip(colors, 0, 1).astype(np.float32),
            noun=self.noun,
            color=main.color,
            captions=captions(self.noun, main, size.word, builder.details),
            category=self.category,
        )


def generator(
    noun: str,
    category: str,
    natural: tuple[ColorWord | Material, ...] = COLORS,
    sizes: tuple[Size, ...] = (),
    wild: float = 0.25,
    holds: bool = False,
    shelters: bool = False,
) -> Callable[[Build], Generator]:
    """Decorator: turns a function (builder, rng, main paint) into the Generator of its noun."""

    def bind(build: Build) -> Generator:
        return Generator(noun, category, build, natural, sizes, wild, holds, shelters)

    return bind
