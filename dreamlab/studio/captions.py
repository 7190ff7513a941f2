"""The captions of a corpus, encoded once before a training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from copy import copy
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dreamlab.core.files import atomic_path
from dreamlab.core.types import Condition
from dreamlab.priors.embedded.text import encode_text
from dreamlab.studio.corpus import Corpus

_AT_ONCE = 1024
Encode = Callable[[list[str]], Condition]


class CaptionTable:
    """Encoded captions of a corpus, packed without padding: each distinct caption is encoded once.

    keep: file that holds them for the next training on the same captions (150,000 words are some 100 MB).
    encode: instead of `encode_text`.
    """

    def __init__(self, corpus: Corpus, keep: Path | None = None, encode: Encode | None = None) -> None:
        distinct = sorted({caption for captions in corpus.captions for caption in captions} | {""})
        rows = {caption: row for row, caption in enumerate(distinct)}
        self.empty = rows[""]
        counts = np.array([len(c) for c in corpus.captions])
        self.first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        self.row = torch.tensor([rows[c] for captions in corpus.captions for c in captions])
        packed = None if keep is None else _kept(keep, distinct)
        if packed is None:
            packed = _encoded(distinct, encode or encode_text)
            if keep is not None:
                _keep(keep, distinct, packed)
        self.tokens, self.length, self.pooled = packed["tokens"], packed["length"], packed["pooled"]
        self.start = torch.cumsum(self.length, 0) - self.length

    def to(self, device: torch.device) -> CaptionTable:
        """The same with what is encoded on another device; rows, which decide shapes, stay on the CPU."""
        moved = copy(self)
        moved.tokens, moved.pooled = self.tokens.to(device), self.pooled.to(device)
        return moved

    def __getitem__(self, rows: Int[Tensor, " n"]) -> Condition:
        length, device = self.length[rows], self.tokens.device
        position = torch.arange(int(length.max()))
        mask = position < length[:, None]
        index = (self.start[rows][:, None] + position).clamp_max(len(self.tokens) - 1)
        index, mask, rows = (part.to(device, non_blocking=True) for part in (index, mask, rows))
        return Condition(self.tokens[index].float() * mask[..., None], mask, self.pooled[rows])


def _encoded(captions: list[str], encode: Encode) -> dict[str, Tensor]:
    """Token states of all captions one after the other, how many each has, and the summaries."""
    tokens, lengths, pooled = [], [], []
    for start in range(0, len(captions), _AT_ONCE):
        part = encode(captions[start : start + _AT_ONCE])
        tokens.append(part.tokens[part.mask].half().cpu())
        lengths.append(part.mask.sum(1).cpu())
        pooled.append(part.summary.cpu())
    return {"tokens": torch.cat(tokens), "length": torch.cat(lengths), "pooled": torch.cat(pooled)}


def _fingerprint(captions: list[str]) -> str:
    return hashlib.sha256(json.dumps(captions).encode()).hexdigest()


def _kept(path: Path, captions: list[str]) -> dict[str, Tensor] | None:
    """What the file holds, if it is whole and of these captions."""
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("captions") == _fingerprint(captions):
                return {name: file.get_tensor(name) for name in ("tokens", "length", "pooled")}
    except (OSError, SafetensorError):
        pass
    return None


def _keep(path: Path, captions: list[str], packed: dict[str, Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        save_file(packed, temporary, metadata={"captions": _fingerprint(captions)})
