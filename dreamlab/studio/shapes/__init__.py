"""Procedural low-poly shapes with captions: the corpus that the embedded prior learns from.

A generator draws one noun in random proportions, part colours and variants; `make` picks one at random.
"""

from __future__ import annotations

from collections.abc import Collection

from dreamlab.studio.shapes import (
    animals,
    arms,
    basics,
    beasts,
    birds,
    boats,
    boxes,
    buildings,
    characters,
    craft,
    food,
    furniture,
    household,
    insects,
    instruments,
    keepsakes,
    meals,
    people,
    plants,
    rides,
    scenes,
    sealife,
    street,
    sweets,
    tools,
    towers,
    toys,
    vehicles,
    vessels,
    weather,
)
from dreamlab.studio.shapes.core import Rng, Shape
from dreamlab.studio.shapes.grammar import COLORS, ColorWord, Generator
from dreamlab.studio.shapes.scenes import RELATIONS

GENERATORS: tuple[Generator, ...] = (
    *plants.GENERATORS,
    *food.GENERATORS,
    *sweets.GENERATORS,
    *furniture.GENERATORS,
    *vessels.GENERATORS,
    *weather.GENERATORS,
    *meals.GENERATORS,
    *household.GENERATORS,
    *keepsakes.GENERATORS,
    *boxes.GENERATORS,
    *basics.GENERATORS,
    *animals.GENERATORS,
    *birds.GENERATORS,
    *characters.GENERATORS,
    *vehicles.GENERATORS,
    *craft.GENERATORS,
    *buildings.GENERATORS,
    *tools.GENERATORS,
    *beasts.GENERATORS,
    *sealife.GENERATORS,
    *insects.GENERATORS,
    *people.GENERATORS,
    *arms.GENERATORS,
    *towers.GENERATORS,
    *instruments.GENERATORS,
    *toys.GENERATORS,
    *street.GENERATORS,
    *rides.GENERATORS,
    *boats.GENERATORS,
)
NOUNS: tuple[str, ...] = tuple(g.noun for g in GENERATORS)

__all__ = [
    "COLORS",
    "GENERATORS",
    "NOUNS",
    "RELATIONS",
    "ColorWord",
    "Generator",
    "Shape",
    "make",
    "relations_among",
    "scene",
]


def make(rng: Rng, noun: str | None = None, color: ColorWord | None = None) -> Shape:
    """One random object; noun from NOUNS, colour from COLOURS, or None to leave the choice to rng.

    Raises KeyError for a noun that no generator draws.
    """
    if noun is None:
        return GENERATORS[rng.integers(len(GENERATORS))].make(rng, color)
    for generator in GENERATORS:
        if generator.noun == noun:
            return generator.make(rng, color)
    raise KeyError(f"no generator draws {noun!r}; NOUNS lists the {len(NOUNS)} that are drawn")


def scene(
    rng: Rng,
    relation: str | None = None,
    nouns: tuple[str | None, str | None] = (None, None),
    colors: tuple[ColorWord, ColorWord] | None = None,
    among: Collection[str] = NOUNS,
) -> Shape:
    """Two objects in a relation (one of RELATIONS): "a blue teapot on a wooden table". See scenes.scene.

    among: the nouns to choose from.
    """
    return scenes.scene(rng, _named(among), relation, nouns, colors)


def relations_among(nouns: Collection[str]) -> tuple[str, ...]:
    """Those of RELATIONS in which some two of these nouns can stand; none for a single noun."""
    return scenes.relations_among(_named(nouns))


def _named(nouns: Collection[str]) -> list[Generator]:
    return [g for g in GENERATORS if g.noun in nouns]
