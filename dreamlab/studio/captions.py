"""The captions of a corpus, encoded once before a training."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from dreamlab.core.types import Condition
from dreamlab.priors.embedded.text import encode_text
from dreamlab.studio.corpus import Corpus


class CaptionTable:
    """Encoded captions of a corpus, packed without padding: each distinct caption is encoded once."""

    def __init__(self, corpus: Corpus) -> None:
        distinct = sorted({caption for captions in corpus.captions for caption in captions} | {""})
        rows = {caption: row for row, caption in enumerate(distinct)}
        self.empty = rows[""]
        counts = np.array([len(c) for c in corpus.captions])
        self.first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        self.row = torch.tensor([rows[c] for captions in corpus.captions for c in captions])
        tokens, lengths = [], []
        pooled: list[Tensor] = []
        for start in range(0, len(distinct), 1024):
            part = encode_text(distinct[start : start + 1024])
            tokens.append(part.tokens[part.mask].half())
            lengths.append(part.mask.sum(1))
            pooled.append(part.summary)
        self.tokens, self.length, self.pooled = torch.cat(tokens), torch.cat(lengths), torch.cat(pooled)
        self.start = torch.cumsum(self.length, 0) - self.length

    def __getitem__(self, rows: Int[Tensor, " n"]) -> Condition:
        length = self.length[rows]
        position = torch.arange(int(length.max()))
        mask = position < length[:, None]
        index = (self.start[rows][:, None] + position).clamp_max(len(self.tokens) - 1)
        return Condition(self.tokens[index].float() * mask[..., None], mask, self.pooled[rows])
