"""What a picture shows, in the words of the nouns and colours that the judge knows."""

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
    """x: one picture in model space, framed in n ways. The judge learned from objects that fill the unit
    sphere, of which a picture tells nothing; so its probabilities are averaged over the ways."""
    found = judge.look(x)
    noun, color = found.noun.mean(0), found.color.mean(0)
    top = torch.topk(noun, min(3, len(noun))).indices.tolist()
    word = shapes.COLORS[int(color.argmax())].word
    likeliest = tuple(judge.nouns[number] for number in top)
    return NamedPicture(with_article(f"{word} {likeliest[0]}"), float(noun[top[0]]), word, likeliest)
