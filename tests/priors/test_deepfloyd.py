"""DeepFloyd IF through diffusers: pixels, a learnt variance split off, and stage II shown the render."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from priors import tiny

from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Views
from dreamlab.priors import DeepFloydPriorConfig, DeepFloydUpscalerPriorConfig


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("if")
    return tiny.deepfloyd(root / "one"), tiny.deepfloyd(root / "two", upscaler=True)


def test_one_step_moves_the_image_and_nothing_in_the_model(folders: tuple[Path, Path]) -> None:
    prior = DeepFloydPriorConfig(model=str(folders[0])).build()
    assert (prior.resolution, prior.channels) == (16, 3)
    tiny.check_step(prior)


def test_x0_hat_is_that_of_the_scheduler(folders: tuple[Path, Path]) -> None:
    from diffusers import DDPMScheduler

    prior = DeepFloydPriorConfig(model=str(folders[0])).build()
    scheduler = DDPMScheduler.from_pretrained(folders[0] / "scheduler", thresholding=False, clip_sample=False)
    z = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    condition = prior.embed(["a red mushroom"])
    for step in (20, 500, 979):
        pred = prior.network(z, step, encoder_hidden_states=condition.tokens).sample
        wanted = scheduler.step(pred, step, z).pred_original_sample
        got = prior.denoise(z, torch.tensor([step / 1000]), condition)
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def test_text_is_that_of_the_pipeline(folders: tuple[Path, Path]) -> None:
    from diffusers import IFPipeline

    pipe = IFPipeline.from_pretrained(folders[0], safety_checker=None, watermarker=None)
    wanted, null = pipe.encode_prompt("a cube", device="cpu")
    got = DeepFloydPriorConfig(model=str(folders[0])).build().embed(["a cube", ""]).tokens
    torch.testing.assert_close(got, torch.cat([wanted, null]))


def test_the_upscaler_is_shown_each_render_small(folders: tuple[Path, Path]) -> None:
    prior = DeepFloydUpscalerPriorConfig(model=str(folders[1]), small_side=8, noise_level=0).build()
    tiny.check_step(prior)
    render, cameras = tiny.views(3)
    shown = prior.encode(render, cameras)[torch.tensor([2, 0])].aux["small"]
    small = torch.nn.functional.interpolate(
        render.rgb.movedim(-1, 1) * 2 - 1, (8, 8), mode="bilinear", antialias=True
    )
    wanted = torch.nn.functional.interpolate(small, (16, 16), mode="bilinear", align_corners=True)[[2, 0]]
    assert (shown - wanted).abs().max() < 0.1  # level 0 is a little noise


def test_the_upscaler_wants_to_see_the_render(folders: tuple[Path, Path]) -> None:
    prior = DeepFloydUpscalerPriorConfig(model=str(folders[1]), small_side=8).build()
    z, t = torch.zeros(1, 3, 16, 16), torch.tensor([0.5])
    _, cameras = tiny.views(1)
    for views in (None, Views(z, cameras)):
        with pytest.raises(ConfigError, match="cannot answer without it"):
            prior.denoise(z, t, prior.embed([""]), views)
