"""SDXL through diffusers: one step, equality with the pipeline, and a VAE that overflows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from priors import tiny

from dreamlab.core.diffusion import cfg_combine
from dreamlab.priors import SDXLPriorConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.sdxl(tmp_path_factory.mktemp("sdxl"))


def test_one_step_moves_the_image_and_nothing_in_the_model(folder: Path) -> None:
    tiny.check_step(SDXLPriorConfig(model=str(folder)).build())


def test_guided_answers_are_those_of_the_pipeline(folder: Path) -> None:
    """Both encoders, the pooled vector, the sizes, and zeros for the empty prompt."""
    from diffusers import DDIMScheduler, StableDiffusionXLPipeline

    prior = SDXLPriorConfig(model=str(folder)).build()
    pipe = StableDiffusionXLPipeline.from_pretrained(folder)
    pipe.scheduler = DDIMScheduler(**tiny.DDIM, timestep_spacing="trailing")
    z = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    wanted = pipe(
        "a cube",
        latents=z,
        num_inference_steps=1,
        guidance_scale=7.0,
        output_type="latent",
        height=32,
        width=32,
    ).images
    null, pred = (prior.denoise(z, torch.tensor([0.999]), prior.embed([text])) for text in ("", "a cube"))
    torch.testing.assert_close(cfg_combine(null, pred, 7.0), wanted, rtol=1e-4, atol=1e-3)
    assert prior.embed([""]).tokens.abs().max() == 0


def test_a_float16_network_gets_a_float32_vae_unless_the_vae_was_mended(tmp_path: Path, folder: Path) -> None:
    assert SDXLPriorConfig(model=str(folder), dtype="float16").build().space.dtype == torch.float32
    mended = tiny.sdxl(tmp_path, force_upcast=False)
    assert SDXLPriorConfig(model=str(mended), dtype="float16").build().space.dtype == torch.float16
    assert SDXLPriorConfig(model=str(folder), dtype="bfloat16").build().space.dtype == torch.bfloat16


def test_latents_that_overflow_are_made_again_in_float32(folder: Path) -> None:
    space = SDXLPriorConfig(model=str(folder), dtype="float16", vae_dtype="float16").build().space
    with torch.no_grad():
        space.vae.encoder.conv_out.weight.mul_(1e4)
        space.vae.quant_conv.weight.mul_(1e4)
    images = torch.rand(1, 3, 32, 32)
    with pytest.warns(UserWarning, match="latents were not finite in float16: the VAE goes on in float32"):
        latents = space.encode(images)
    assert latents.isfinite().all() and space.vae.dtype == space.dtype == torch.float32
    assert torch.equal(space.encode(images), latents)  # and nothing is warned of again


def test_a_gradient_that_overflows_makes_the_next_step_float32(folder: Path) -> None:
    space = SDXLPriorConfig(model=str(folder), dtype="bfloat16").build().space
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    space.encode(images).sum().mul(torch.inf).backward()
    assert space.dtype == torch.bfloat16  # graphs may still hold its weights
    with pytest.warns(UserWarning, match="the gradient through the VAE was not finite in bfloat16"):
        space.encode(images)
    assert space.vae.dtype == torch.float32
