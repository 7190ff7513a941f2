"""SD3 and FLUX through diffusers: one step, and equality with their pipelines."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from priors import tiny

from dreamlab.core.diffusion import cfg_combine, noise_from_x0
from dreamlab.priors import FluxPriorConfig, SD3PriorConfig
from dreamlab.priors.diffusers.flux import pack, unpack


@pytest.fixture(scope="module")
def sd3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.sd3(tmp_path_factory.mktemp("sd3"))


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.flux(tmp_path_factory.mktemp("flux"))


def test_one_step_of_sd3_moves_the_image_and_nothing_in_the_model(sd3: Path) -> None:
    tiny.check_step(SD3PriorConfig(model=str(sd3)).build(), weighting="velocity")


def test_one_step_of_flux_moves_the_image_and_nothing_in_the_model(flux: Path) -> None:
    tiny.check_step(FluxPriorConfig(model=str(flux), resolution=32).build(), weighting="velocity")


def test_sd3_without_t5_works(tmp_path: Path) -> None:
    tiny.check_step(SD3PriorConfig(model=str(tiny.sd3(tmp_path, with_t5=False))).build())


def test_levels_are_those_of_the_scheduler(sd3: Path) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler

    prior = SD3PriorConfig(model=str(sd3)).build()
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    t = torch.tensor([0.2, 0.5, 0.9])
    scheduler.set_timesteps(sigmas=t.flip(0).tolist())
    alpha, sigma = prior.alpha_sigma(t)
    torch.testing.assert_close(sigma, scheduler.sigmas[:-1].flip(0))
    torch.testing.assert_close(alpha, 1 - sigma)
    torch.testing.assert_close(prior.timestep(t), scheduler.timesteps.flip(0))


def test_guided_answers_of_sd3_are_those_of_the_pipeline(sd3: Path) -> None:
    """One Euler step from sigma to 0 ends on x0_hat."""
    from diffusers import StableDiffusion3Pipeline

    prior, pipe = SD3PriorConfig(model=str(sd3)).build(), StableDiffusion3Pipeline.from_pretrained(sd3)
    z = torch.randn(1, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    wanted = pipe(
        "a cube", latents=z, sigmas=[0.6], num_inference_steps=1, guidance_scale=5.0, output_type="latent"
    ).images
    null, pred = (prior.denoise(z, torch.tensor([0.6]), prior.embed([text])) for text in ("", "a cube"))
    torch.testing.assert_close(cfg_combine(null, pred, 5.0), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dynamic", [False, True])
def test_guided_answers_of_flux_are_those_of_the_pipeline(tmp_path: Path, dynamic: bool) -> None:
    """With guidance from outside, and the embedded strength the same in both passes."""
    from diffusers import FluxPipeline

    folder = tiny.flux(tmp_path, use_dynamic_shifting=dynamic, shift=1.0 if dynamic else 3.0)
    prior = FluxPriorConfig(model=str(folder), resolution=32).build()
    pipe = FluxPipeline.from_pretrained(folder)
    z = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    pred: Any = pipe(
        "a cube", negative_prompt="", true_cfg_scale=30.0, guidance_scale=1.0, latents=pack(z), sigmas=[0.6],
        num_inference_steps=1, output_type="latent", height=32, width=32, max_sequence_length=256,
    )  # fmt: skip
    answers = [prior.denoise(z, torch.tensor([0.6]), prior.embed([text])) for text in ("", "a cube")]
    torch.testing.assert_close(
        cfg_combine(answers[0], answers[1], 30.0), unpack(pred.images, 16, 16), rtol=1e-3, atol=1e-3
    )


def test_flux_is_told_one_strength_and_schnell_none(tmp_path: Path, flux: Path) -> None:
    heard: list[Any] = []

    def listen(prior: Any) -> Any:
        inner = prior.network
        prior.network = lambda **output: heard.append(output["guidance"]) or inner(**output)
        prior.network.config = inner.config
        return prior

    z = torch.zeros(2, 4, 16, 16)
    for folder in (flux, tiny.flux(tmp_path, guidance_embeds=False)):
        config = FluxPriorConfig(model=str(folder), resolution=32, embedded_guidance=1.5)
        prior = listen(config.build())
        prior.denoise(z, torch.tensor([0.5, 0.5]), prior.embed(["", "a cube"]))
    assert heard[0].tolist() == [1.5, 1.5] and heard[1] is None


def test_packing_is_undone_by_unpacking() -> None:
    z = torch.randn(2, 4, 6, 8)
    assert torch.equal(unpack(pack(z), 6, 8), z)


def test_flow_and_noise_predictions_mean_the_same_image(sd3: Path) -> None:
    prior = SD3PriorConfig(model=str(sd3)).build()
    z = torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    t, condition = torch.tensor([0.3, 0.7]), prior.embed(["a cube"] * 2)
    x0 = prior.denoise(z, t, condition)
    noise = noise_from_x0(z, x0, *prior.alpha_sigma(t))
    prior.prediction, prior.network = "epsilon", lambda **_: SimpleNamespace(sample=noise)
    torch.testing.assert_close(prior.denoise(z, t, condition), x0, rtol=1e-5, atol=1e-5)


def test_a_long_prompt_is_cut_and_said(flux: Path) -> None:
    prior = FluxPriorConfig(model=str(flux), resolution=32, max_tokens=8).build()
    with pytest.warns(UserWarning, match=r"the model reads 8; it will not read: 'om'"):
        prior.embed(["mushroom"])
