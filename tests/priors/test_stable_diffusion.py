"""Stable Diffusion through diffusers: one step, and equality with diffusers' own schedulers and pipelines."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from priors import tiny

from dreamlab.core.diffusion import cfg_combine, flow_from_x0, noise_from_x0, v_from_x0
from dreamlab.core.errors import ConfigError
from dreamlab.priors import StableDiffusionPriorConfig
from dreamlab.priors.protocols import Prior


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sd")
    return {kind: tiny.stable_diffusion(root / kind, kind) for kind in ("epsilon", "v_prediction")}


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_one_step_moves_the_image_and_nothing_in_the_model(folders: dict[str, Path], kind: str) -> None:
    prior = StableDiffusionPriorConfig(model=str(folders[kind])).build()
    assert isinstance(prior, Prior)
    assert (prior.resolution, prior.channels, prior.prediction) == (32, 4, kind)
    tiny.check_step(prior)


def test_bfloat16_answers_in_float32(folders: dict[str, Path]) -> None:
    prior = StableDiffusionPriorConfig(model=str(folders["epsilon"]), dtype="bfloat16").build()
    assert prior.network.dtype == prior.space.dtype == torch.bfloat16
    tiny.check_step(prior)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_levels_and_x0_hat_are_those_of_the_scheduler(folders: dict[str, Path], kind: str) -> None:
    from diffusers import DDIMScheduler

    prior = StableDiffusionPriorConfig(model=str(folders[kind])).build()
    scheduler = DDIMScheduler.from_pretrained(folders[kind] / "scheduler", clip_sample=False)
    scheduler.set_timesteps(1000)
    z = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    condition = prior.embed(["a red mushroom"])
    for step in (20, 500, 979):
        t = torch.tensor([step / 1000])
        alpha, sigma = prior.alpha_sigma(t)
        torch.testing.assert_close(alpha**2, scheduler.alphas_cumprod[step : step + 1], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(alpha**2 + sigma**2, torch.ones(1))
        pred = prior.network(z, step, encoder_hidden_states=condition.tokens).sample
        wanted = scheduler.step(pred, step, z).pred_original_sample
        torch.testing.assert_close(prior.denoise(z, t, condition), wanted, rtol=1e-5, atol=1e-5)


def test_guided_answers_are_those_of_the_pipeline(folders: dict[str, Path]) -> None:
    """One trailing step of DDIM ends on x0_hat."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    prior = StableDiffusionPriorConfig(model=str(folders["epsilon"])).build()
    pipe = StableDiffusionPipeline.from_pretrained(folders["epsilon"], safety_checker=None)
    pipe.scheduler = DDIMScheduler.from_config(
        pipe.scheduler.config, timestep_spacing="trailing", clip_sample=False
    )
    z = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    wanted = pipe("a cube", latents=z, num_inference_steps=1, guidance_scale=7.5, output_type="latent").images
    null, pred = (prior.denoise(z, torch.tensor([0.999]), prior.embed([text])) for text in ("", "a cube"))
    torch.testing.assert_close(cfg_combine(null, pred, 7.5), wanted, rtol=1e-4, atol=1e-3)


def test_latents_are_those_of_the_vae(folders: dict[str, Path]) -> None:
    prior = StableDiffusionPriorConfig(model=str(folders["epsilon"])).build()
    render, cameras = tiny.views(2, side=32)
    wanted = prior.space.vae.encode(render.rgb.movedim(-1, 1) * 2 - 1).latent_dist.mode() * 0.18215
    torch.testing.assert_close(prior.encode(render, cameras).x, wanted)


def test_predictions_of_every_kind_mean_the_same_image(folders: dict[str, Path]) -> None:
    prior = StableDiffusionPriorConfig(model=str(folders["epsilon"])).build()
    z = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    t, condition = torch.tensor([0.2, 0.5, 0.8]), prior.embed(["a cube"] * 3)
    x0, scales = prior.denoise(z, t, condition), prior.alpha_sigma(t)
    pred = {
        "epsilon": noise_from_x0(z, x0, *scales),
        "v_prediction": v_from_x0(z, x0, *scales),
        "flow_prediction": flow_from_x0(z, x0, *scales),
        "sample": x0,
    }
    for kind, output in pred.items():
        prior.prediction, prior.network = kind, lambda *_, o=output, **__: SimpleNamespace(sample=o)  # type: ignore[misc]
        torch.testing.assert_close(prior.denoise(z, t, condition), x0, rtol=1e-5, atol=1e-5)


def test_a_schedule_that_ends_in_pure_noise_stays_finite(tmp_path: Path) -> None:
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(**tiny.DDIM, prediction_type="v_prediction", rescale_betas_zero_snr=True)
    prior = StableDiffusionPriorConfig(
        model=str(tiny.stable_diffusion(tmp_path, "v_prediction", scheduler=scheduler))
    ).build()
    alpha, sigma = prior.alpha_sigma(torch.tensor([0.9975, 0.998, 0.999, 1.0]))
    assert alpha.isfinite().all() and float(alpha[-1]) < 1e-3 and sigma.isfinite().all()


def test_a_resolution_that_does_not_fit_is_an_error(folders: dict[str, Path]) -> None:
    config = StableDiffusionPriorConfig(model=str(folders["epsilon"]), resolution=30)
    with pytest.raises(ConfigError, match="does not fit the model; expected a multiple of 4"):
        config.build()


def test_words_beyond_the_limit_are_said(folders: dict[str, Path]) -> None:
    prior = StableDiffusionPriorConfig(model=str(folders["epsilon"])).build()
    with pytest.warns(UserWarning, match=r"the prompt has 95 tokens and the model reads 77; .*'bbb.*c'"):
        prior.embed(["a" * 70 + "b" * 22 + "c"])
