"""Laws of the shared diffusion maths, and equality with diffusers' schedulers."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

import dreamlab
from dreamlab.core import diffusion as d

DOUBLE = torch.float64
T = torch.tensor([0.02, 0.3, 0.7, 0.98], dtype=DOUBLE)


def image(seed: int) -> Tensor:
    return torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


@pytest.mark.parametrize("schedule", [d.CosineSchedule(), d.FlowSchedule(), d.FlowSchedule(3.0)])
def test_predictions_made_from_the_truth_give_the_truth_back(schedule):
    x, noise = image(0), image(1)
    alpha, sigma = schedule.alpha_sigma(T)
    z = d.add_noise(x, noise, alpha, sigma)
    assert torch.allclose(d.x0_from_noise(z, noise, alpha, sigma), x)
    assert torch.allclose(d.x0_from_flow(z, noise - x, alpha, sigma), x)
    assert torch.allclose(d.noise_from_x0(z, x, alpha, sigma), noise)
    assert torch.allclose(d.flow_from_x0(z, x, alpha, sigma), noise - x)


def test_v_is_turned_into_x0_and_back():
    x, noise = image(0), image(1)
    alpha, sigma = d.CosineSchedule().alpha_sigma(T)
    z = d.add_noise(x, noise, alpha, sigma)
    v = d.per_image(alpha, x) * noise - d.per_image(sigma, x) * x
    assert torch.allclose(d.x0_from_v(z, v, alpha, sigma), x)
    assert torch.allclose(d.v_from_x0(z, x, alpha, sigma), v)


def test_guidance_is_the_same_whatever_is_predicted():
    z, uncond, cond, scale = image(0), image(1), image(2), 7.5
    alpha, sigma = d.CosineSchedule().alpha_sigma(T)
    on_x0 = d.cfg_combine(uncond, cond, scale)
    for there, back in [
        (d.noise_from_x0, d.x0_from_noise),
        (d.v_from_x0, d.x0_from_v),
        (d.flow_from_x0, d.x0_from_flow),
    ]:
        output = d.cfg_combine(there(z, uncond, alpha, sigma), there(z, cond, alpha, sigma), scale)
        assert torch.allclose(back(z, output, alpha, sigma), on_x0, atol=1e-9)


def test_guidance_scale_one_is_conditional_and_zero_unconditional():
    uncond, cond = image(0), image(1)
    assert torch.allclose(d.cfg_combine(uncond, cond, 1.0), cond)
    assert torch.equal(d.cfg_combine(uncond, cond, 0.0), uncond)
    assert torch.allclose(d.cfg_combine(uncond, cond, 3.0), 3 * cond - 2 * uncond)


def test_guidance_is_written_once_in_the_package():
    sources = [p.read_text() for p in Path(dreamlab.__file__).parent.rglob("*.py")]
    assert sum(text.count("def cfg_combine(") for text in sources) == 1


def test_injected_gradient_is_the_gradient_over_the_batch():
    x, gradient = image(0).requires_grad_(), image(1)
    (got,) = torch.autograd.grad(d.inject(x, gradient), x)
    assert torch.allclose(got, gradient / 4)


def test_weightings_say_what_papers_write():
    x, noise, x0_hat = image(0), image(1), image(2)
    for schedule in (d.CosineSchedule(), d.FlowSchedule(2.0)):
        alpha, sigma = schedule.alpha_sigma(T)
        z = d.add_noise(x, noise, alpha, sigma)
        residual = x - x0_hat
        noise_error = d.noise_from_x0(z, x0_hat, alpha, sigma) - noise
        flow_error = d.flow_from_x0(z, x0_hat, alpha, sigma) - (noise - x)

        def weighted(kind, scales=(alpha, sigma), residual=residual):
            return d.per_image(d.weight(kind, *scales), x) * residual

        assert torch.equal(weighted("uniform"), residual)
        assert torch.allclose(weighted("noise"), noise_error)
        assert torch.allclose(weighted("sigma2"), d.per_image(sigma**2, x) * noise_error)
        assert torch.allclose(weighted("velocity"), flow_error)
        assert d.weight("min_snr", alpha, sigma).max() == 5.0
        assert torch.allclose(d.weight("min_snr", alpha, sigma)[2:], (alpha / sigma)[2:] ** 2)


def test_rescaled_guidance_has_the_unguided_spread():
    guided, cond = 5 * image(0), image(1)
    full = d.cfg_rescale(guided, cond, 1.0, views=2)
    for group in (slice(0, 2), slice(2, 4)):
        assert torch.allclose(full[group].std(), cond[group].std())
    assert torch.equal(d.cfg_rescale(guided, cond, 0.0), guided)
    half = d.cfg_rescale(guided, cond, 0.5, views=2)
    assert torch.allclose(half, 0.5 * guided + 0.5 * full)


def test_perpendicular_part_has_no_share_of_the_other():
    a, b = image(0), image(1)
    apart = d.perpendicular(a, b)
    assert torch.allclose((apart * b).flatten(1).sum(1), torch.zeros(4, dtype=DOUBLE), atol=1e-12)
    assert torch.allclose(d.perpendicular(3 * b, b), torch.zeros_like(b), atol=1e-12)
    assert torch.allclose(d.perpendicular(a, -2 * b), apart)


def test_clipping_shortens_long_gradients_and_leaves_short_ones():
    gradient = image(0) * torch.tensor([1e-3, 1.0, 10.0, 0.0], dtype=DOUBLE)[:, None, None, None]
    clipped = d.clip_gradient(gradient, 0.5)
    rms = clipped.flatten(1).square().mean(1).sqrt()
    assert torch.allclose(rms[1:3], torch.full((2,), 0.5, dtype=DOUBLE))
    assert torch.equal(clipped[0], gradient[0]) and torch.equal(clipped[3], gradient[3])
    assert torch.allclose(
        torch.cosine_similarity(clipped[2].flatten(), gradient[2].flatten(), dim=0), T.new_ones(())
    )
    assert d.clip_gradient(gradient, None) is gradient


def test_clipping_of_pixels_is_the_gradient_of_hubers_loss():
    residual = image(0).requires_grad_()
    length = residual.norm(dim=1)
    limit = float(length.detach().median())
    huber = torch.where(length <= limit, length.square() / 2, limit * (length - limit / 2)).sum()
    expected = torch.autograd.grad(huber, residual)[0]
    assert torch.allclose(d.clip_pixels(residual.detach(), limit), expected, atol=1e-12)
    still = torch.zeros_like(residual)
    assert torch.equal(d.clip_pixels(still, limit), still)
    assert d.clip_pixels(still, None) is still


def test_schedules_keep_their_sums():
    alpha, sigma = d.CosineSchedule().alpha_sigma(T)
    assert torch.allclose(alpha**2 + sigma**2, torch.ones_like(T))
    alpha, sigma = d.FlowSchedule(3.0).alpha_sigma(T)
    assert torch.allclose(alpha + sigma, torch.ones_like(T))


@pytest.mark.parametrize("kind", ["linear", "sqrt", "dreamtime"])
def test_walked_levels_fall_from_top_to_bottom(kind):
    levels = [d.scheduled_level(kind, p / 50, 0.02, 0.98) for p in range(51)]
    assert levels[0] == pytest.approx(0.98, abs=1e-3) and levels[-1] == pytest.approx(0.02, abs=1e-3)
    assert all(a >= b for a, b in pairwise(levels))
    assert d.scheduled_level(kind, -1.0, 0.02, 0.98) == levels[0]
    assert d.scheduled_level(kind, 2.0, 0.02, 0.98) == levels[-1]


def test_dreamtime_spends_its_time_as_its_weights_say():
    weights, step = [], 1e-4
    for i in range(200, 9800):
        t = i * step
        m, s = (0.8, 0.3) if t > 0.8 else (0.5, 0.1)
        weights.append(
            1.0 if 0.5 <= t <= 0.8 else torch.exp(torch.tensor(-((t - m) ** 2) / (2 * s**2))).item()
        )
    expected = sum(weights[4800:7800]) / sum(weights)
    moments = torch.linspace(0, 1, 4001)
    levels = torch.tensor([d.dreamtime_level(float(p), 0.02, 0.98) for p in moments])
    assert ((levels >= 0.5) & (levels <= 0.8)).float().mean().item() == pytest.approx(expected, abs=5e-3)


def test_square_root_walk_is_hifas():
    assert d.scheduled_level("sqrt", 0.25, 0.1, 0.9) == pytest.approx(0.9 - 0.8 * 0.5)


# ---- against diffusers ----


@pytest.mark.parametrize("beta_schedule", ["linear", "scaled_linear"])
def test_discrete_levels_are_diffusers_ddpm(beta_schedule):
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(beta_schedule=beta_schedule)
    ours = d.DiscreteSchedule(scheduler.alphas_cumprod)
    steps = torch.tensor([0, 1, 20, 499, 980, 999])
    alpha, sigma = ours.alpha_sigma(ours.level(steps).double())
    assert torch.allclose(alpha, scheduler.alphas_cumprod[steps].double().sqrt(), atol=1e-6)
    assert torch.allclose(sigma, (1 - scheduler.alphas_cumprod[steps].double()).sqrt(), atol=1e-6)
    assert torch.equal(ours.timestep(ours.level(steps)).round().long(), steps)
    x, noise = image(0), image(1)
    four = torch.tensor([20, 300, 700, 980])
    z = d.add_noise(x, noise, *ours.alpha_sigma(ours.level(four).double()))
    assert torch.allclose(z, scheduler.add_noise(x, noise, four), atol=1e-6)


def test_discrete_levels_between_timesteps_lie_between_them():
    ours = d.DiscreteSchedule(torch.cumprod(1 - d.scaled_linear_betas(), 0))
    alpha, sigma = ours.alpha_sigma(torch.tensor([0.5, 0.5005, 0.501], dtype=DOUBLE))
    assert alpha[0] > alpha[1] > alpha[2] and sigma[0] < sigma[1] < sigma[2]
    assert torch.allclose(alpha**2 + sigma**2, torch.ones(3, dtype=DOUBLE))


def test_stable_diffusions_betas_are_diffusers():
    from diffusers import DDIMScheduler

    betas = DDIMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012).betas
    assert torch.allclose(d.scaled_linear_betas(), betas.double(), atol=1e-8)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_x0_and_ddim_steps_are_diffusers(prediction):
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(
        beta_schedule="scaled_linear", prediction_type=prediction, clip_sample=False, set_alpha_to_one=False
    )
    scheduler.set_timesteps(50)
    ours = d.DiscreteSchedule(scheduler.alphas_cumprod)
    z, output, step = image(0), image(1), 500
    now, then = (ours.alpha_sigma(torch.full((4,), s / 1000, dtype=DOUBLE)) for s in (step, step - 20))
    x0 = {
        "epsilon": lambda: d.x0_from_noise(z, output, *now),
        "v_prediction": lambda: d.x0_from_v(z, output, *now),
        "sample": lambda: output,
    }[prediction]()
    theirs = scheduler.step(output, step, z)
    assert torch.allclose(x0, theirs.pred_original_sample, atol=1e-5)
    assert torch.allclose(d.ddim_step(z, x0, now, then), theirs.prev_sample, atol=1e-5)


def test_ancestral_steps_are_diffusers():
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False)
    scheduler.set_timesteps(50)
    ours = d.DiscreteSchedule(scheduler.alphas_cumprod)
    z, output, fresh = image(0), image(1), image(2)
    now, then = (ours.alpha_sigma(torch.full((4,), s / 1000, dtype=DOUBLE)) for s in (500, 480))
    x0 = d.x0_from_noise(z, output, *now)
    for eta in (0.0, 0.4, 1.0):
        theirs = scheduler.step(output, 500, z, eta=eta, variance_noise=fresh).prev_sample
        assert torch.allclose(d.ancestral_step(z, x0, now, then, fresh, eta), theirs, atol=1e-5)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_walk_with_exact_answers_ends_in_the_data(eta):
    """Data of one Gaussian per pixel, whose posterior mean is known: the samples have its mean and spread."""
    mean, spread, steps = 0.7, 0.2, 200
    schedule, generator = d.CosineSchedule(), torch.Generator().manual_seed(0)

    def answer(z, t):
        alpha, sigma = (d.per_image(s, z) for s in schedule.alpha_sigma(t))
        gain = alpha * spread**2 / (alpha**2 * spread**2 + sigma**2)
        return mean + gain * (z - alpha * mean)

    def fresh(_=None):
        return torch.randn(4, 3, 32, 32, generator=generator, dtype=DOUBLE)

    levels = [torch.full((4,), 0.999 * (1 - i / steps), dtype=DOUBLE) for i in range(steps)]
    drawn = d.denoising_walk(fresh(), levels, answer, schedule.alpha_sigma, fresh, eta)
    assert drawn.mean() == pytest.approx(mean, abs=0.01)
    assert drawn.std() == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_levels_and_steps_are_diffusers_euler(shift):
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    level = torch.arange(1000, 0, -1, dtype=DOUBLE) / 1000
    alpha, sigma = d.FlowSchedule(shift).alpha_sigma(level)
    assert torch.allclose(sigma, scheduler.sigmas[:1000].double(), atol=1e-6)
    scheduler.set_timesteps(10)
    z, flow = image(0), image(1)
    now, then = (
        (1 - s.double().expand(4), s.double().expand(4)) for s in (scheduler.sigmas[3], scheduler.sigmas[4])
    )
    x0 = d.x0_from_flow(z, flow, *now)
    scheduler._init_step_index(scheduler.timesteps[3])
    theirs = scheduler.step(flow, scheduler.timesteps[3], z).prev_sample
    assert torch.allclose(d.ddim_step(z, x0, now, then), theirs.to(DOUBLE), atol=1e-5)
    assert torch.allclose(alpha + sigma, torch.ones_like(alpha))


def test_rescale_is_diffusers_rescale():
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    guided, cond = image(0), image(1)
    assert torch.allclose(d.cfg_rescale(guided, cond, 0.7), rescale_noise_cfg(guided, cond, 0.7))
