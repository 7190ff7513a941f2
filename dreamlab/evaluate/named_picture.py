"""What pictures of one object show, in the words of the nouns and colours that the judge knows."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.evaluate.classifier import Judge
from dreamlab.studio import shapes
from dreamlab.studio.shapes.grammar import with_article


class NamedPicture(NamedTuple):
    """prompt: "a COLOUR NOUN". sure: the noun's probability. likeliest: the three likeliest nouns, first
    first."""

    prompt: str
    sure: float
    color: str
    likeliest: tuple[str, ...]


def name_picture(x: Float[Tensor, "n 5 S S"], judge: Judge) -> NamedPicture:
    """x: n pictures of one object in model space, over which the judge's probabilities are averaged: from all
    around (`looks.judged_views` of a mesh), or one picture framed in several ways, as the judge learned from
    objects that fill the unit sphere, of which a picture tells nothing."""
    found = judge.look(x)
    noun, color = found.noun.mean(0), found.color.mean(0)
    top = torch.topk(noun, min(3, len(noun))).indices.tolist()
    word = shapes.COLORS[int(color.argmax())].word
    likeliest = tuple(judge.nouns[number] for number in top)
    return NamedPicture(with_article(f"{word} {likeliest[0]}"), float(noun[top[0]]), word, likeliest)
