"""Schedulers of every kind: their levels, and x0_hat against closed forms, or a plain refusal."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch
from priors import tiny

from dreamlab.core.diffusion import DiscreteSchedule, FlowSchedule, per_image
from dreamlab.core.errors import InputError
from dreamlab.priors import SDXLPriorConfig, StableDiffusionPriorConfig
from dreamlab.priors.analytic import Component, GaussianMixturePrior
from dreamlab.priors.diffusers.schedules import (
    EDMSchedule,
    Schedule,
    network_input,
    schedule_of,
    timestep_of,
    to_x0,
)

DOUBLE = torch.float64
LEVELS = torch.tensor([0.02, 0.3, 0.7, 0.98], dtype=DOUBLE)
EDM = [
    ("EDMEulerScheduler", {}),
    ("EDMEulerScheduler", {"sigma_data": 1.0, "prediction_type": "v_prediction", "sigma_max": 120.0}),
    ("EDMEulerScheduler", {"sigma_schedule": "exponential"}),
    ("EDMDPMSolverMultistepScheduler", {"sigma_data": 0.5}),
]
TABLES = [
    ("DDIMScheduler", {}),
    ("DDPMScheduler", {}),
    ("PNDMScheduler", {}),
    ("LMSDiscreteScheduler", {}),
    ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
    ("EulerAncestralDiscreteScheduler", {}),
    ("HeunDiscreteScheduler", {"use_karras_sigmas": True}),
    ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True, "algorithm_type": "sde-dpmsolver++"}),
    ("DPMSolverSinglestepScheduler", {}),
    ("UniPCMultistepScheduler", {}),
    ("DEISMultistepScheduler", {}),
    ("KDPM2DiscreteScheduler", {}),
]


def scheduler_of(name: str, **settings: Any) -> Any:
    return getattr(diffusers, name)(**settings)


def mixture(schedule: Any) -> GaussianMixturePrior:
    one, two = (torch.tensor([x, y], dtype=DOUBLE).reshape(2, 1, 1) for x, y in ((0.7, 0.4), (-0.6, 0.1)))
    return GaussianMixturePrior([Component(one, 0.3, weight=2.0), Component(two, 0.4)], schedule)


def asked_of(schedule: Schedule, kind: Any, network: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """x0_hat of a network at all levels, and the mean that is known in closed form."""
    truth = mixture(schedule)
    z = torch.randn(len(LEVELS), 2, 1, 1, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    wanted = truth.denoise(z, LEVELS, truth.embed([""] * len(LEVELS)))
    out = network(network_input(schedule, z, LEVELS), timestep_of(schedule, LEVELS), wanted)
    return to_x0(schedule, kind, z, out, LEVELS), wanted


# ---- Karras's preconditioning ----


@pytest.mark.parametrize(("name", "settings"), EDM)
def test_edm_levels_are_those_of_the_scheduler(name: str, settings: dict[str, Any]) -> None:
    scheduler = scheduler_of(name, **settings)
    schedule, kind = schedule_of(scheduler)
    assert kind == "edm" and isinstance(schedule, EDMSchedule)
    scheduler.set_timesteps(11)
    t = torch.linspace(1, 0, 11, dtype=DOUBLE)
    alpha, sigma = schedule.alpha_sigma(t)
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones_like(t))
    torch.testing.assert_close((sigma / alpha).float(), scheduler.sigmas[:11], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(
        schedule.timestep(t).float(), scheduler.timesteps.float(), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(("name", "settings"), EDM)
def test_edm_inputs_and_outputs_are_those_of_the_scheduler(name: str, settings: dict[str, Any]) -> None:
    scheduler = scheduler_of(name, **settings)
    schedule, kind = schedule_of(scheduler)
    z, out = torch.randn(2, 4, 3, 5, 5, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)
    alpha, sigma = schedule.alpha_sigma(LEVELS)
    for i, s in enumerate(sigma / alpha):
        noisy = z[i] / alpha[i]
        wanted = scheduler.precondition_inputs(noisy, s)
        torch.testing.assert_close(network_input(schedule, z, LEVELS)[i], wanted)
        wanted = scheduler.precondition_outputs(noisy, out[i], s)
        torch.testing.assert_close(to_x0(schedule, kind, z, out, LEVELS)[i], wanted)


@pytest.mark.parametrize(("name", "settings"), EDM)
def test_a_perfect_edm_network_answers_with_the_mean(name: str, settings: dict[str, Any]) -> None:
    """D(y, s) = c_skip y + c_out F(c_in y, c_noise), with the F that makes D the mean."""
    schedule, kind = schedule_of(scheduler_of(name, **settings))
    data = settings.get("sigma_data", 0.5)
    sign = -1.0 if settings.get("prediction_type") == "v_prediction" else 1.0

    def network(scaled: torch.Tensor, c_noise: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        s = (4 * c_noise).exp()
        noisy = scaled * per_image((s**2 + data**2).sqrt(), scaled)
        alpha = (1 + s**2).rsqrt()
        truth = mixture(SimpleNamespace(alpha_sigma=lambda _: (alpha, s * alpha)))
        mean = truth.denoise(noisy * per_image(alpha, noisy), LEVELS, truth.embed([""] * len(s)))
        skip, c_out = data**2 / (s**2 + data**2), sign * s * data / (s**2 + data**2).sqrt()
        return (mean - per_image(skip, noisy) * noisy) / per_image(c_out, noisy)

    got, wanted = asked_of(schedule, kind, network)
    torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("settings", [{}, {"sigma_data": 1.0, "prediction_type": "v_prediction"}])
def test_guided_edm_answers_are_those_of_the_pipeline(tmp_path: Path, settings: dict[str, Any]) -> None:
    """One Euler step from the highest level ends on x0_hat, which the pipeline scales as its VAE says."""
    folder = tiny.sdxl(tmp_path, latents_mean=[0.1, -0.2, 0.3, 0.0], latents_std=[2.0, 1.0, 3.0, 4.0])
    scheduler_of("EDMEulerScheduler", **settings).save_pretrained(folder / "scheduler")
    index = (folder / "model_index.json").read_text()
    (folder / "model_index.json").write_text(index.replace("EulerDiscreteScheduler", "EDMEulerScheduler"))
    prior = SDXLPriorConfig(model=str(folder)).build()
    pipe = diffusers.StableDiffusionXLPipeline.from_pretrained(folder)
    z = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    wanted = pipe("a cube", latents=z, num_inference_steps=1, guidance_scale=1.0, output_type="latent").images
    t = torch.ones(1)
    scaled = z * pipe.scheduler.init_noise_sigma * prior.alpha_sigma(t)[0]
    torch.testing.assert_close(
        prior.denoise(scaled, t, prior.embed(["a cube"])), wanted, rtol=1e-4, atol=1e-3
    )
    tiny.check_step(prior)


# ---- tables and flows ----


@pytest.mark.parametrize(("name", "settings"), TABLES)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_samplers_of_one_training_mean_one_table(
    name: str, settings: dict[str, Any], prediction: str
) -> None:
    """Karras's sigmas and the solver are the sampler's business."""
    made = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"} | settings
    schedule, kind = schedule_of(scheduler_of(name, prediction_type=prediction, **made))
    assert isinstance(schedule, DiscreteSchedule) and kind == prediction
    wanted = diffusers.DDIMScheduler(**tiny.SD_BETAS).alphas_cumprod.double()
    torch.testing.assert_close(schedule.alphas_cumprod, wanted)
    alpha, sigma = schedule.alpha_sigma(LEVELS)

    def network(z: torch.Tensor, _: torch.Tensor, x0: torch.Tensor) -> torch.Tensor:
        noise = (z - per_image(alpha, z) * x0) / per_image(sigma, z)
        v = per_image(alpha, z) * noise - per_image(sigma, z) * x0
        return {"epsilon": noise, "v_prediction": v, "sample": x0}[prediction]

    got, truth = asked_of(schedule, kind, network)
    torch.testing.assert_close(got, truth)


@pytest.mark.parametrize("name", ["DDIMScheduler", "EulerDiscreteScheduler", "DDPMScheduler"])
def test_tables_that_end_in_pure_noise_stay_finite(name: str) -> None:
    schedule, _ = schedule_of(scheduler_of(name, rescale_betas_zero_snr=True, **tiny.SD_BETAS))
    alpha, sigma = schedule.alpha_sigma(torch.tensor([0.998, 1.0]))
    assert alpha.isfinite().all() and 0 < float(alpha[-1]) < 1e-3 and sigma.isfinite().all()


@pytest.mark.parametrize(
    ("name", "settings", "shift"),
    [
        ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}, 3.0),
        ("FlowMatchEulerDiscreteScheduler", {"use_karras_sigmas": True}, 1.0),
        ("FlowMatchHeunDiscreteScheduler", {"shift": 2.0}, 2.0),
        ("UniPCMultistepScheduler", {"use_flow_sigmas": True, "flow_shift": 5.0}, 5.0),
    ],
)
def test_flows_are_flows_of_their_shift(name: str, settings: dict[str, Any], shift: float) -> None:
    schedule, kind = schedule_of(scheduler_of(name, **settings))
    assert (schedule, kind) == (FlowSchedule(shift), "flow_prediction")
    _, sigma = schedule.alpha_sigma(LEVELS)

    def network(z: torch.Tensor, step: torch.Tensor, x0: torch.Tensor) -> torch.Tensor:
        torch.testing.assert_close(step, 1000 * sigma)
        return (z - per_image(1 - sigma, z) * x0) / per_image(sigma, z) - x0

    got, truth = asked_of(schedule, kind, network)
    torch.testing.assert_close(got, truth)


# ---- refusals ----


@pytest.mark.parametrize(
    ("name", "settings", "line"),
    [
        ("LCMScheduler", {}, r"distilled to few steps \(LCMScheduler\)"),
        ("TCDScheduler", {}, r"distilled to few steps"),
        ("CMStochasticIterativeScheduler", {}, r"distilled to few steps"),
        ("SCMScheduler", {}, r"distilled to few steps"),
        ("ScoreSdeVeScheduler", {}, r"not understood here; expected .* got ScoreSdeVeScheduler"),
        ("IPNDMScheduler", {}, r"not understood here; .* got IPNDMScheduler"),
        ("DDPMWuerstchenScheduler", {}, r"not understood here"),
        ("DDIMScheduler", {"prediction_type": "trigflow"}, r"prediction_type of the DDIM.* got trigflow"),
        (
            "EulerDiscreteScheduler",
            {
                "timestep_type": "continuous",
                "prediction_type": "v_prediction",
                "sigma_min": 0.1,
                "sigma_max": 80.0,
            },
            r"timestep_type of the Euler.* got continuous",
        ),
        ("EDMEulerScheduler", {"prediction_type": "sample"}, r"prediction_type of the EDMEuler.* got sample"),
        ("FlowMatchEulerDiscreteScheduler", {"num_train_timesteps": 500}, r"expected 1000, got 500"),
    ],
)
def test_schedulers_that_are_not_understood_are_refused(
    name: str, settings: dict[str, Any], line: str
) -> None:
    with pytest.raises(InputError, match=line) as error:
        schedule_of(scheduler_of(name, **settings), "my model")
    assert "my model" in str(error.value) and "\n" not in str(error.value)


def test_the_refusal_reaches_who_brings_the_model(tmp_path: Path) -> None:
    folder = tiny.stable_diffusion(tmp_path, scheduler=scheduler_of("LCMScheduler", **tiny.SD_BETAS))
    with pytest.raises(
        InputError, match=r"distilled to few steps .* Take the model that it was distilled from"
    ):
        StableDiffusionPriorConfig(model=str(folder)).build()


def test_settings_that_name_no_betas_are_said(tmp_path: Path) -> None:
    folder = tiny.stable_diffusion(tmp_path)
    (folder / "scheduler" / "scheduler_config.json").write_text("{}")
    with pytest.warns(UserWarning, match=r"settings of .* name no betas: DDIM's own are taken"):
        StableDiffusionPriorConfig(model=str(folder)).build()
