"""How well does a prior know the nouns of a folder of captioned models?

Few nouns have a model to spare from training, so the judge learns from one half of a noun's models and real
renders of the other half are the ceiling, whatever the prior was trained on. The prior is asked for
"a NOUN".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.errors import InputError
from dreamlab.core.types import Cameras
from dreamlab.evaluate.classifier import Judge, LabelledImages, train_judge
from dreamlab.evaluate.measure import beside_ceiling, naming
from dreamlab.evaluate.prompts import HELD_OUT, VIEWS, MeasureConfig, Sampler, render_mesh_views, ring, rings
from dreamlab.studio.assets import Asset, read_folder
from dreamlab.studio.batches import sample_cameras
from dreamlab.studio.shapes.grammar import with_article

LEAST = 4
"""Models that a noun needs to be asked for: two to learn it from and two for the ceiling."""

Halves = Mapping[str, tuple[Sequence[Asset], Sequence[Asset]]]
"""Each noun's models: those that the judge learns from, and the others."""


def halves_of(folder: Path) -> Halves:
    """The nouns of a folder that can be asked for.

    Raises InputError for a folder in which not even two nouns have LEAST models.
    """
    halves = split(read_folder(folder)[0])
    if len(halves) < 2:
        raise InputError(
            f"{folder} has too few nouns that could be told apart",
            expected=f"two or more with {LEAST} models each",
            got=str(len(halves)),
        )
    return halves


def measure_folder(sampler: Sampler, halves: Halves, judge: Judge, config: MeasureConfig) -> dict[str, float]:
    """Shares of sampled views whose noun the judge names as asked (form_noun: from outline and relative depth
    alone), with _ceiling and _ratio, and how many nouns were asked for. judge: that of these halves.
    """
    turns = np.random.default_rng((HELD_OUT, 9, config.seed)).uniform(0, 2 * np.pi, len(halves)).tolist()
    asked = [with_article(noun) for noun in halves for _ in range(VIEWS)]
    sampled = sampler(asked, rings(turns), 40_000)
    got = naming(judge, _labelled(sampled, [VIEWS] * len(halves)))
    others = [kept for _, kept in halves.values()]
    real = [
        render_asset(model, ring(VIEWS, t)) for t, kept in zip(turns, others, strict=True) for model in kept
    ]
    ceiling = naming(judge, _labelled(torch.cat(real), [VIEWS * len(kept) for kept in others]))
    figures = beside_ceiling({name: got[name] for name in ("noun", "form_noun")}, ceiling)
    return {"folder_nouns": len(halves), **{f"folder_{name}": value for name, value in figures.items()}}


def split(models: Sequence[Asset]) -> Halves:
    """The nouns of LEAST or more models, in alphabetical order, their models dealt out in turn."""
    by_noun: dict[str, list[Asset]] = {}
    for model in models:
        by_noun.setdefault(model.noun, []).append(model)
    return {noun: (of[::2], of[1::2]) for noun, of in sorted(by_noun.items()) if len(of) >= LEAST}


def judge_of_folder(halves: Halves, pictures: int = 32, epochs: int = 20) -> Judge:
    """A judge that has seen `pictures` renders, from random sides, of each model of the first halves. It
    does not classify colours.
    """
    images, counts = [], []
    for number, (seen, _) in enumerate(halves.values()):
        counts.append(pictures * len(seen))
        for copy, model in enumerate(seen):
            rng = np.random.default_rng((HELD_OUT, 10, number, copy))
            a, e, d, f = (torch.from_numpy(c).float() for c in sample_cameras(rng, 1, pictures))
            images.append(render_asset(model, orbit_cameras(a, e, d, f, (64, 64))).half())
    return train_judge(_labelled(torch.cat(images), counts), tuple(halves), epochs)


def render_asset(model: Asset, cameras: Cameras) -> Tensor:
    """Photographs of a model in model space."""
    return render_mesh_views(model.vertices, model.faces, model.face_colors, cameras)


def _labelled(x: Tensor, counts: Sequence[int]) -> LabelledImages:
    """Pictures in the order of the nouns, so many of each."""
    noun = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return LabelledImages(x, noun, torch.zeros_like(noun))
