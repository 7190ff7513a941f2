"""LoRA and its relatives on tiny pipelines: merged by their definitions, whole, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from priors import tiny

from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.priors import PixArtPriorConfig, StableDiffusionPriorConfig, VideoPriorConfig
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
    monkeypatch.setattr("dreamlab.priors.diffusers.lora.find_spec", lambda _: None)
    with pytest.raises(UnavailableError, match=r"LoRA needs the package peft\. pip install peft"):
        config.build()


# ---- other layouts, and other kinds ----


def adapted(folder: Path, file: Path, state: dict[str, torch.Tensor], scale: float = 1.0) -> Any:
    from safetensors.torch import save_file

    save_file({name: value.contiguous() for name, value in state.items()}, file)
    loras = (LoraConfig(file=file, scale=scale),)
    return StableDiffusionPriorConfig(model=str(folder), lora=loras, cache_prompts=False).build()


def queries() -> list[tuple[str, torch.nn.Linear]]:
    found = [(name, layer) for name, layer in tiny.unet().named_modules() if name.endswith("to_q")]
    return [(name, layer) for name, layer in found if isinstance(layer, torch.nn.Linear)]


def kohya(name: str) -> str:
    return "lora_unet_" + name.replace(".", "_")


def of_kohya(layers: list[tuple[str, torch.nn.Linear]]) -> dict[str, torch.Tensor]:
    state = {}
    for name, layer in layers:
        state[f"{kohya(name)}.lora_down.weight"] = torch.randn(2, layer.in_features)
        state[f"{kohya(name)}.lora_up.weight"] = torch.randn(layer.out_features, 2)
        state[f"{kohya(name)}.alpha"] = torch.tensor(1.0)
    return state


@pytest.mark.parametrize("ending", ["safetensors", "sft"])
def test_kohyas_names_and_their_alpha_are_understood(folder: Path, tmp_path: Path, ending: str) -> None:
    state = of_kohya(queries())
    plain = StableDiffusionPriorConfig(model=str(folder)).build().network.state_dict()
    after = adapted(folder, tmp_path / f"style.{ending}", state).network.state_dict()
    for name, _ in queries():
        low = [state[f"{kohya(name)}.lora_{end}.weight"] for end in ("up", "down")]
        wanted = plain[f"{name}.weight"] + 0.5 * low[0] @ low[1]  # alpha 1 over rank 2
        torch.testing.assert_close(after[f"{name}.weight"], wanted, rtol=1e-5, atol=1e-5)


def test_a_dora_in_pefts_layout_is_merged_by_its_definition(folder: Path, tmp_path: Path) -> None:
    """W' = m (W + s BA) / |W + s BA| row by row (Liu et al. 2024, eq. 5)."""
    from safetensors.torch import load_file

    file = lora(tmp_path / "dora.safetensors")
    state = load_file(file)
    for name, layer in queries():
        state[f"unet.{name}.lora_magnitude_vector"] = torch.rand(layer.out_features) + 0.5
    plain = StableDiffusionPriorConfig(model=str(folder)).build().network.state_dict()
    after = adapted(folder, file, state, scale=0.7).network.state_dict()
    for name, _ in queries():
        low = [state[f"unet.{name}.lora_{end}.weight"] for end in "BA"]
        summed = plain[f"{name}.weight"] + 0.7 * low[0] @ low[1]
        wanted = (
            state[f"unet.{name}.lora_magnitude_vector"][:, None] * summed / summed.norm(dim=1, keepdim=True)
        )
        torch.testing.assert_close(after[f"{name}.weight"], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("ends", "kind"),
    [
        (("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"), "a LoHa"),
        (("lokr_w1", "lokr_w2"), "a LoKr"),
        (("oft_blocks",), "an OFT"),
        (("weight", "on_input"), "an IA3"),
        (("diff",), "a set of full differences"),
        (("a1.weight", "b1.weight"), "a GLoRA"),
        (("lora_down.weight", "lora_up.weight", "lora_mid.weight"), "a LoCon"),
        (("lora_down.weight", "lora_up.weight", "dora_scale"), "a DoRA in the layout of LyCORIS"),
    ],
)
@pytest.mark.parametrize("alone", [True, False])
def test_other_kinds_of_adaptations_are_refused_by_name(
    folder: Path, tmp_path: Path, ends: tuple[str, ...], kind: str, alone: bool
) -> None:
    """Also where the rest of the file is a LoRA: diffusers would merge half of it and say nothing."""
    (first, _), *rest = queries()
    state = {f"{kohya(first)}.{end}": torch.ones(2, 2) for end in ends}
    state |= {} if alone else of_kohya(rest)
    with pytest.raises(InputError, match=rf"is {kind}.*, which is not read here; got .*Merge it") as error:
        adapted(folder, tmp_path / "style.safetensors", state)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        (
            "unet.down_blocks.9.attn.to_q",
            r"1 of \d+ layers that the model does not have: unet\.down_blocks\.9",
        ),
        (
            "text_encoder_2.text_model.encoder.layers.0.self_attn.q_proj",
            r"1 of \d+ .* lacks, .*text_encoder_2",
        ),
        ("transformer.blocks.0.to_q", r"1 of \d+ layers of parts that the model lacks, such as transformer"),
        ("text_encoder.text_model.encoder.layers.9.self_attn.q_proj", "does not fit"),
    ],
)
def test_layers_that_would_be_left_out_are_counted_and_named(
    folder: Path, tmp_path: Path, layer: str, line: str
) -> None:
    from safetensors.torch import load_file

    state = load_file(lora(tmp_path / "style.safetensors"))
    state |= {f"{layer}.lora_A.weight": torch.ones(2, 32), f"{layer}.lora_B.weight": torch.ones(32, 2)}
    with pytest.raises(InputError, match=line) as error:
        adapted(folder, tmp_path / "style.safetensors", state)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["pixart", "video"])
def test_families_that_take_no_lora_say_so(tmp_path: Path, kind: str) -> None:
    made = getattr(tiny, kind)(tmp_path / "model")
    config = {"pixart": PixArtPriorConfig, "video": VideoPriorConfig}[kind]
    loras = (LoraConfig(file=lora(tmp_path / "style.safetensors")),)
    with pytest.raises(InputError, match=r"take no LoRA here; got .*Pipeline"):
        config(model=str(made), lora=loras).build()


def test_layers_that_the_library_passed_over_are_counted() -> None:
    """Whatever diffusers made of the file: what is on the model at the end decides."""
    from types import SimpleNamespace

    from dreamlab.priors.diffusers.lora import _left_out

    network = torch.nn.ModuleDict({"to_q": torch.nn.Linear(2, 2), "to_k": torch.nn.Linear(2, 2)})
    network["to_q"].lora_A = torch.nn.ModuleDict({"one": torch.nn.Linear(2, 1)})
    pipe = SimpleNamespace(unet=network, get_list_adapters=lambda: {"unet": ["one"]})
    both = {f"unet.{name}": {"down", "up"} for name in ("to_q", "to_k")}
    assert _left_out(pipe, "one", {"unet.to_q": both["unet.to_q"]}) == ""
    assert _left_out(pipe, "one", both) == "1 of 2 layers that the model does not have"


def test_half_of_a_layer_is_refused(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    state = load_file(lora(tmp_path / "style.safetensors"))
    del state[next(name for name in state if "lora_B" in name)]
    with pytest.raises(InputError, match=r"1 of \d+ layers with one of two factors, such as unet\."):
        adapted(folder, tmp_path / "style.safetensors", state)


def test_a_home_is_understood_in_files_on_top(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    lora(tmp_path / "style.safetensors")
    assert LoraConfig(file=Path("~/style.safetensors")).file == tmp_path / "style.safetensors"
