"""All that is measured of one finished object, by the prompt that it was made for."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.types import Mesh
from dreamlab.evaluate.asked import Asked, Thing, asked_of
from dreamlab.evaluate.best_region import best_region
from dreamlab.evaluate.classifier import Judge
from dreamlab.evaluate.collapse import collapse
from dreamlab.evaluate.looks import Looks, judged_views, looks_of
from dreamlab.evaluate.mesh_health import mesh_health
from dreamlab.evaluate.naming import named
from dreamlab.evaluate.objects import around
from dreamlab.evaluate.repetition import janus, real_repetition, repetition
from dreamlab.evaluate.scene_binding import can_be_bound, scene_binding
from dreamlab.studio import shapes

COLORS = tuple(color.word for color in shapes.COLORS)
BOXES = frozenset(
    ("book", "bookshelf", "cabinet", "crate", "cube", "dice", "gift box", "refrigerator", "skyscraper")
)
"""Nouns that may fill the box around them."""
REPEATING = 0.7
"""Real objects that repeat themselves more than this leave nothing to be told of a Janus."""


@dataclass(frozen=True)
class Score:
    """figures: by the names of dreamlab.views.figures; what was not asked for, or cannot be measured, is not
    there. words: what the object was taken for, and how it failed. noun, color: each view's probabilities."""

    asked: Asked
    figures: dict[str, float] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    noun: Float[Tensor, "views nouns"] | None = None
    color: Float[Tensor, "views colors"] | None = None


def score_mesh(mesh: Mesh, prompt: str, judge: Judge) -> Score:
    """Look at a mesh from all sides and measure everything that needs no other run. Raises as `looks_of`."""
    looks, asked = looks_of(mesh), asked_of(prompt)
    score = judged(looks.judged, asked, judge)
    thing = asked.things[0] if len(asked.things) == 1 else None
    score.figures.update(_sides(looks, thing, judge))
    if can_be_bound(asked):
        score.figures["binding"] = scene_binding(looks.judged, around(), asked)
    found, health = collapse(mesh, thing is not None and thing.noun in BOXES), mesh_health(mesh)
    score.words["collapse"] = found.verdict
    score.figures.update({name: float(value) for name, value in found._asdict().items() if name != "verdict"})
    score.figures.update({name: float(value) for name, value in health._asdict().items() if value != -1})
    return score


def score_by_judge(mesh: Mesh, prompt: str, judge: Judge) -> Score:
    """What the judge says of a mesh, without anything else: takes a tenth of `score_mesh`."""
    return judged(judged_views(mesh), asked_of(prompt), judge)


def judged(x: Float[Tensor, "views 5 S S"], asked: Asked, judge: Judge) -> Score:
    """Noun, form and colour of one thing. Of scenes the judge says nothing: it has learned single objects."""
    seen, form = judge.look(x, "color"), judge.look(x, "form")
    score = Score(asked, noun=seen.noun, color=seen.color)
    score.words["noun_taken_for"] = judge.nouns[int(seen.noun.mean(0).argmax())]
    score.words["color_taken_for"] = COLORS[int(seen.color.mean(0).argmax())]
    first = seen.noun.argmax(1)
    score.figures["agreement"] = float(torch.bincount(first).max() / len(first))
    if len(asked.things) != 1:
        return score
    thing = asked.things[0]
    if thing.noun in judge.nouns:
        number = judge.nouns.index(thing.noun)
        found = named(seen.noun, number)
        score.words["noun_taken_for"] = judge.nouns[found.taken_for]
        score.figures.update(_interval("noun", found.share, found.sure, found.low, found.high))
        score.figures["noun_rank"] = float((seen.noun.mean(0) > seen.noun.mean(0)[number]).sum() + 1)
        score.figures["form_noun"] = named(form.noun, number).share
    if thing.color:
        found = named(seen.color, COLORS.index(thing.color))
        score.words["color_taken_for"] = COLORS[found.taken_for]
        score.figures.update(_interval("color", found.share, found.sure, found.low, found.high))
    return score


def _interval(name: str, share: float, sure: float, low: float, high: float) -> dict[str, float]:
    return {name: share, f"{name}_sure": sure, f"{name}_low": low, f"{name}_high": high}


def _sides(looks: Looks, thing: Thing | None, judge: Judge) -> dict[str, float]:
    """Repetition and the best region."""
    found = repetition(looks.repeated)
    figures = {"repetition": found}
    if thing is None or thing.noun not in judge.nouns:
        return figures
    if thing.noun in shapes.NOUNS and (real := real_repetition(thing.noun, thing.color)) <= REPEATING:
        figures["janus"] = janus(found, real)
    probabilities = judge.look(looks.regions, "color").noun[:, judge.nouns.index(thing.noun)]
    figures["best_region"] = best_region(probabilities)
    return figures
