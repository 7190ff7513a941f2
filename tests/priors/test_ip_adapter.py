"""Stable Diffusion that is shown pictures: equality with the pipeline, and AnchorDS on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from priors import tiny

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.guidance import AnchorDSConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors import IPAdapterPriorConfig, StableDiffusionPriorConfig
from dreamlab.priors.diffusers.image_space import clip_pixels
from dreamlab.priors.diffusers.ip_adapter import IPAdapterPrior

FILE = "models/ip-adapter_sd15.safetensors"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.stable_diffusion(tmp_path_factory.mktemp("sd"))


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    return tiny.ip_adapter(tmp_path_factory.mktemp("ip"), base)


def build(base: Path, adapter: Path, **settings: Any) -> IPAdapterPrior:
    return IPAdapterPriorConfig(model=str(base), adapter=str(adapter), **settings).build()


def question(prior: IPAdapterPrior) -> tuple[Any, ...]:
    """Noisy latents, a level, text, and the latents of two pictures."""
    z = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    render, cameras = tiny.views(2)
    return z, torch.full((2,), 0.5), prior.embed(["a cube"] * 2), prior.encode(render, cameras).x.detach()


def test_anchored_distillation_moves_the_image_and_nothing_in_the_model(base: Path, adapter: Path) -> None:
    prior = build(base, adapter)
    render, cameras = tiny.views()
    prompts = ViewPrompts(prior, "a red mushroom", view_dependent=True)
    guidance = AnchorDSConfig().build(prior)
    out = guidance(render, cameras, prompts, 0.5, torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(out.loss, render.rgb)
    assert gradient.isfinite().all() and (gradient.flatten(1).abs().amax(dim=1) > 0).all()
    held = tiny.parameters(prior)
    assert held and not any(p.requires_grad or p.grad is not None for p in held)


def test_without_a_picture_it_answers_as_the_model_itself(base: Path, adapter: Path) -> None:
    prior, plain = build(base, adapter), StableDiffusionPriorConfig(model=str(base)).build()
    z, t, condition, picture = question(prior)
    answer = prior.denoise(z, t, condition)
    assert torch.equal(answer, plain.denoise(z, t, condition))
    assert not torch.allclose(prior.denoise_with_image(z, t, condition, picture), answer, atol=1e-4)
    weak = build(base, adapter, strength=0.0)
    assert torch.equal(weak.denoise_with_image(z, t, condition, picture), answer)


def test_the_picture_matters_image_by_image(base: Path, adapter: Path) -> None:
    prior = build(base, adapter)
    z, t, condition, picture = question(prior)
    other = torch.stack([picture[0], -picture[1]])
    moved = prior.denoise_with_image(z, t, condition, picture) - prior.denoise_with_image(
        z, t, condition, other
    )
    assert (moved.abs().flatten(1).amax(1) > 1e-5).tolist() == [False, True]


def test_answers_are_those_of_the_pipeline(base: Path, adapter: Path) -> None:
    """One trailing step of DDIM ends on x0_hat; the pipeline is given the same vector of the picture."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    prior = build(base, adapter, strength=0.7)
    pipe: Any = StableDiffusionPipeline.from_pretrained(base, safety_checker=None)
    pipe.scheduler = DDIMScheduler.from_config(
        pipe.scheduler.config, timestep_spacing="trailing", clip_sample=False
    )
    pipe.load_ip_adapter(str(adapter), subfolder="models", weight_name="ip-adapter_sd15.safetensors")
    pipe.set_ip_adapter_scale(0.7)
    z, _, condition, picture = question(prior)
    vector = prior.embed_image(picture[:1])
    wanted = pipe(
        "a cube", latents=z[:1], num_inference_steps=1, guidance_scale=1.0, output_type="latent",
        ip_adapter_image_embeds=[vector[:, None]],
    ).images  # fmt: skip
    pred = prior.denoise_with_image(z[:1], torch.tensor([0.999]), condition[:1], picture[:1])
    torch.testing.assert_close(pred, wanted, rtol=1e-4, atol=1e-3)


def test_clip_is_shown_what_its_own_processor_would_show(base: Path, adapter: Path) -> None:
    from PIL import Image
    from transformers import CLIPImageProcessor

    picture = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
    wanted = CLIPImageProcessor(size=32, crop_size=32)(picture, return_tensors="pt").pixel_values
    pixels = torch.from_numpy(np.array(picture)).movedim(-1, 0)[None] / 127.5 - 1
    torch.testing.assert_close(clip_pixels(pixels, 32), wanted, rtol=0, atol=0.03)


def test_no_weight_of_the_network_is_held_twice(base: Path, adapter: Path) -> None:
    prior = build(base, adapter)
    held = {p.data_ptr() for p in prior.network.parameters()}
    assert held < {p.data_ptr() for p in prior.shown.parameters()}
    added = [p for p in prior.shown.parameters() if p.data_ptr() not in held]
    assert len(added) == 4 + 2 * sum(n.endswith("attn2.processor") for n in prior.network.attn_processors)


def spoilt(adapter: Path, folder: Path, change: Any) -> Path:
    """A copy of the adapter with its weights changed."""
    from shutil import copytree

    from safetensors.torch import load_file, save_file

    copytree(adapter, folder, dirs_exist_ok=True)
    save_file(change(load_file(folder / FILE)), folder / FILE)
    return folder


def test_an_adapter_of_another_kind_or_model_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    plus = spoilt(adapter, tmp_path / "plus", lambda s: {"image_proj.latents": torch.zeros(1, 16, 8)})
    with pytest.raises(InputError, match=r"does not fit .*expected an IP-Adapter that sees one vector"):
        build(base, plus)
    wide = tiny.ip_adapter(tmp_path / "wide", base, width=48)
    with pytest.raises(InputError, match=r"expected \d layers on text of width 32, got \d on 48"):
        build(base, wide)
    encoder = spoilt(
        adapter,
        tmp_path / "other",
        lambda s: s | {"image_proj.proj.weight": torch.zeros(4 * tiny.WIDTH, 20)},
    )
    with pytest.raises(InputError, match=r"image encoder .*expected vectors of 20 numbers, got 24"):
        build(base, encoder)


def test_an_adapter_that_is_not_there_is_said(base: Path, adapter: Path) -> None:
    with pytest.raises(DamagedError, match=r"files of .* are missing; expected models/none\.safetensors"):
        build(base, adapter, adapter_file="models/none.safetensors")
