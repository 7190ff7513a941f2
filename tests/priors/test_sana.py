"""Sana through diffusers: one step, and equality with its pipeline and its scheduler."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from priors import tiny

from dreamlab.core.diffusion import cfg_combine, noise_from_x0
from dreamlab.priors import SanaPriorConfig
from dreamlab.priors.diffusers.recognise import kind_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.sana(tmp_path_factory.mktemp("sana"))


def noise(n: int = 1) -> torch.Tensor:
    return torch.randn(n, 4, 16, 16, generator=torch.Generator().manual_seed(0))


def test_one_step_moves_the_image_and_nothing_in_the_model(folder: Path) -> None:
    assert kind_of(str(folder)) == "sana"
    prior = SanaPriorConfig(model=str(folder)).build()
    assert (prior.resolution, prior.channels, prior.prediction) == (32, 4, "flow_prediction")
    tiny.check_step(prior, weighting="velocity")


def test_levels_and_x0_hat_are_those_of_the_scheduler(folder: Path) -> None:
    from diffusers import DPMSolverMultistepScheduler

    prior = SanaPriorConfig(model=str(folder)).build()
    scheduler = DPMSolverMultistepScheduler.from_pretrained(folder / "scheduler")
    scheduler.set_timesteps(4)
    sigma = scheduler.sigmas[:-1]
    t = sigma / (3 - 2 * sigma)  # the shift undone
    torch.testing.assert_close(prior.alpha_sigma(t), (1 - sigma, sigma))
    torch.testing.assert_close(prior.timestep(t).floor().long(), scheduler.timesteps)
    z, condition = noise(), prior.embed(["a cube"])
    for i in range(1, 4):
        scheduler._step_index = i
        pred = prior.network(
            z, encoder_hidden_states=condition.tokens, timestep=1000 * sigma[i : i + 1],
            encoder_attention_mask=condition.mask.float(),
        ).sample  # fmt: skip
        wanted = scheduler.convert_model_output(pred, sample=z)
        torch.testing.assert_close(prior.denoise(z, t[i : i + 1], condition), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("instruct", [True, False])
def test_guided_answers_are_those_of_the_pipeline(folder: Path, instruct: bool) -> None:
    """One Euler step from sigma to 0 ends on x0_hat; the instruction stands before the prompt alone."""
    from diffusers import FlowMatchEulerDiscreteScheduler, SanaPipeline

    prior, pipe = (
        SanaPriorConfig(model=str(folder), instruct=instruct).build(),
        SanaPipeline.from_pretrained(folder),
    )
    pipe.scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    output = {} if instruct else {"complex_human_instruction": []}
    wanted = pipe(
        "a cube", latents=noise(), sigmas=[0.6], num_inference_steps=1, guidance_scale=4.5,
        output_type="latent", use_resolution_binning=False, height=32, width=32, **output,
    ).images  # fmt: skip
    null, pred = (prior.denoise(noise(), torch.tensor([0.6]), prior.embed([text])) for text in ("", "a cube"))
    torch.testing.assert_close(cfg_combine(null, pred, 4.5), wanted, rtol=1e-4, atol=1e-4)


def test_the_instruction_changes_what_is_read_of_a_prompt(folder: Path) -> None:
    with_it, without = (
        SanaPriorConfig(model=str(folder), instruct=instruct).build().embed(["a cube", ""])
        for instruct in (True, False)
    )
    assert with_it.tokens.shape == without.tokens.shape == (2, 300, tiny.WIDTH)
    assert not torch.allclose(with_it.tokens[0], without.tokens[0])
    assert torch.equal(with_it.tokens[1], without.tokens[1])


def test_latents_are_those_of_the_autoencoder(folder: Path) -> None:
    prior = SanaPriorConfig(model=str(folder)).build()
    render, cameras = tiny.views(2, side=32)
    wanted = prior.space.vae.encode(render.rgb.movedim(-1, 1) * 2 - 1).latent * 0.41407
    torch.testing.assert_close(prior.encode(render, cameras).x, wanted)


def test_flow_and_noise_predictions_mean_the_same_image(folder: Path) -> None:
    prior = SanaPriorConfig(model=str(folder)).build()
    t, condition = torch.tensor([0.3, 0.7]), prior.embed(["a cube"] * 2)
    x0 = prior.denoise(noise(2), t, condition)
    pred = noise_from_x0(noise(2), x0, *prior.alpha_sigma(t))
    network = SimpleNamespace(config=prior.network.config)
    prior.prediction, prior.network = "epsilon", lambda *_, **__: SimpleNamespace(sample=pred)
    prior.network.config = network.config
    torch.testing.assert_close(prior.denoise(noise(2), t, condition), x0, rtol=1e-5, atol=1e-5)


def test_gemma_encodes_in_bfloat16_beside_a_float16_network(folder: Path) -> None:
    prior = SanaPriorConfig(model=str(folder), dtype="float16", cache_prompts=False).build()
    assert prior.network.dtype == torch.float16
    assert prior.embed(["a cube"]).tokens.dtype == torch.bfloat16


@pytest.mark.parametrize(("instruct", "most"), [(True, 6), (False, 7)])
def test_a_long_prompt_is_cut_and_said(folder: Path, instruct: bool, most: int) -> None:
    """Of eight tokens the first is Gemma's mark of the beginning, and the instruction's end takes one."""
    prior = SanaPriorConfig(model=str(folder), max_tokens=8, instruct=instruct).build()
    with pytest.warns(UserWarning, match=f"it will not read: '{'mushroom'[most:]}'"):
        cut = prior.embed(["mushroom"])
    same = prior.embed(["mushroom"[:most]])
    torch.testing.assert_close(cut.tokens, same.tokens)
