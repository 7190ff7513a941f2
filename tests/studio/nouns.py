"""One loop a law: every noun is tried, and all that break it are named together. Shapes are made once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

import numpy as np

from dreamlab.studio import shapes
from dreamlab.studio.shapes.core import Builder, Shape, Solid
from dreamlab.studio.shapes.grammar import ColorWord, Paint

BY_NOUN = {g.noun: g for g in shapes.GENERATORS}


def holds_for_all(nouns: Iterable[str], law: Callable[[str], None]) -> None:
    """Runs law(noun) for every noun; raises AssertionError that names all that fail, each with its reason."""
    tried = tuple(nouns)
    assert tried, "a law was asked of no noun"
    assert len(set(tried)) == len(tried), "a law was asked twice of one noun"
    failures = []
    for noun in tried:
        try:
            law(noun)
        except Exception as error:
            failures.append(f"{noun}: {type(error).__name__}: {error}")
    if failures:
        raise AssertionError("\n\n".join([f"{len(failures)} of {len(tried)} nouns fail", *failures]))


@cache
def made(noun: str, seed: int, color: ColorWord | None = None) -> Shape:
    """`shapes.make` of that seed, made once and locked against writing: tests share it."""
    shape = shapes.make(np.random.default_rng(seed), noun, color)
    for array in (shape.vertices, shape.faces, shape.face_colors):
        array.flags.writeable = False
    return shape


@cache
def drawn(noun: str, seed: int, color: ColorWord) -> Builder:
    """The parts of a noun before they are joined, painted in that colour; drawn once."""
    builder, rng = Builder(), np.random.default_rng(seed)
    BY_NOUN[noun].build(builder, rng, Paint(color.sample(rng), color.word))
    return builder


def volume(solid: Solid) -> float:
    """Signed volume by the divergence theorem: positive when the winding faces outwards."""
    a, b, c = np.moveaxis(solid.vertices[solid.faces].astype(float), 1, 0)
    return float((np.cross(a, b) * c).sum() / 6)
