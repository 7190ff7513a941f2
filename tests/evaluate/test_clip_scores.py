"""CLIP by a tiny one with random weights, saved as the hub would have it; nothing is fetched."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamlab.core.errors import DamagedError, UnavailableError
from dreamlab.evaluate.clip_scores import ALIASES, find_clip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of two layers with a tokeniser that spells."""
    return save_tiny_clip(tmp_path_factory.mktemp("clip"))


def save_tiny_clip(folder: Path) -> Path:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    letters = [chr(c) for c in range(97, 123)]
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**sizes, "vocab_size": len(words), "max_position_embeddings": 16, "eos_token_id": len(words) - 1}
    vision = {**sizes, "image_size": 16, "patch_size": 8}
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
    model.save_pretrained(folder)
    square = {"height": 16, "width": 16}
    CLIPProcessor(
        CLIPImageProcessor(size={"shortest_edge": 16}, crop_size=square), tokenizer
    ).save_pretrained(folder)
    return folder


def test_embeddings_are_those_of_transformers_and_have_length_one(tiny: Path) -> None:
    from transformers import CLIPModel, CLIPProcessor

    clip = find_clip(str(tiny))
    pictures = np.random.default_rng(0).integers(0, 256, (11, 20, 20, 3)).astype(np.uint8)
    texts = ["a cat", "a rather long prompt that is cut off somewhere", "a dog"]
    images, words = clip.images(pictures), clip.texts(texts)
    assert images.shape == (11, 12) and torch.allclose(images.norm(dim=1), torch.ones(11), atol=1e-5)
    model, processor = CLIPModel.from_pretrained(tiny).eval(), CLIPProcessor.from_pretrained(tiny)
    inputs = processor(text=texts, images=list(pictures), return_tensors="pt", padding=True, truncation=True)
    with torch.no_grad():
        expected = model(**inputs).logits_per_image / model.logit_scale.exp()
    assert torch.allclose(images @ words.T, expected, atol=1e-5)


def test_what_is_not_on_this_machine_is_said_with_the_way_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for name in (*ALIASES, "nobody/no-clip", "no name at all!"):
        with pytest.raises(UnavailableError, match=r"is not on this machine.*hf download"):
            find_clip(name)
    with pytest.raises(UnavailableError, match=r"wants config.json and model.safetensors"):
        find_clip(str(tmp_path))


def test_a_folder_that_holds_something_else_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(DamagedError, match="cannot be read as a CLIP"):
        find_clip(str(tmp_path)).texts(["a cat"])


def test_another_model_has_another_identity(tiny: Path, tmp_path: Path) -> None:
    config = json.loads((tiny / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"projection_dim": 10}))
    (tmp_path / "model.safetensors").write_bytes((tiny / "model.safetensors").read_bytes())
    assert find_clip(str(tmp_path)).identity != find_clip(str(tiny)).identity
    assert find_clip(str(tiny)).identity == find_clip(str(tiny)).identity
