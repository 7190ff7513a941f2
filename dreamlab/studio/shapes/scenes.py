"""Two objects in one picture, whose captions bind each colour to its noun."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dreamlab.studio.shapes.core import FloatArray, Rng, Shape, Solid, normalise
from dreamlab.studio.shapes.grammar import COLORS, MATERIALS, NEAR, ColorWord, Generator, with_article

RELATIONS = ("on", "under", "next to", "in front of")
_OFTEN = (0.4, 0.2, 0.25, 0.15)


def scene(
    rng: Rng,
    generators: Sequence[Generator],
    relation: str | None = None,
    nouns: tuple[str | None, str | None] = (None, None),
    colors: tuple[ColorWord, ColorWord] | None = None,
) -> Shape:
    """Draws one noun in a relation (one of RELATIONS) to another; what is None is left to rng.

    nouns: the subject and what it stands on, under, next to or in front of. Captions: bare nouns; both with
    colours ("a blue teapot on a brown table"); with materials where there are any ("on a wooden table").
    Shape.noun is "teapot on table"; Shape.colour is "", since there are two. Raises ValueError for an unknown
    relation, for a noun that is not drawn, or cannot bear or shelter another, and where `relations_among` has
    nothing.
    """
    if relation is None:
        able = relations_among(generators)
        if not able:
            raise ValueError(f"no two of these can share a scene: {', '.join(g.noun for g in generators)}")
        often = np.array([_OFTEN[RELATIONS.index(each)] for each in able])
        relation = str(rng.choice(able, p=often / often.sum()))
    elif relation not in RELATIONS:
        raise ValueError(f"relation is one of {', '.join(RELATIONS)}; got {relation!r}")
    base = _choose(rng, _bases(generators, relation), nouns[1])
    thing = _choose(rng, [g for g in generators if _fits(g, base)], nouns[0])
    first, second = _colors(rng) if colors is None else colors
    plain = colors is None and rng.random() < 0.4
    under = base.make(rng, None if plain else second)
    over = thing.make(rng, first)
    if plain and over.color in (under.color, *NEAR.get(under.color, ())):
        under = base.make(rng, second)
    moved, still = _place(rng, relation, over, under)
    vertices = normalise(np.concatenate([moved, still])).astype(np.float32)
    return Shape(
        vertices=vertices,
        faces=np.concatenate([over.faces, under.faces + len(moved)]).astype(np.int32),
        face_colors=np.concatenate([over.face_colors, under.face_colors]),
        noun=f"{over.noun} {relation} {under.noun}",
        color="",
        captions=_captions(over, relation, under),
        category="scene",
    )


def relations_among(generators: Sequence[Generator]) -> tuple[str, ...]:
    """Those of RELATIONS in which some two of these can stand."""
    return tuple(relation for relation in RELATIONS if _bases(generators, relation))


def _bases(generators: Sequence[Generator], relation: str) -> list[Generator]:
    bases = [g for g in generators if any(_fits(other, g) for other in generators)]
    if relation == "on":
        return [g for g in bases if g.holds]
    if relation == "under":
        return [g for g in bases if g.shelters]
    return bases


def _fits(thing: Generator, base: Generator) -> bool:
    return thing.noun != base.noun and thing.category != "building"


def _choose(rng: Rng, among: Sequence[Generator], noun: str | None) -> Generator:
    if noun is None:
        return among[int(rng.integers(len(among)))]
    for generator in among:
        if generator.noun == noun:
            return generator
    raise ValueError(f"{noun!r} cannot stand here; choose from {', '.join(g.noun for g in among)}")


def _colors(rng: Rng) -> tuple[ColorWord, ColorWord]:
    """Two colours that nobody mixes up."""
    first = COLORS[rng.integers(len(COLORS))]
    others = [c for c in COLORS if c.word != first.word and c.word not in NEAR.get(first.word, ())]
    return first, others[rng.integers(len(others))]


def _captions(over: Shape, relation: str, under: Shape) -> tuple[str, ...]:
    captions = []
    for a, b in (
        (_bare(over), _bare(under)),
        (_colored(over), _colored(under)),
        (_full(over), _full(under)),
    ):
        captions.append(f"{a} {relation} {b}")
        if relation == "next to":
            captions.append(f"{b} {relation} {a}")
    return tuple(dict.fromkeys(captions))


def _bare(shape: Shape) -> str:
    return with_article(shape.noun)


def _colored(shape: Shape) -> str:
    return with_article(f"{shape.color} {shape.noun}")


def _full(shape: Shape) -> str:
    """ "a wooden table" where the shape has a material, else "a blue table"."""
    made_of = (with_article(f"{m.word} {shape.noun}") for m in MATERIALS)
    return next((phrase for phrase in made_of if phrase in shape.captions), _colored(shape))


def _place(rng: Rng, relation: str, over: Shape, under: Shape) -> tuple[FloatArray, FloatArray]:
    """Vertices of both: the second rests with its lowest point on y = 0, the first is scaled and moved."""
    still = under.vertices - (0, under.vertices[:, 1].min(), 0)
    thing = over.vertices - (0, over.vertices[:, 1].min(), 0)
    half, mine = np.abs(still).max(axis=0), np.abs(thing).max(axis=0)
    if relation == "on":
        scale = np.clip(rng.uniform(0.65, 0.95) * min(half[0], half[2]) / max(mine[0], mine[2]), 0.45, 0.85)
        top = heights_at(Solid(still, under.faces), 0.0, 0.0)
        return thing * scale + (0, (top[-1] if len(top) else half[1]) - 0.01, 0), still
    if relation == "under":
        # Beside the middle, where an umbrella has its stick and a palm its trunk.
        x, z = (side * rng.uniform(0.12, 0.2) for side in rng.choice((-1, 1), 2))
        above = [y for y in heights_at(Solid(still, under.faces), x, z) if y > 0.15]
        room = 0.85 * (above[0] if above else half[1])
        scale = min(room / mine[1], 0.75 * max(half[0], half[2]) / max(mine[0], mine[2]), 0.6)
        return thing * scale + (x, 0, z), still
    scale, gap = rng.uniform(0.6, 1.0), rng.uniform(0.05, 0.15)
    if relation == "next to":
        side = rng.choice((-1, 1))
        return thing * scale + (side * (half[0] + mine[0] * scale + gap), 0, 0), still
    scale *= 0.75
    return thing * scale + (rng.uniform(-0.2, 0.2), 0, half[2] + mine[2] * scale + gap), still


def heights_at(solid: Solid, x: float, z: float) -> FloatArray:
    """Heights where the vertical line through (x, z) meets the surface, rising."""
    a, b, c = np.moveaxis(solid.vertices[solid.faces].astype(float), 1, 0)
    u, v, w = b - a, c - a, np.array((x, 0.0, z)) - a
    area = u[:, 0] * v[:, 2] - u[:, 2] * v[:, 0]
    area = np.where(np.abs(area) < 1e-12, np.nan, area)
    s = (w[:, 0] * v[:, 2] - w[:, 2] * v[:, 0]) / area
    t = (u[:, 0] * w[:, 2] - u[:, 2] * w[:, 0]) / area
    inside = (s >= 0) & (t >= 0) & (s + t <= 1)
    return np.sort((a[:, 1] + s * u[:, 1] + t * v[:, 1])[inside])
