"""Does the prior show the same thing when people call it by another name?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from dreamlab.evaluate.classifier import Judge
from dreamlab.evaluate.prompts import HELD_OUT, VIEWS, EvalPrompt, Sampler, rings, sample_prompts
from dreamlab.studio.paraphrase import paraphrase


def reworded(nouns: Sequence[str], count: int, seed: int) -> list[tuple[EvalPrompt, str]]:
    """Up to `count` prompts by lot whose noun or colour has another name, and what they say with it."""
    rng = np.random.default_rng((HELD_OUT, 9, seed))
    found = []
    for q in sample_prompts(nouns, 4 * count, (10, seed)):
        others = [paraphrase(q.prompt, nouns[q.noun], rng) for _ in range(8)]
        others = [other for other in others if other != q.prompt]
        found += [(q, others[0])] if others else []
    return found[:count]


def rewording(
    sampler: Sampler, judge: Judge, nouns: Sequence[str], count: int, seed: int = 0
) -> dict[str, float]:
    """Shares of views whose noun the judge names: asked in the generators' words (`reworded_plain`), and in
    other words for the same (`reworded`); and the quotient. Empty if nothing has another name.
    """
    pairs = reworded(nouns, count, seed)
    if not pairs:
        return {}
    cameras = rings([q.turn for q, _ in pairs])
    labels = torch.tensor([q.noun for q, _ in pairs]).repeat_interleave(VIEWS)
    shares = []
    for texts in ([q.prompt for q, _ in pairs], [other for _, other in pairs]):
        x = sampler([text for text in texts for _ in range(VIEWS)], cameras, 30_000)
        shares.append((judge.look(x, "color").noun.argmax(1) == labels).float().mean().item())
    plain, other = shares
    return {"reworded_plain": plain, "reworded": other, "reworded_ratio": other / max(plain, 1e-9)}
