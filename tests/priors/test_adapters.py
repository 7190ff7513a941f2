"""LoRA and textual inversion on a tiny Stable Diffusion."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from priors import tiny

from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.priors import StableDiffusionPriorConfig
from dreamlab.priors.diffusers.source import LoraConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.stable_diffusion(tmp_path_factory.mktemp("sd"))


def lora(file: Path, part: str = "unet", width: int = 32) -> Path:
    """A LoRA of rank 2 of every query of a part."""
    from safetensors.torch import save_file

    torch.manual_seed(4)
    module = tiny.unet() if part == "unet" else tiny.clip_text()
    end = "to_q" if part == "unet" else "q_proj"
    state = {}
    for name, layer in module.named_modules():
        if name.endswith(end):
            grow = width - 32
            state[f"{part}.{name}.lora_A.weight"] = torch.randn(2, layer.in_features + grow)
            state[f"{part}.{name}.lora_B.weight"] = torch.randn(layer.out_features + grow, 2)
    assert state
    save_file(state, file)
    return file


def test_a_lora_is_added_to_the_weights_by_its_scale(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    file = lora(tmp_path / "style.safetensors")
    config = StableDiffusionPriorConfig(model=str(folder), lora=(LoraConfig(file=file, scale=0.5),))
    plain, adapted = StableDiffusionPriorConfig(model=str(folder)).build(), config.build()
    tiny.check_step(adapted)
    before, after, low = plain.network.state_dict(), adapted.network.state_dict(), load_file(file)
    assert before.keys() == after.keys()  # nothing of the adapter is left
    for name, weight in before.items():
        key = "unet." + name.removesuffix(".weight")
        added = torch.zeros_like(weight)
        if f"{key}.lora_A.weight" in low:
            added = 0.5 * low[f"{key}.lora_B.weight"] @ low[f"{key}.lora_A.weight"]
        torch.testing.assert_close(after[name], weight + added, rtol=1e-5, atol=1e-5)


def test_two_loras_add_up(folder: Path, tmp_path: Path) -> None:
    first, second = lora(tmp_path / "a.safetensors"), lora(tmp_path / "b.safetensors")
    both = (LoraConfig(file=first, scale=0.25), LoraConfig(file=second, scale=0.25))
    one = (LoraConfig(file=first, scale=0.5),)
    halves, whole = (
        StableDiffusionPriorConfig(model=str(folder), lora=loras).build().network.state_dict()
        for loras in (both, one)
    )
    for name in whole:
        torch.testing.assert_close(halves[name], whole[name], rtol=1e-4, atol=1e-4)


def test_a_lora_of_the_text_encoder_changes_the_text_and_its_cache(folder: Path, tmp_path: Path) -> None:
    file = lora(tmp_path / "style.safetensors", part="text_encoder")
    plain = StableDiffusionPriorConfig(model=str(folder)).build()
    config = StableDiffusionPriorConfig(model=str(folder), lora=(LoraConfig(file=file),))
    adapted = config.build()
    assert not torch.allclose(plain.embed(["a cube"]).tokens, adapted.embed(["a cube"]).tokens)


@pytest.mark.parametrize("width", [48])
def test_a_lora_of_other_sizes_does_not_fit(folder: Path, tmp_path: Path, width: int) -> None:
    file = lora(tmp_path / "style.safetensors", width=width)
    config = StableDiffusionPriorConfig(model=str(folder), lora=(LoraConfig(file=file),))
    with pytest.raises(
        InputError, match=r"the LoRA .*style\.safetensors does not fit .* Use one that was trained"
    ):
        config.build()


@pytest.mark.parametrize("name", ["transformer.blocks.0.attn.to_q", "unet.down_blocks.9.to_q", "something"])
def test_a_lora_for_layers_that_are_not_there_does_not_fit(folder: Path, tmp_path: Path, name: str) -> None:
    from safetensors.torch import save_file

    file = tmp_path / "style.safetensors"
    save_file(
        {f"{name}.lora_A.weight": torch.zeros(2, 32), f"{name}.lora_B.weight": torch.zeros(32, 2)}, file
    )
    config = StableDiffusionPriorConfig(model=str(folder), lora=(LoraConfig(file=file),))
    with pytest.raises(InputError, match="does not fit") as output:
        config.build()
    assert "\n" not in str(output.value)


def test_a_lora_that_is_no_lora_or_not_there_is_said(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    for file, wanted in (
        (tmp_path / "other.safetensors", "does not fit"),
        (tmp_path / "no.pt", "is not a LoRA"),
    ):
        with pytest.raises(InputError, match=wanted):
            StableDiffusionPriorConfig(model=str(folder), lora=(LoraConfig(file=file),)).build()


def test_without_peft_it_is_said(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = StableDiffusionPriorConfig(
        model=str(folder), lora=(LoraConfig(file=lora(tmp_path / "style.safetensors")),)
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UnavailableError, match=r"LoRA needs the package peft\. pip install peft"):
        config.build()


def test_a_learnt_word_is_read(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    file = tmp_path / "<gnome>.safetensors"
    save_file({"<gnome>": torch.randn(2, tiny.WIDTH)}, file)
    plain = StableDiffusionPriorConfig(model=str(folder)).build()
    taught = StableDiffusionPriorConfig(model=str(folder), textual_inversion=(file,)).build()
    torch.testing.assert_close(plain.embed(["a cube"]).tokens, taught.embed(["a cube"]).tokens)
    assert not torch.allclose(plain.embed(["a <gnome>"]).tokens, taught.embed(["a <gnome>"]).tokens)


def test_a_word_of_another_width_does_not_fit(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    file = tmp_path / "gnome.safetensors"
    save_file({"gnome": torch.randn(2, 7)}, file)
    prior = StableDiffusionPriorConfig(model=str(folder), textual_inversion=(file,)).build()
    with pytest.raises(InputError, match=r"the textual inversion .*gnome\.safetensors does not fit"):
        prior.embed(["a gnome"])
