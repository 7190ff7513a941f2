"""A run's own score in words: what the judge takes it for, and how far it can be trusted."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from dreamlab.core.errors import DreamlabError

log = logging.getLogger(__name__)


def score_of_glb(glb: Path, prompt: str) -> dict[str, str]:
    """The card of a mesh that was written just now: the judge alone. What stops it is said in the card: a run
    does not fail because it cannot be scored."""
    try:
        from dreamlab.evaluate.score import score_by_judge
        from dreamlab.evaluate.shipped_judge import read_judge
        from dreamlab.mesh.io.load import load

        kept = read_judge()
        score = score_by_judge(load(glb), prompt, kept.judge)
        return score_card(score.figures, score.words, kept.measured)
    except DreamlabError as error:
        log.warning("the report goes without a score: %s", error)
        return {"score": f"none: {error}", "how to get one": "`dreamlab evaluate` and this run's number"}


def score_card(
    figures: Mapping[str, float], words: Mapping[str, str], measured: Mapping[str, float]
) -> dict[str, str]:
    """Labels and what is said: noun, form, colour, with the judge's doubt and its own errors."""
    card = {}
    for name, label, taken in (
        ("noun", "as a thing", "noun_taken_for"),
        ("color", "in colour", "color_taken_for"),
    ):
        if f"{name}_sure" in figures:
            share, sure, low, high = (figures[f"{name}{key}"] for key in ("", "_sure", "_low", "_high"))
            card[label] = (
                f"{share:.0%} of its views show it; sure to {sure:.2f} ({low:.2f} to {high:.2f}, by the "
                f"side); taken for: {words.get(taken, '')}"
            )
        elif words.get(taken):
            card[label] = f"not asked for in words that the judge knows; taken for: {words[taken]}"
    if "form_noun" in figures:
        card["by form alone"] = f"{figures['form_noun']:.0%} of its views"
    if words.get("collapse"):
        card["collapsed"] = words["collapse"]
    if measured:
        right = [f"{measured[k]:.0%} of {v}" for k, v in _ERRORS.items() if k in measured]
        card["the judge itself"] = (
            f"a small network that, by single views, names {' and '.join(right)} of real objects that it has "
            "never seen"
        )
    return card


_ERRORS = {"noun_view": "nouns", "color_view": "colours"}
