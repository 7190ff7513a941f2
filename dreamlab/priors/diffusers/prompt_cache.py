"""Encoded prompts in memory and on disk, so that large text encoders are loaded seldom and never stay."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from dreamlab.core.errors import InputError
from dreamlab.core.files import atomic_path
from dreamlab.core.types import Condition

log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Where encoded prompts lie."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("dreamlab", appauthor=False)) / "prompts"


class PromptCache:
    """Conditions by prompt, for one model.

    Args:
        identity: everything that decides an encoding except the prompt; None keeps nothing on disk.
        encode: prompts to one Condition with a row for each.
    """

    def __init__(self, identity: str | None, encode: Callable[[list[str]], Condition]) -> None:
        self.identity, self._encode = identity, encode
        self._known: dict[str, Condition] = {}

    def __call__(self, prompts: Sequence[str]) -> Condition:
        """One row for each prompt, on the CPU. What is not known is encoded in one call."""
        for prompt in dict.fromkeys(prompts):
            if prompt not in self._known and (kept := self._read(prompt)) is not None:
                self._known[prompt] = kept
        missing = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._known]
        if missing:
            encoded = self._encode(missing).to("cpu")
            for row, prompt in enumerate(missing):
                self._known[prompt] = encoded[row : row + 1]
                self._write(prompt, self._known[prompt])
        return Condition.cat([self._known[prompt] for prompt in prompts])

    def forget(self) -> None:
        """Let go of what is in memory; what lies on disk stays."""
        self._known.clear()

    def _path(self, prompt: str) -> Path:
        key = sha256(f"{self.identity}\0{prompt}".encode()).hexdigest()
        return cache_folder() / f"{key[:40]}.safetensors"

    def _read(self, prompt: str) -> Condition | None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if self.identity is None or not self._path(prompt).is_file():
            return None
        try:
            kept = load_file(self._path(prompt))
            extras = tuple((k[6:], v) for k, v in sorted(kept.items()) if k.startswith("extra."))
            return Condition(kept["tokens"], kept["mask"], kept.get("pooled"), extras)
        except (SafetensorError, KeyError, OSError) as error:
            log.info("an encoded prompt on disk is damaged and is made anew: %s", error)
            return None

    def _write(self, prompt: str, condition: Condition) -> None:
        from safetensors.torch import save_file

        if self.identity is None:
            return
        tensors = {"tokens": condition.tokens, "mask": condition.mask}
        tensors |= {f"extra.{name}": value for name, value in condition.extras}
        if condition.pooled is not None:
            tensors["pooled"] = condition.pooled
        path = self._path(prompt)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as partial:
                save_file({name: value.contiguous().clone() for name, value in tensors.items()}, partial)
        except (OSError, InputError) as error:
            warnings.warn(f"encoded prompts cannot be kept in {path.parent}: {error}", stacklevel=2)
            self.identity = None


def warn_of_cut(tokeniser: Any, prompts: Sequence[str], limit: int, closing: int = 1) -> None:
    """Say which words of a prompt are beyond the model's limit of tokens and will not be read.

    closing: how many tokens the tokeniser ends a prompt with.
    """
    for prompt in prompts:
        ids = tokeniser(prompt, truncation=False, verbose=False)["input_ids"]
        if len(ids) <= limit:
            continue
        special = set(tokeniser.all_special_ids)
        lost = [i for i in ids[limit - closing :] if i not in special]
        words = tokeniser.decode(lost).strip()
        warnings.warn(
            f"the prompt has {len(ids)} tokens and the model reads {limit}; it will not read: {words!r}",
            stacklevel=2,
        )


def as_mask(tokens: torch.Tensor) -> torch.Tensor:
    """A mask [B,L] that counts every token, for models that attend to their padding too."""
    return torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
