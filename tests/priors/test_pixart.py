"""PixArt through diffusers: one step, and equality with the pipeline."""

from __future__ import annotations

from pathlib import Path

import torch
from priors import tiny

from dreamlab.core.diffusion import cfg_combine
from dreamlab.priors import PixArtPriorConfig


def test_one_step_moves_the_image_and_nothing_in_the_model(tmp_path: Path) -> None:
    tiny.check_step(PixArtPriorConfig(model=str(tiny.pixart(tmp_path))).build())


def test_sizes_are_told_to_networks_that_ask(tmp_path: Path) -> None:
    tiny.check_step(PixArtPriorConfig(model=str(tiny.pixart(tmp_path, conditions=True))).build())


def test_guided_answers_are_those_of_the_pipeline(tmp_path: Path) -> None:
    from diffusers import DDIMScheduler, PixArtSigmaPipeline

    folder = tiny.pixart(tmp_path)
    prior, pipe = PixArtPriorConfig(model=str(folder)).build(), PixArtSigmaPipeline.from_pretrained(folder)
    pipe.scheduler = DDIMScheduler.from_config(
        pipe.scheduler.config, timestep_spacing="trailing", clip_sample=False
    )
    z = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    wanted = pipe(
        "a cube", latents=z, num_inference_steps=1, guidance_scale=4.5, output_type="latent",
        use_resolution_binning=False, clean_caption=False,
    ).images  # fmt: skip
    null, pred = (prior.denoise(z, torch.tensor([0.999]), prior.embed([text])) for text in ("", "a cube"))
    torch.testing.assert_close(cfg_combine(null, pred, 4.5), wanted, rtol=1e-3, atol=2e-2)
