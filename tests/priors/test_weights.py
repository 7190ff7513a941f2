"""Weights in the forms that people have them: variants, mixtures, shards, links, pickles."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from priors import tiny
from safetensors.torch import load_file, save_file

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.priors import (
    MVDreamPriorConfig,
    StableDiffusionPriorConfig,
    Zero123PriorConfig,
)
from dreamlab.priors.diffusers.source import PretrainedConfig, Source
from dreamlab.priors.diffusers.weights import Weights, choose_variant

Z, T = torch.randn(4, 4, 16, 16, generator=torch.Generator().manual_seed(0)), torch.full((4,), 0.5)


def answer(folder: Path | str, config: Any = StableDiffusionPriorConfig, **settings: Any) -> torch.Tensor:
    prior = config(model=str(folder), cache_prompts=False, **settings).build()
    return prior.denoise(Z, T, prior.embed(["a cube"] * 4))


def in_variant(part: Path, variant: str = "fp16", dtype: torch.dtype | None = None) -> None:
    """The one weights' file of a part, under the variant's name."""
    (file,) = part.glob("*.safetensors")
    state = {name: value.to(dtype or value.dtype) for name, value in load_file(file).items()}
    save_file(state, file.with_suffix(f".{variant}.safetensors"), {"format": "pt"})
    file.unlink()


def in_shards(part: Path) -> None:
    (file,) = part.glob("*.safetensors")
    state = load_file(file)
    names = [f"{file.stem}-0000{i}-of-00002.safetensors" for i in (1, 2)]
    for i, name in enumerate(names):
        save_file(dict(list(state.items())[i::2]), file.with_name(name), {"format": "pt"})
    places = {key: names[i % 2] for i, key in enumerate(state)}
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    file.with_name(file.name + ".index.json").write_text(json.dumps(index))
    file.unlink()


# ---- variants ----


@pytest.mark.parametrize("variant", ["fp16", "ema"])
@pytest.mark.parametrize("parts", [("unet",), ("unet", "vae"), ("unet", "vae", "text_encoder")])
def test_a_variant_that_is_alone_is_read_and_said(
    good: Path, copy: Path, variant: str, parts: tuple[str, ...]
) -> None:
    for part in parts:
        in_variant(copy / part, variant)
    with pytest.warns(UserWarning, match=rf"come as {variant} alone \(.*unet.*\): these are read") as said:
        got = answer(copy)
    assert all("\n" not in str(line.message) for line in said)
    torch.testing.assert_close(got, answer(good))


def test_plain_weights_are_read_where_both_are_there_and_nothing_is_said(good: Path, copy: Path) -> None:
    for part in ("unet", "vae", "text_encoder"):
        (file,) = (copy / part).glob("*.safetensors")
        zeros = {name: torch.zeros_like(value) for name, value in load_file(file).items()}
        save_file(zeros, file.with_suffix(".fp16.safetensors"), {"format": "pt"})
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        torch.testing.assert_close(answer(copy), answer(good))


def test_half_precision_weights_are_read_as_floats(good: Path, copy: Path) -> None:
    for part in ("unet", "vae", "text_encoder"):
        in_variant(copy / part, dtype=torch.float16)
    with pytest.warns(UserWarning, match="fp16 alone"):
        got = answer(copy)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, answer(good), rtol=0.05, atol=0.05)


def test_a_variant_that_was_asked_for_and_is_nowhere_is_refused(copy: Path) -> None:
    with pytest.raises(InputError, match=r"has no weights of prior\.variant=fp16; expected none"):
        answer(copy, variant="fp16")
    in_variant(copy / "unet", "ema")
    with pytest.raises(InputError, match=r"prior\.variant=fp16; expected ema or none"):
        answer(copy, variant="fp16")


def test_parts_without_the_variant_that_was_asked_for_are_said(good: Path, copy: Path) -> None:
    in_variant(copy / "unet")
    with pytest.warns(UserWarning, match="has no fp16 weights of .*vae.*: plain ones are read"):
        torch.testing.assert_close(answer(copy, variant="fp16"), answer(good))


def test_parts_in_different_variants_alone_are_refused(copy: Path) -> None:
    in_variant(copy / "unet", "fp16")
    in_variant(copy / "vae", "ema")
    with pytest.raises(InputError, match="in different variants alone; got unet: fp16, vae: ema"):
        answer(copy)


def test_parts_that_are_read_one_by_one_find_their_variant(tmp_path: Path) -> None:
    mvdream, zero123 = tiny.mvdream(tmp_path / "mv"), tiny.zero123(tmp_path / "z")
    shown = {"image": tiny.picture(tmp_path / "picture.png"), "config": Zero123PriorConfig}
    _, cameras = tiny.views()
    wanted = answer(mvdream, MVDreamPriorConfig)
    prior = Zero123PriorConfig(model=str(zero123), image=shown["image"]).build()
    before = prior.projection.weight.clone()
    for part in (
        *(mvdream / p for p in ("unet", "vae", "text_encoder")),
        *(zero123 / p for p in ("unet", "cc_projection")),
    ):
        in_variant(part)
    with pytest.warns(UserWarning, match=r"fp16 alone \(unet\)"):
        torch.testing.assert_close(answer(mvdream, MVDreamPriorConfig), wanted)
    with pytest.warns(UserWarning, match=r"fp16 alone \(cc_projection\)"):
        prior = Zero123PriorConfig(model=str(zero123), image=shown["image"]).build()
    assert torch.equal(prior.projection.weight, before) and cameras is not None


def test_names_of_weights_are_told_apart() -> None:
    held = Weights(
        [
            "unet/diffusion_pytorch_model.safetensors",
            "unet/diffusion_pytorch_model.non_ema.safetensors",
            "vae/diffusion_pytorch_model.fp16.bin",
            "text_encoder/model.fp16-00001-of-00002.safetensors",
            "text_encoder/model-00001-of-00002.fp16.safetensors",
            "text_encoder_2/model-00001-of-00002.safetensors",
            "model.safetensors",
            "adapter_model.safetensors",
            "text_encoder/openvino_model.bin",
        ]
    )
    assert held.variants == {
        "unet": {"", "non_ema"}, "text_encoder": {"fp16"}, "text_encoder_2": {""}, "": {""},
    }  # fmt: skip
    assert list(held.pickled) == ["vae"]


# ---- shards, links, homes ----


@pytest.mark.parametrize("kind", ["stable-diffusion", "mvdream"])
def test_shards_are_read_as_one(tmp_path: Path, kind: str) -> None:
    make, config = {
        "stable-diffusion": (tiny.stable_diffusion, StableDiffusionPriorConfig),
        "mvdream": (tiny.mvdream, MVDreamPriorConfig),
    }[kind]
    made = make(tmp_path)
    wanted = answer(made, config)
    for part in ("unet", "text_encoder"):
        in_shards(made / part)
    torch.testing.assert_close(answer(made, config), wanted)


@pytest.mark.parametrize("damage", ["gone", "index"])
def test_damaged_shards_of_a_part_read_by_itself_are_said(tmp_path: Path, damage: str) -> None:
    made = tiny.mvdream(tmp_path)
    in_shards(made / "unet")
    if damage == "gone":
        (made / "unet" / "diffusion_pytorch_model-00002-of-00002.safetensors").unlink()
    else:
        (made / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text('{"weight_map": []}')
    with pytest.raises(DamagedError, match=r"00002-of-00002|index\.json is damaged"):
        answer(made, MVDreamPriorConfig)


def test_a_cache_of_links_is_read_as_its_files(good: Path, tmp_path: Path) -> None:
    """As the hub's cache keeps them: names that link to blobs, and the folder itself behind a link."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "c"
    blobs.mkdir()
    for i, file in enumerate(sorted(file for file in good.rglob("*") if file.is_file())):
        link = snapshot / file.relative_to(good)
        link.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, blobs / str(i))
        link.symlink_to(blobs / str(i))
    (tmp_path / "linked").symlink_to(snapshot, target_is_directory=True)
    torch.testing.assert_close(answer(tmp_path / "linked"), answer(good))


def test_a_home_is_understood_in_every_path(
    good: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(copy.parent))
    torch.testing.assert_close(answer("~/model"), answer(good))


@pytest.fixture()
def hub(copy: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A hub that lists these files of owner/x, and `copy` as the cache of it."""
    from huggingface_hub import HfApi

    from dreamlab.priors.diffusers import weights

    listed: list[str] = []

    def answer(*_: Any, **__: Any) -> list[str]:
        if not listed:
            raise ConnectionError("no route")
        return listed

    monkeypatch.setattr(weights, "is_offline", lambda config: config.offline)
    monkeypatch.setattr(HfApi, "list_repo_files", answer)
    monkeypatch.setattr(weights, "cached", lambda *_: copy / "model_index.json")
    return listed


PARTS = ["unet", "tokenizer", "scheduler"]


def test_the_hub_is_asked_where_the_cache_lacks_plain_weights(copy: Path, hub: list[str]) -> None:
    config, source = PretrainedConfig(model="owner/x"), Source("owner/x")
    hub.append("unet/diffusion_pytorch_model.fp16.safetensors")
    assert choose_variant(config, source, PARTS) is None  # the cache has them
    in_variant(copy / "unet", "ema")
    with pytest.warns(UserWarning, match="fp16 alone"):
        assert choose_variant(config, source, PARTS) == "fp16"


@pytest.mark.parametrize("offline", [False, True])
def test_the_cache_stands_in_for_a_hub_that_does_not_answer(
    copy: Path, hub: list[str], offline: bool
) -> None:
    in_variant(copy / "unet", "ema")
    if offline:
        hub.append("unet/diffusion_pytorch_model.fp16.safetensors")
    config = PretrainedConfig(model="owner/x", offline=offline)
    with pytest.warns(UserWarning, match="ema alone"):
        assert choose_variant(config, Source("owner/x"), PARTS) == "ema"


# ---- pickles ----


def pickled(part: Path, name: str) -> Path:
    (file,) = part.glob("*.safetensors")
    torch.save(load_file(file), part / name)
    file.unlink()
    return part / name


@pytest.mark.parametrize(
    ("part", "name"), [("unet", "diffusion_pytorch_model.bin"), ("text_encoder", "pytorch_model.bin")]
)
def test_pickled_weights_are_never_read_and_their_conversion_works(
    good: Path, copy: Path, part: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pickled(copy / part, name)
    with monkeypatch.context() as patch, pytest.raises(InputError, match="are pickled") as error:
        patch.setattr(torch, "load", lambda *_, **__: pytest.fail("a pickle was read"))
        answer(copy)
    line = str(error.value)
    assert "\n" not in line
    command = shlex.split(line[line.index("python -c") :].removesuffix("."))
    subprocess.run([sys.executable, *command[1:]], check=True, capture_output=True)
    torch.testing.assert_close(answer(copy), answer(good))
