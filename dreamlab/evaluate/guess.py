"""A prompt for an object that nobody has described: what the shipped judge takes it for."""

from __future__ import annotations

from typing import NamedTuple

from dreamlab.core.types import Mesh
from dreamlab.evaluate.classifier import Judge
from dreamlab.evaluate.looks import judged_views
from dreamlab.studio.shapes import COLORS
from dreamlab.studio.shapes.grammar import with_article


class Guess(NamedTuple):
    """A prompt such as "a red mushroom", and how sure the judge is of its noun, 0..1."""

    prompt: str
    sure: float


def guess(mesh: Mesh, judge: Judge) -> Guess:
    """By the mean of eight views from all around. Raises InputError for a mesh that cannot be looked at."""
    seen = judge.look(judged_views(mesh))
    noun, color = seen.noun.mean(0), seen.color.mean(0)
    word = f"{COLORS[int(color.argmax())].word} {judge.nouns[int(noun.argmax())]}"
    return Guess(with_article(word), float(noun.max()))
