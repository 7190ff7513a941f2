"""What must be true of a pipeline's tokenisers before a prompt is trusted to them.

transformers makes a tokeniser of its special tokens alone where the vocabulary's file is missing, and says
nothing: every prompt then encodes alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from dreamlab.core.errors import ConfigError, DamagedError, UnavailableError
from dreamlab.core.types import Condition
from dreamlab.priors.diffusers.source import PretrainedConfig, Source, cached, index_of

_PROBES = ("cube", "ball", "")  # of one length: where no word is known, their tokens are alike
_FEWEST = 0.5  # of the text encoder's embeddings; T5's tables are padded, by a hundredth at most
_FIRST = 6  # tokens that every model reads, however few it is told to
_MEND = "Fetch it from where the model came from"


def require_vocabularies(config: PretrainedConfig, source: Source, parts: Sequence[str]) -> None:
    """Raises DamagedError where the folder of a tokeniser lacks a file, UnavailableError without the package
    that reads what is there. Of a model that is not on this machine nothing is said.
    """
    folder = source.path
    if folder is None:
        index = cached(source.place, source.revision)
        folder = None if index is None else index.parent
    if folder is None or folder.is_file():
        return
    index_file = index_of(config, source)
    for part in parts:
        entry = index_file.get(part)
        if part.startswith("tokenizer") and isinstance(entry, list) and entry and isinstance(entry[-1], str):
            _require(folder, part, entry[-1])


def _require(folder: Path, part: str, kind: str) -> None:
    import transformers

    names = dict(getattr(getattr(transformers, kind, None), "vocab_files_names", {}))
    whole = names.pop("tokenizer_file", "tokenizer.json")
    pieces = list(names.values()) or ["tokenizer.model"]
    missing = [name for name in pieces if not (folder / part / name).is_file()]
    if not (folder / part / whole).is_file():
        if missing:
            either = f"{part}/{whole}, or {' and '.join(f'{part}/{name}' for name in pieces)}"
            raise DamagedError(f"the tokeniser of {folder} lacks its vocabulary", expected=either, mend=_MEND)
        if any(name.endswith(".model") for name in pieces) and find_spec("sentencepiece") is None:
            raise UnavailableError(
                f"the vocabulary {folder / part / pieces[0]} is read by the package sentencepiece, "
                "which is not installed",
                mend="pip install sentencepiece protobuf",
            )
    settings = f"{part}/tokenizer_config.json"
    if not (folder / settings).is_file():
        raise DamagedError(f"the tokeniser of {folder} lacks its settings", expected=settings, mend=_MEND)


def check_tokenisers(pipe: Any, parts: Sequence[str], place: str) -> None:
    """Raises DamagedError where a tokeniser tells prompts not apart, or is not that of its text encoder."""
    for part, tokeniser, encoder in _pairs(pipe, parts):
        what = f"{part} of {place}"
        ids = [tokeniser(probe, verbose=False)["input_ids"] for probe in _PROBES]
        if len({tuple(row) for row in ids}) < len(ids):
            raise DamagedError(
                f"{what} reads different prompts alike: its vocabulary is missing or damaged", mend=_MEND
            )
        _check_vocabulary(tokeniser, encoder, what)
        positions = getattr(encoder.config, "max_position_embeddings", None)
        if positions is not None:  # settings that name no limit mean one of 10^30
            tokeniser.model_max_length = min(tokeniser.model_max_length, positions)
            if part == "tokenizer" and hasattr(pipe, "tokenizer_max_length"):  # some pipelines took it along
                pipe.tokenizer_max_length = tokeniser.model_max_length


def check_encoding(pipe: Any, parts: Sequence[str], prompts: Sequence[str], condition: Condition) -> None:
    """Raises DamagedError where prompts whose tokens differ were encoded alike, ConfigError where numbers
    are not finite.
    """
    if not bool(condition.tokens.isfinite().all()):
        raise ConfigError(
            f"encoded prompts are not finite in {str(condition.tokens.dtype)[6:]}",
            mend="Set prior.dtype=bfloat16 or float32",
        )
    kept: dict[tuple[Any, ...], int] = {}
    for row, prompt in enumerate(prompts):
        ids = [tokeniser(prompt, verbose=False)["input_ids"] for _, tokeniser, _ in _pairs(pipe, parts)]
        kept.setdefault(tuple(tuple(some[:_FIRST]) for some in ids), row)
    rows = list(kept.values())
    for i, one in enumerate(rows):
        for other in rows[:i]:
            if torch.equal(condition.tokens[one], condition.tokens[other]):
                raise DamagedError(
                    f"the text encoder answers alike to {prompts[other]!r} and {prompts[one]!r}: "
                    "its weights are damaged, or an adaptation broke it",
                    mend=_MEND,
                )


def _pairs(pipe: Any, parts: Sequence[str]) -> Iterator[tuple[str, Any, Any]]:
    for part in parts:
        tokeniser = getattr(pipe, part, None) if part.startswith("tokenizer") else None
        encoder = getattr(pipe, part.replace("tokenizer", "text_encoder"), None)
        if tokeniser is not None and encoder is not None:
            yield part, tokeniser, encoder


def _check_vocabulary(tokeniser: Any, encoder: Any, what: str) -> None:
    known = encoder.get_input_embeddings().num_embeddings
    most = max(tokeniser.get_vocab().values(), default=-1) + 1
    if most > known or most < _FEWEST * known:
        raise DamagedError(
            f"{what} is not the tokeniser of its text encoder",
            expected=f"{known} tokens or few less",
            got=str(most),
            mend=_MEND,
        )
