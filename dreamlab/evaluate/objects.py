"""Distilled objects before the judge: each from all sides, named view by view and by majority."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.types import Cameras
from dreamlab.evaluate.classifier import Judge
from dreamlab.evaluate.measure import beside_ceiling
from dreamlab.evaluate.prompts import HELD_OUT, EvalPrompt, render_mesh_views, render_shape, ring
from dreamlab.mesh.io.parts import FlatMesh
from dreamlab.studio import shapes

AROUND = 8
"""Views of each object, evenly spaced."""


def majority(probabilities: Float[Tensor, "objects views classes"]) -> Tensor:
    """The class that most views of an object name [objects]; among equals the one they are surer of."""
    votes = torch.nn.functional.one_hot(probabilities.argmax(-1), probabilities.shape[-1]).sum(1)
    return (votes + probabilities.mean(1) * 0.999).argmax(-1)


def around() -> Cameras:
    """The cameras that every object is seen from."""
    return ring(AROUND, 0.0)


def seen(mesh: FlatMesh) -> Float[Tensor, "views 5 S S"]:
    """A mesh as the judge sees it."""
    return render_mesh_views(*mesh, around())


def judge_objects(
    judge: Judge,
    pictures: Sequence[Float[Tensor, "views 5 S S"] | None],
    prompts: Sequence[EvalPrompt],
    copies: int = 3,
) -> tuple[dict[str, float], list[dict[str, str]]]:
    """Shares of right answers for objects that were made for prompts, and what each was taken for.

    As `name_objects`; with `_ceiling`: the same of `copies` real objects a prompt; with `_ratio`: the
    quotient.
    """
    got, answers = name_objects(judge, pictures, prompts)
    real = []
    for number, prompt in enumerate(prompts):
        for copy in range(copies):
            rng = np.random.default_rng((HELD_OUT, 6, number, copy))
            real.append(render_shape(prompt.real(judge.nouns, rng), around()))
    ceiling, _ = _named(judge, real, [q for q in prompts for _ in range(copies)])
    return beside_ceiling({name: got.get(name, 0.0) for name in ceiling}, ceiling), answers


def name_objects(
    judge: Judge, pictures: Sequence[Float[Tensor, "views 5 S S"] | None], prompts: Sequence[EvalPrompt]
) -> tuple[dict[str, float], list[dict[str, str]]]:
    """Shares of right answers for objects that were made for prompts, and what each was taken for.

    pictures: of each object, from `around()`, in model space. noun, color, form_noun (outline and relative
    depth alone): by majority; with `_view`: over single views. None is an object that could not be made: all
    its answers are wrong; of nothing but these there are no shares.
    """
    made = [i for i, views in enumerate(pictures) if views is not None]
    shown = [views for views in pictures if views is not None]
    got, named = _named(judge, shown, [prompts[i] for i in made]) if made else ({}, [])
    share = len(made) / len(prompts)
    answers = [{} for _ in prompts]
    for i, answer in zip(made, named, strict=True):
        answers[i] = answer
    return {name: value * share for name, value in got.items()}, answers


def _named(
    judge: Judge, pictures: Sequence[Tensor], prompts: Sequence[EvalPrompt]
) -> tuple[dict[str, float], list[dict[str, str]]]:
    """Scores of objects, and what the majority of their views calls them."""
    x = torch.cat(list(pictures))
    color, form = judge.look(x, "color"), judge.look(x, "form")
    asked = {
        "noun": (color.noun, torch.tensor([q.noun for q in prompts])),
        "color": (color.color, torch.tensor([q.color for q in prompts])),
        "form_noun": (form.noun, torch.tensor([q.noun for q in prompts])),
    }
    scores, names = {}, {}
    for name, (probabilities, truth) in asked.items():
        each = probabilities.view(len(prompts), -1, probabilities.shape[-1])
        names[name] = majority(each)
        scores[name] = (names[name] == truth).float().mean().item()
        scores[f"{name}_view"] = (each.argmax(-1) == truth[:, None]).float().mean().item()
    words = [
        {
            "noun": judge.nouns[int(names["noun"][i])],
            "color": shapes.COLORS[int(names["color"][i])].word,
            "form_noun": judge.nouns[int(names["form_noun"][i])],
        }
        for i in range(len(prompts))
    ]
    return scores, words
