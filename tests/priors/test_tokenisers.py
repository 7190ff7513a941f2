"""Tokenisers that lack files, or belong to another text encoder: never a prompt that is not read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from priors import tiny

from dreamlab.core.errors import ConfigError, DamagedError, UnavailableError
from dreamlab.core.types import Condition
from dreamlab.priors import (
    DeepFloydPriorConfig,
    FluxPriorConfig,
    MVDreamPriorConfig,
    PixArtPriorConfig,
    SanaPriorConfig,
    SD3PriorConfig,
    SDXLPriorConfig,
    StableDiffusionPriorConfig,
    VideoPriorConfig,
)

PROMPTS = ["a cube", "a red dog"]
FAMILIES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "stable-diffusion": (tiny.stable_diffusion, StableDiffusionPriorConfig, {}),
    "sdxl": (tiny.sdxl, SDXLPriorConfig, {}),
    "sd3": (tiny.sd3, SD3PriorConfig, {}),
    "flux": (tiny.flux, FluxPriorConfig, {"resolution": 32}),
    "deepfloyd": (tiny.deepfloyd, DeepFloydPriorConfig, {}),
    "pixart": (tiny.pixart, PixArtPriorConfig, {}),
    "sana": (tiny.sana, SanaPriorConfig, {}),
    "video": (tiny.video, VideoPriorConfig, {}),
    "mvdream": (tiny.mvdream, MVDreamPriorConfig, {}),
}


def tokens(folder: Path, kind: str = "stable-diffusion") -> torch.Tensor:
    _, config, settings = FAMILIES[kind]
    return config(model=str(folder), cache_prompts=False, **settings).build().embed(PROMPTS).tokens


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    return tiny.stable_diffusion(tmp_path / "model")


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_file_of_every_tokeniser_is_missed(kind: str, tmp_path: Path) -> None:
    """transformers reads on with the special tokens alone, and every prompt would encode alike."""
    made = FAMILIES[kind][0](tmp_path)
    files = sorted(made.glob("tokenizer*/*"))
    assert {file.name for file in files} == {"tokenizer.json", "tokenizer_config.json"}
    for file in files:
        content = file.read_bytes()
        file.unlink()
        with pytest.raises(DamagedError, match=rf"{file.parent.name}/{file.name}") as error:
            tokens(made, kind)
        assert "lacks its" in str(error.value) and "\n" not in str(error.value)
        file.write_bytes(content)
    assert not torch.equal(*tokens(made, kind))


def as_vocabulary_and_merges(folder: Path) -> Path:
    """The tokeniser as Stable Diffusion's own folders have it."""
    (folder / "vocab.json").write_text(json.dumps(tiny.byte_vocabulary()), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    (folder / "tokenizer.json").unlink()
    return folder


def test_vocabulary_and_merges_read_as_the_tokenizer_json_does(folder: Path) -> None:
    wanted = tokens(folder)
    as_vocabulary_and_merges(folder / "tokenizer")
    torch.testing.assert_close(tokens(folder), wanted)


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_one_of_vocabulary_and_merges_is_not_enough(folder: Path, name: str) -> None:
    (as_vocabulary_and_merges(folder / "tokenizer") / name).unlink()
    with pytest.raises(DamagedError, match=r"vocab\.json and tokenizer/merges\.txt"):
        tokens(folder)


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.json", "tokenizer_config.json"])
def test_a_damaged_file_of_a_tokeniser_is_one_line(folder: Path, name: str) -> None:
    if name == "vocab.json":
        as_vocabulary_and_merges(folder / "tokenizer")
    file = folder / "tokenizer" / name
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(DamagedError) as error:
        tokens(folder)
    assert "\n" not in str(error.value)


def test_sentencepiece_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tiny.pixart(tmp_path)
    (made / "tokenizer" / "tokenizer.json").rename(made / "tokenizer" / "spiece.model")
    monkeypatch.setattr("dreamlab.priors.diffusers.tokenisers.find_spec", lambda _: None)
    with pytest.raises(UnavailableError, match=r"spiece\.model is read by the package sentencepiece"):
        tokens(made, "pixart")


@pytest.mark.parametrize("kind", ["stable-diffusion", "flux", "sd3", "sdxl"])
def test_a_tokeniser_without_a_limit_takes_the_text_encoders(tmp_path: Path, kind: str) -> None:
    made = FAMILIES[kind][0](tmp_path)
    wanted = tokens(made, kind)
    file = made / "tokenizer" / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    del settings["model_max_length"]
    file.write_text(json.dumps(settings))
    torch.testing.assert_close(tokens(made, kind), wanted)


@pytest.mark.parametrize("embeddings", [100, 2000])
def test_a_tokeniser_of_another_text_encoder_is_refused(folder: Path, embeddings: int) -> None:
    encoder = tiny.clip_text()
    encoder.resize_token_embeddings(embeddings)
    encoder.save_pretrained(folder / "text_encoder")
    with pytest.raises(DamagedError, match=rf"is not the tokeniser of its text encoder; .*{embeddings} tok"):
        tokens(folder)


def test_a_tokeniser_that_reads_all_prompts_alike_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the files say."""
    (folder / "tokenizer" / "tokenizer.json").unlink()
    monkeypatch.setattr("dreamlab.priors.diffusers.base.require_vocabularies", lambda *_: None)
    with pytest.raises(DamagedError, match=r"tokenizer of .* reads different prompts alike"):
        tokens(folder)


@pytest.mark.parametrize(
    ("made", "error", "line"),
    [
        (lambda tokens: tokens * 0, DamagedError, "answers alike to 'a cube' and 'a red dog'"),
        (lambda tokens: tokens / 0, ConfigError, r"not finite in float32\. Set prior\.dtype=bfloat16"),
    ],
)
def test_encodings_that_say_nothing_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, made: Any, error: type[Exception], line: str
) -> None:
    from dreamlab.priors.diffusers.stable_diffusion import StableDiffusionPrior

    inner = StableDiffusionPrior._encode_text

    def encode(self: Any, *args: Any) -> Condition:
        out = inner(self, *args)
        return Condition(made(out.tokens), out.mask)

    monkeypatch.setattr(StableDiffusionPrior, "_encode_text", encode)
    with pytest.raises(error, match=line):
        tokens(folder)


def test_prompts_that_differ_in_case_alone_may_encode_alike(folder: Path) -> None:
    prior = StableDiffusionPriorConfig(model=str(folder), cache_prompts=False).build()
    condition = prior.embed(["A cube", "a cube", ""])
    assert torch.equal(condition.tokens[0], condition.tokens[1])
