"""Single files that lack parts, parts from elsewhere, and VAEs of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from priors import tiny
from safetensors.torch import load_file, save_file

from dreamlab.core.errors import ConfigError, InputError
from dreamlab.priors import (
    DeepFloydPriorConfig,
    MVDreamPriorConfig,
    SD3PriorConfig,
    SDXLPriorConfig,
    StableDiffusionPriorConfig,
    Zero123PriorConfig,
)
from dreamlab.priors.diffusers.image_space import LatentSpace
from dreamlab.priors.diffusers.parts import require_parts
from dreamlab.priors.diffusers.recognise import kind_of

VAE, TEXT, NETWORK = "first_stage_model.", "cond_stage_model.", "model.diffusion_model."


@pytest.fixture(scope="module")
def whole(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.single_file(good, tmp_path_factory.mktemp("file") / "model.safetensors")


def without(file: Path, prefix: str, where: Path) -> Path:
    """The file less the weights of one part."""
    kept = {name: value for name, value in load_file(file).items() if not name.startswith(prefix)}
    save_file(kept, where / "part.safetensors")
    return where / "part.safetensors"


def prior_of(model: Path, good: Path, **settings: Any) -> Any:
    return StableDiffusionPriorConfig(
        model=str(model), layout=str(good), cache_prompts=False, **settings
    ).build()


def latents(prior: Any) -> torch.Tensor:
    render, cameras = tiny.views(2, side=32)
    return prior.encode(render, cameras).x.detach()


# ---- single files ----


@pytest.mark.parametrize(
    ("prefix", "line"),
    [
        (VAE, r"holds no VAE\. Give one with --set prior\.vae=PLACE"),
        (TEXT, r"holds no text_encoder\. Give .* with --set prior\.text_encoder=PLACE"),
    ],
)
def test_a_part_that_a_file_lacks_is_named_with_the_setting_that_mends_it(
    good: Path, whole: Path, tmp_path: Path, prefix: str, line: str
) -> None:
    with pytest.raises(InputError, match=line) as error:
        prior_of(without(whole, prefix, tmp_path), good)
    assert "\n" not in str(error.value)


def test_the_settings_that_are_named_mend_it(good: Path, whole: Path, tmp_path: Path) -> None:
    wanted = prior_of(whole, good)
    no_vae = prior_of(without(whole, VAE, tmp_path), good, vae=str(good))
    torch.testing.assert_close(latents(no_vae), latents(wanted))
    no_text = prior_of(without(whole, TEXT, tmp_path), good, text_encoder=str(good))
    torch.testing.assert_close(no_text.embed(["a cube"]).tokens, wanted.embed(["a cube"]).tokens)


def test_a_file_without_a_network_is_no_model(good: Path, whole: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a kind that cannot be used; .*got unknown"):
        kind_of(str(without(whole, NETWORK, tmp_path)))
    with pytest.raises(
        InputError, match=r"lacks a part of the model; got Failed to load UNet2DConditionModel"
    ) as error:
        prior_of(without(whole, NETWORK, tmp_path), good)
    assert "\n" not in str(error.value)


def test_the_shorter_ending_is_read_too(good: Path, whole: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.sft"
    file.write_bytes(whole.read_bytes())
    assert kind_of(str(file)) == "stable-diffusion"
    torch.testing.assert_close(latents(prior_of(file, good)), latents(prior_of(whole, good)))


def header_of(file: Path, *names: str, **shapes: tuple[int, ...]) -> Path:
    some = {name: torch.zeros(1) for name in names}
    save_file(some | {name: torch.zeros(shape) for name, shape in shapes.items()}, file)
    return file


def test_xl_without_its_text_encoders_is_xl(tmp_path: Path) -> None:
    """diffusers knows it by them, and takes it for Stable Diffusion 1 without."""
    sizes = {f"{NETWORK}label_emb.0.0.weight": (1, 2816)}
    file = header_of(tmp_path / "xl.safetensors", f"{NETWORK}input_blocks.0.0.bias", f"{VAE}x", **sizes)
    assert kind_of(str(file)) == "sdxl"
    with pytest.raises(InputError, match="holds no text_encoder and no text_encoder_2"):
        SDXLPriorConfig(model=str(file)).build()


def test_sd3_without_t5_is_read_without(tmp_path: Path) -> None:
    clips = ("text_encoders.clip_l.x", "text_encoders.clip_g.x")
    file = header_of(tmp_path / "sd3.safetensors", "first_stage_model.x", *clips)
    config = SD3PriorConfig(model=str(file))
    assert require_parts(config, file) == ("text_encoder_3",)
    assert require_parts(config.model_copy(update={"text_encoder": "x/y"}), file) == ()


# ---- parts from elsewhere ----


def other_vae(folder: Path) -> Any:
    torch.manual_seed(9)
    made = tiny.vae()
    made.save_pretrained(folder)
    return made


@pytest.mark.parametrize("kind", ["stable-diffusion", "mvdream", "zero123"])
def test_a_vae_from_elsewhere_takes_the_models_place(tmp_path: Path, kind: str) -> None:
    made = getattr(tiny, kind.replace("-", "_"))(tmp_path / "model")
    vae = other_vae(tmp_path / "vae")
    config: Any = {
        "stable-diffusion": StableDiffusionPriorConfig,
        "mvdream": MVDreamPriorConfig,
        "zero123": Zero123PriorConfig,
    }[kind]
    shown = {"image": tiny.picture(tmp_path / "p.png")} if kind == "zero123" else {}
    prior = config(model=str(made), vae=str(tmp_path / "vae"), resolution=32, **shown).build()
    render, _ = tiny.views(2, side=32)
    wanted = vae.encode(render.rgb.movedim(-1, 1) * 2 - 1).latent_dist.mode() * 0.18215
    torch.testing.assert_close(latents(prior), wanted.detach())


def test_a_vae_comes_from_a_file_too(good: Path, whole: Path, tmp_path: Path) -> None:
    """Under the names of the original code, with or without their prefix."""
    weights = {name: value for name, value in load_file(whole).items() if name.startswith(VAE)}
    for i, prefix in enumerate((VAE, "")):
        file = tmp_path / f"{i}.safetensors"
        save_file({prefix + name.removeprefix(VAE): value * 0.5 for name, value in weights.items()}, file)
        halved = prior_of(good, good, vae=str(file)).space.vae.state_dict()
        for name, value in prior_of(good, good).space.vae.state_dict().items():
            torch.testing.assert_close(halved[name], value * 0.5)


def test_what_is_no_vae_is_said(good: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no VAE that can be used; .*got UNet2DConditionModel"):
        prior_of(good, good, vae=str(good / "unet"))
    with pytest.raises(ConfigError, match=r"DeepFloyd works on pixels; got prior\.vae"):
        DeepFloydPriorConfig(model=str(tiny.deepfloyd(tmp_path)), vae=str(good)).build()
    tiny.vae(8).save_pretrained(tmp_path / "eight")
    with pytest.raises(ConfigError, match="latents of 4 channels, got 8"):
        prior_of(good, good, vae=str(tmp_path / "eight"))


def test_a_text_encoder_from_a_model_of_another_kind_does_not_fit(good: Path, tmp_path: Path) -> None:
    xl = tiny.sdxl(tmp_path / "xl")
    with pytest.raises(InputError, match="holds no text_encoder_2"):
        SDXLPriorConfig(model=str(xl), text_encoder=str(good)).build().embed(["a cube"])


def test_another_text_encoder_is_kept_apart_in_the_cache(good: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    other = tiny.stable_diffusion(tmp_path / "other", text_encoder=tiny.clip_text())
    torch.manual_seed(4)
    tiny.clip_text().save_pretrained(other / "text_encoder")

    def encoded(**settings: Any) -> torch.Tensor:
        return StableDiffusionPriorConfig(model=str(good), **settings).build().embed(["a cube"]).tokens

    plain, first = encoded(), encoded(text_encoder=str(other))
    torch.manual_seed(5)
    tiny.clip_text().save_pretrained(other / "text_encoder")
    assert not torch.allclose(plain, first)
    assert not torch.allclose(first, encoded(text_encoder=str(other)))


# ---- VAEs ----


def taesd() -> Any:
    from diffusers import AutoencoderTiny

    torch.manual_seed(6)
    return AutoencoderTiny(
        encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1),
    )  # fmt: skip


def test_taesd_encodes_and_decodes_as_diffusers_does(good: Path, tmp_path: Path) -> None:
    """Its latents are scaled already."""
    vae = taesd()
    vae.save_pretrained(tmp_path / "vae")
    prior = prior_of(good, good, vae=str(tmp_path / "vae"))
    assert prior.resolution == 32
    render, _ = tiny.views(2, side=32)
    wanted = vae.encode(render.rgb.movedim(-1, 1) * 2 - 1).latents
    torch.testing.assert_close(latents(prior), wanted.detach())
    torch.testing.assert_close(prior.space.decode(wanted.detach()), vae.decode(wanted).sample.detach())
    tiny.check_step(prior)


def test_taesd_in_a_pipelines_folder_works(tmp_path: Path) -> None:
    folder = tiny.stable_diffusion(tmp_path, vae=taesd())
    tiny.check_step(StableDiffusionPriorConfig(model=str(folder)).build())


def test_zero123_wants_a_vae_whose_latents_are_raw(tmp_path: Path) -> None:
    taesd().save_pretrained(tmp_path / "vae")
    config = Zero123PriorConfig(
        model=str(tiny.zero123(tmp_path / "z")),
        vae=str(tmp_path / "vae"),
        image=tiny.picture(tmp_path / "p.png"),
        resolution=32,
    )
    with pytest.raises(ConfigError, match="Zero123 is shown unscaled latents"):
        config.build()


def test_means_and_deviations_of_channels_are_those_of_the_pipeline() -> None:
    """As SDXL's own pipelines read them: (latent - mean) * scale / deviation."""
    mean, deviation = [0.1, -0.2, 0.3, 0.5], [2.0, 1.0, 4.0, 8.0]
    torch.manual_seed(0)
    vae = tiny.vae(scaling_factor=0.5, latents_mean=mean, latents_std=deviation)
    space = LatentSpace(vae, 32, "cpu", torch.float32)
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    raw = vae.encode(images).latent_dist.mean
    wanted = (raw - torch.tensor(mean).view(1, 4, 1, 1)) * 0.5 / torch.tensor(deviation).view(1, 4, 1, 1)
    torch.testing.assert_close(space.encode(images), wanted)
    torch.testing.assert_close(space.raw(images), raw)
    torch.testing.assert_close(space.decode(wanted), vae.decode(raw).sample)


def test_a_byte_order_mark_is_named(tmp_path: Path) -> None:
    folder = tiny.stable_diffusion(tmp_path)
    for name in ("model_index.json", "unet/config.json"):
        file = folder / name
        content = file.read_bytes()
        file.write_bytes(b"\xef\xbb\xbf" + content)
        with pytest.raises(InputError, match=rf"{name} begins with a byte-order mark"):
            StableDiffusionPriorConfig(model=str(folder)).build()
        file.write_bytes(content)
