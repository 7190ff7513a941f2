"""The closed-form priors against automatic differentiation and importance sampling."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dreamlab.core.cameras import orbit_cameras, turntable
from dreamlab.core.diffusion import CosineSchedule, FlowSchedule, add_noise
from dreamlab.core.errors import InputError
from dreamlab.core.types import Cameras, RenderOutput, Views
from dreamlab.priors.analytic import Component, GaussianMixturePrior, TargetImagesPrior

DOUBLE = torch.float64


def point(x: float, y: float) -> Tensor:
    return torch.tensor([x, y], dtype=DOUBLE).reshape(2, 1, 1)


def mixture(schedule=None) -> GaussianMixturePrior:
    return GaussianMixturePrior(
        [
            Component(point(1.0, 0.5), 0.3, weight=2.0, text="red"),
            Component(point(-1.0, 0.0), 0.5, text="blue", azimuth=0.0),
            Component(point(0.0, -1.0), 0.2, text="blue", azimuth=math.pi),
        ],
        schedule,
    )


def looking(azimuths: list[float]) -> Cameras:
    az = torch.tensor(azimuths)
    return orbit_cameras(az, torch.zeros_like(az), torch.ones_like(az), torch.ones_like(az), (1, 1))


def render(rgb: Tensor, opacity: Tensor | None = None, background: Tensor | None = None) -> RenderOutput:
    one = torch.ones_like(rgb[..., :1])
    return RenderOutput(
        rgb,
        one if opacity is None else opacity,
        one,
        torch.zeros_like(rgb) if background is None else background,
    )


def importance_mean(z: Tensor, x: Tensor, log_likelihood: Tensor) -> Tensor:
    share = torch.softmax(log_likelihood, 0)
    return (share[:, None] * x.flatten(1)).sum(0)


@pytest.mark.parametrize("schedule", [CosineSchedule(), FlowSchedule(2.0)])
@pytest.mark.parametrize("level", [0.05, 0.5, 0.95])
def test_denoised_mean_is_the_score_of_the_density(schedule, level):
    prior = mixture(schedule)
    z = torch.randn(8, 2, 1, 1, dtype=DOUBLE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    t = torch.full((8,), level, dtype=DOUBLE)
    condition = prior.embed([""] * 8)
    (score,) = torch.autograd.grad(prior.log_density(z, t, condition).sum(), z)
    alpha, sigma = (v[0] for v in prior.alpha_sigma(t))
    assert torch.allclose((alpha * prior.denoise(z, t, condition) - z) / sigma**2, score, atol=1e-9)


@pytest.mark.parametrize("prompt", ["", "red", "blue"])
def test_denoised_mean_is_the_posterior_mean_of_samples(prompt):
    prior, generator = mixture(), torch.Generator().manual_seed(1)
    x = prior.sample(prior.embed([prompt])[torch.zeros(200_000, dtype=torch.long)], generator)
    z, t = torch.tensor([[0.2, -0.1]], dtype=DOUBLE).reshape(1, 2, 1, 1), torch.tensor([0.45], dtype=DOUBLE)
    alpha, sigma = prior.alpha_sigma(t)
    log_likelihood = -(z - alpha * x).flatten(1).square().sum(1) / (2 * sigma**2)
    got = prior.denoise(z, t, prior.embed([prompt])).flatten()
    assert torch.allclose(got, importance_mean(z, x, log_likelihood), atol=0.01)


def test_a_shown_image_enters_the_posterior():
    prior, generator = mixture(), torch.Generator().manual_seed(2)
    x = prior.sample(prior.embed([""])[torch.zeros(200_000, dtype=torch.long)], generator)
    z, image = point(0.2, -0.1)[None], point(-0.4, -0.3)[None]
    t = torch.tensor([0.6], dtype=DOUBLE)
    alpha, sigma = prior.alpha_sigma(t)
    log_likelihood = -(z - alpha * x).flatten(1).square().sum(1) / (2 * sigma**2)
    log_likelihood -= (image - x).flatten(1).square().sum(1) / (2 * 0.5**2)
    got = prior.denoise_with_image(z, t, prior.embed([""]), image).flatten()
    assert torch.allclose(got, importance_mean(z, x, log_likelihood), atol=0.01)


def test_one_gaussian_is_shrunk_towards_its_mean():
    prior = GaussianMixturePrior([Component(point(1.0, 2.0), 0.5)], FlowSchedule())
    z, t = point(0.3, 0.3)[None], torch.tensor([0.4], dtype=DOUBLE)
    gain = 0.6 * 0.25 / (0.36 * 0.25 + 0.16)
    expected = point(1.0, 2.0) + gain * (z - 0.6 * point(1.0, 2.0))
    assert torch.allclose(prior.denoise(z, t, prior.embed([""])), expected)


def test_noise_levels_end_in_the_image_and_in_the_datas_mean():
    prior, z = mixture(), point(0.9, 0.4)[None]
    ends = torch.tensor([1e-4], dtype=DOUBLE), torch.tensor([1 - 1e-6], dtype=DOUBLE)
    assert torch.allclose(prior.denoise(z, ends[0], prior.embed([""])), z, atol=1e-3)
    mean = (2 * point(1.0, 0.5) + point(-1.0, 0.0) + point(0.0, -1.0)) / 4
    assert torch.allclose(prior.denoise(z, ends[1], prior.embed([""])), mean[None], atol=1e-4)


def test_text_and_camera_choose_components():
    prior, t = mixture(), torch.full((2,), 1 - 1e-6, dtype=DOUBLE)
    z = torch.zeros(2, 2, 1, 1, dtype=DOUBLE)
    red = prior.denoise(z, t, prior.embed(["a red dot"] * 2))
    assert torch.allclose(red, point(1.0, 0.5).expand(2, -1, -1, -1), atol=1e-4)
    seen = prior.denoise(z, t, prior.embed(["a blue dot"] * 2), Views(z, looking([0.0, math.pi])))
    assert torch.allclose(seen, torch.stack([point(-1.0, 0.0), point(0.0, -1.0)]), atol=1e-4)
    blind = prior.denoise(z, t, prior.embed(["a blue dot"] * 2))
    assert torch.allclose(blind, point(-0.5, -0.5).expand(2, -1, -1, -1), atol=1e-4)


def test_view_words_choose_components_only_when_said():
    front = Component(point(1.0, 0.0), 0.1, view="front")
    back = Component(point(-1.0, 0.0), 0.1, view="back")
    prior = GaussianMixturePrior([front, back])
    flags = prior.embed(["a dot", "a dot, front view", "a dot, back view", ""]).tokens[:, 0].tolist()
    assert flags == [[1, 1], [1, 0], [0, 1], [1, 1]]


def test_a_prompt_that_no_component_knows_is_refused():
    with pytest.raises(InputError, match=r"green.*'blue', 'red'"):
        mixture().embed(["a green dot"])


def test_samples_follow_the_weights():
    prior = mixture()
    x = prior.sample(
        prior.embed([""])[torch.zeros(40_000, dtype=torch.long)], torch.Generator().manual_seed(0)
    ).flatten(1)
    mean = (2 * point(1.0, 0.5) + point(-1.0, 0.0) + point(0.0, -1.0)).flatten() / 4
    assert torch.allclose(x.mean(0), mean, atol=0.02)


# ---- known views ----


def views(n: int = 4, channels: int = 4) -> tuple[Tensor, Cameras]:
    images = torch.rand(n, channels, 2, 2, generator=torch.Generator().manual_seed(0))
    return images, turntable(n, 0.3, 2.0, 0.7, (2, 2))


def test_a_known_camera_gives_its_known_view():
    images, cameras = views()
    prior = TargetImagesPrior(images, cameras)
    order = torch.tensor([2, 0, 3])
    z, t = torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(1)), torch.tensor([0.3, 0.9, 0.99])
    got = prior.denoise(z, t, prior.embed(["x"] * 3), Views(z, cameras[order]))
    assert torch.allclose(got, 2 * images[order] - 1, atol=1e-4)


def test_without_cameras_the_views_are_told_apart_by_what_is_seen():
    images, cameras = views()
    prior = TargetImagesPrior(images, cameras)
    x = 2 * images - 1
    low, high = torch.full((4,), 0.05), torch.full((4,), 0.9999)
    z = add_noise(x, torch.zeros_like(x), *prior.alpha_sigma(low))
    assert torch.allclose(prior.denoise(z, low, prior.embed([""] * 4)), x, atol=1e-3)
    blurred = prior.denoise(torch.zeros_like(x), high, prior.embed([""] * 4))
    assert torch.allclose(blurred, x.mean(0, keepdim=True).expand_as(x), atol=1e-3)


def test_four_channels_see_the_object_without_its_background():
    images, cameras = views()
    prior = TargetImagesPrior(images, cameras)
    color, opacity = torch.rand(4, 2, 2, 3), torch.rand(4, 2, 2, 1)
    for background in (torch.zeros(4, 2, 2, 3), torch.ones(4, 2, 2, 3)):
        rgb = color * opacity + (1 - opacity) * background
        x = prior.encode(render(rgb, opacity, background), cameras).x
        assert torch.allclose(x[:, :3], (2 * color * opacity - 1).permute(0, 3, 1, 2), atol=1e-6)
        assert torch.allclose(x[:, 3], 2 * opacity[..., 0] - 1, atol=1e-6)


def test_renders_of_another_size_are_brought_to_the_priors():
    images, cameras = views(channels=3)
    prior = TargetImagesPrior(images, cameras)
    large = images.repeat_interleave(2, 2).repeat_interleave(2, 3).permute(0, 2, 3, 1)
    assert prior.encode(render(large), cameras).x.shape == (4, 3, 2, 2)


def test_target_images_must_be_three_or_four_channels_with_a_camera_each():
    images, cameras = views()
    with pytest.raises(InputError, match="3 or 4"):
        TargetImagesPrior(images[:, :2], cameras)
    with pytest.raises(InputError, match="camera"):
        TargetImagesPrior(images[:3], cameras)
