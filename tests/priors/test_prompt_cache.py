"""Encoded prompts are kept by model and prompt, and the text encoder is loaded only for new ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from priors import tiny

from dreamlab.core.types import Condition
from dreamlab.priors import FluxPriorConfig, SDXLPriorConfig, StableDiffusionPriorConfig
from dreamlab.priors.diffusers.prompt_cache import PromptCache


class Encoder:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, prompts: list[str]) -> Condition:
        self.asked.append(prompts)
        tokens = torch.tensor([[[float(len(p))]] for p in prompts])
        extras = (("b", tokens[:, 0] + 1), ("a", tokens[:, 0] + 2))
        return Condition(tokens, torch.ones(len(prompts), 1, dtype=torch.bool), tokens[:, 0], extras)


def same(a: Condition, b: Condition) -> bool:
    assert a.pooled is not None and b.pooled is not None
    return (
        torch.equal(a.tokens, b.tokens)
        and torch.equal(a.mask, b.mask)
        and torch.equal(a.pooled, b.pooled)
        and all(torch.equal(dict(a.extras)[name], value) for name, value in b.extras)
    )


def test_each_prompt_is_encoded_once_and_rows_come_in_order() -> None:
    encoder = Encoder()
    cache = PromptCache("model", encoder)
    assert cache(["a", "bcd", "a"]).tokens.flatten().tolist() == [1, 3, 1]
    assert cache(["", "bcd"]).tokens.flatten().tolist() == [0, 3]
    assert encoder.asked == [["a", "bcd"], [""]]


def test_another_process_finds_them_on_disk_whole() -> None:
    first, second = Encoder(), Encoder()
    kept = PromptCache("model", first)(["a", ""])
    assert same(PromptCache("model", second)(["a", ""]), kept) and second.asked == []


@pytest.mark.parametrize("identity", ["another model", None])
def test_another_model_does_not_find_them(identity: str | None) -> None:
    encoder = Encoder()
    PromptCache("model", Encoder())(["a"])
    PromptCache(identity, encoder)(["a"])
    assert encoder.asked == [["a"]]


def test_nothing_is_written_without_an_identity(offline: Path) -> None:
    PromptCache(None, Encoder())(["a"])
    assert list(offline.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"garbage" * 20])
def test_a_damaged_file_is_made_anew(offline: Path, content: bytes) -> None:
    PromptCache("model", Encoder())(["a"])
    (file,) = offline.iterdir()
    file.write_bytes(content)
    encoder = Encoder()
    assert PromptCache("model", encoder)(["a"]).tokens.item() == 1 and encoder.asked == [["a"]]
    assert PromptCache("model", Encoder())(["a"]).tokens.item() == 1


def test_a_folder_that_cannot_be_written_is_said_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    (tmp_path / "file").write_text("in the way")
    place = "dreamlab.priors.diffusers.prompt_cache.cache_folder"
    monkeypatch.setattr(place, lambda: tmp_path / "file" / "prompts")
    cache = PromptCache("model", Encoder())
    assert cache(["a", "bc"]).tokens.flatten().tolist() == [1, 2]
    assert [str(w.message)[:32] for w in recwarn.list] == ["encoded prompts cannot be kept i"]


def test_the_text_encoder_is_neither_kept_nor_loaded_for_known_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.sdxl(tmp_path / "sdxl")
    prior = SDXLPriorConfig(model=str(folder)).build()
    assert not any("ncoder" in type(m).__name__ for m in vars(prior).values())
    kept = prior.embed(["a cube", ""])
    monkeypatch.setattr("dreamlab.priors.diffusers.base.load", lambda *_, **__: pytest.fail("loaded"))
    again = object.__new__(type(prior))  # a prior whose weights cannot be loaded any more
    vars(again).update(vars(prior))
    again.prompts = PromptCache(prior._identity(), again._encoded)
    found = again.embed(["a cube", ""])
    assert found.pooled is not None and kept.pooled is not None
    assert torch.equal(found.tokens, kept.tokens) and torch.equal(found.pooled, kept.pooled)


def test_what_is_cached_depends_on_files_and_settings(tmp_path: Path) -> None:
    folder = tiny.stable_diffusion(tmp_path / "sd")
    config = StableDiffusionPriorConfig(model=str(folder))
    seen = {config.build()._identity()}
    seen.add(StableDiffusionPriorConfig(model=str(folder), dtype="bfloat16").build()._identity())
    tiny.clip_text().save_pretrained(folder / "text_encoder")  # trained on, say
    seen.add(config.build()._identity())
    assert len(seen) == 3 and config.build()._identity() in seen
    flow = str(tiny.flux(tmp_path / "flux"))
    lengths = [FluxPriorConfig(model=flow, resolution=32, max_tokens=n).build() for n in (8, 16)]
    assert [prior.embed(["ab"]).tokens.shape[1] for prior in lengths] == [8, 16]
    assert StableDiffusionPriorConfig(model=str(folder), cache_prompts=False).build()._identity() is None
