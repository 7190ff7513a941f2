"""What each method is known for, on points in the plane."""

from __future__ import annotations

import math

import pytest
import torch
from guidance.still import Still

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.types import RenderOutput
from dreamlab.guidance import (
    CFGConfig,
    DDSConfig,
    ISMConfig,
    NoiseConfig,
    SDIConfig,
    SDSConfig,
    VSDConfig,
)
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors.analytic import Component, GaussianMixturePrior, TargetImagesPrior

SINGLE = torch.float32
PLAIN, HALF = CFGConfig(text=1), NoiseConfig(t_min=0.5, t_max=0.5)


def start(n: int = 64) -> torch.Tensor:
    return 0.8 * torch.randn(n, 2, generator=torch.Generator().manual_seed(0))


def test_sds_seeks_the_mode_and_forgets_the_spread(toy):
    scene = toy((0.5, 0.0, 0.6, "red"), dtype=SINGLE)
    rest = scene.descend(SDSConfig().build(scene.prior, PLAIN), start(), 300, 0.1)
    assert torch.allclose(rest.mean(0), torch.tensor([0.5, 0.0]), atol=0.02)
    assert (rest.std(0) < 0.1 * 0.6).all()


def test_vsd_keeps_the_spread_of_the_data_with_many_particles(toy):
    scene = toy((0.5, 0.0, 0.6, "red"), dtype=SINGLE)
    config = VSDConfig(weighting="uniform", learning_rate=1e-2, width=16)
    rest = scene.descend(config.build(scene.prior, PLAIN), start(), 300, 0.1)
    assert torch.allclose(rest.mean(0), torch.tensor([0.5, 0.0]), atol=0.1)
    assert ((rest.std(0) > 0.5 * 0.6) & (rest.std(0) < 1.5 * 0.6)).all()


def test_low_noise_levels_find_modes_that_high_ones_blur(toy):
    scene = toy((1.0, 0.0, 0.3, "red"), (-1.0, 0.0, 0.3, "red"), dtype=SINGLE)
    low = scene.descend(SDSConfig().build(scene.prior, PLAIN, NoiseConfig(t_max=0.3)), start(), 300, 0.2)
    high = scene.descend(SDSConfig().build(scene.prior, PLAIN, NoiseConfig(t_min=0.7)), start(), 300, 0.2)
    assert low[:, 0].abs().mean() > 0.8
    assert high[:, 0].abs().mean() < 0.1


def test_more_guidance_makes_the_prompt_surer(toy):
    scene = toy((0.5, 0.0, 0.6, "red"), (-0.5, 0.0, 0.6, "blue"), dtype=SINGLE)
    sure = []
    for scale in (1.0, 2.0, 6.0):
        rest = scene.descend(SDSConfig().build(scene.prior, CFGConfig(text=scale)), start(16), 200, 0.1)
        log_odds = 2 * 0.5 * rest[:, 0] / 0.6**2
        sure.append(torch.sigmoid(log_odds).mean().item())
    assert sure[0] < sure[1] < sure[2] and sure[2] > 0.99


def test_a_negative_prompt_is_kept_away_from(toy):
    parts = ((0.0, 0.0, 0.6, "red"), (0.0, -1.0, 0.6, "bad"), (0.0, 0.0, 0.6, "other"))
    plain, warned = toy(*parts, dtype=SINGLE), toy(*parts, negative="bad", dtype=SINGLE)
    without, away = (
        scene.descend(SDSConfig().build(scene.prior, CFGConfig(text=2)), start(16), 200, 0.1)
        for scene in (plain, warned)
    )
    assert away[:, 1].mean() > without[:, 1].mean() + 0.3


def test_dds_leaves_alone_what_already_fits(toy):
    scene = toy((1.0, 0.0, 0.5, "red"), (-1.0, 0.0, 0.5, "blue"), dtype=SINGLE)
    points = start(8)
    same = DDSConfig(source_prompt="red").build(scene.prior)
    same.set_source(lambda: Still(points))
    assert scene.tell(same, points)[0].abs().max() < 1e-6
    other = DDSConfig(source_prompt="blue").build(scene.prior)
    other.set_source(lambda: Still(points))
    assert (scene.tell(other, points)[0][:, 0] < 0).all(), "from blue at -1 towards red at +1"


def test_dds_asks_about_the_object_and_what_it_was_from_one_camera_with_the_views_of_each(toy):
    scene = toy((1.0, 0.0, 0.5, "red"), (-1.0, 0.0, 0.5, "blue"), dtype=SINGLE, watch=1)
    guidance, points = DDSConfig(source_prompt="blue").build(scene.prior), start(4)
    guidance.set_source(lambda: Still(points + 3))
    scene.tell(guidance, points)
    shown = [call["views"].x[:4, :, 0, 0] for call in scene.prior.calls]
    assert torch.equal(shown[0], points) and torch.equal(shown[1], points + 3)


@pytest.mark.parametrize("config", [ISMConfig(), SDIConfig(eta=0.0)])
def test_inverting_methods_vary_less_from_draw_to_draw_than_sds(toy, config):
    scene = toy((1.0, 0.0, 0.3, "red"), (-1.0, 0.0, 0.3, "red"), dtype=SINGLE)
    fixed, sds = (method.build(scene.prior, PLAIN, HALF) for method in (config, SDSConfig()))
    points = torch.full((1, 2), 0.2)

    def spread(guidance):
        return torch.cat([scene.tell(guidance, points, 0.5, seed)[0] for seed in range(20)]).std(0).max()

    assert spread(fixed) < 0.5 * spread(sds)


def test_an_inversion_is_not_tinted_by_the_mean_colour(toy):
    """Else what it adds at the lowest level is divided by noise that is almost none."""
    scene = toy((1.0, 0.0, 0.3, "red"), (-1.0, 0.0, 0.3, "blue"))
    scene.prior.mean = lambda condition, cameras: torch.ones(len(cameras), 2, 1, 1)
    scene.prior.with_mean_color_of = lambda x0, like, blur: x0 + 0.5 * like
    points = start(8).double()
    free, tinted = (
        scene.tell(SDIConfig().build(scene.prior, CFGConfig(text=3, mean_color=s), HALF), points)[0]
        for s in (None, 1.0)
    )
    assert torch.allclose(tinted, free - 0.5)


def test_views_of_one_object_agree_with_the_camera_that_sees_them():
    sides = ((1.0, 0.0), (-1.0, math.pi))
    parts = [Component(torch.tensor([x, 0.0]).reshape(2, 1, 1), 0.2, azimuth=a) for x, a in sides]
    prior = GaussianMixturePrior(parts)
    azimuth = torch.tensor([0.0, math.pi])
    cameras = orbit_cameras(azimuth, azimuth * 0, azimuth * 0 + 1, azimuth * 0 + 1, (1, 1))
    rgb = torch.zeros(2, 1, 1, 3, requires_grad=True)
    one = torch.ones(2, 1, 1, 1)
    level = NoiseConfig(t_min=0.6, t_max=0.6)
    guidance = SDSConfig().build(prior, CFGConfig(text=1, camera=1), level)
    out = guidance(
        RenderOutput(rgb, one, one, torch.zeros_like(rgb)),
        cameras,
        ViewPrompts(prior, "dot"),
        0.0,
        torch.Generator(),
    )
    (gradient,) = torch.autograd.grad(out.loss, rgb)
    assert gradient[0, 0, 0, 0] < -0.1 and gradient[1, 0, 0, 0] > 0.1


def test_a_known_object_is_brought_back_from_its_views():
    images = torch.rand(3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    azimuth = torch.tensor([0.0, 2.0, 4.0])
    cameras = orbit_cameras(azimuth, azimuth * 0, azimuth * 0 + 1, azimuth * 0 + 1, (2, 2))
    prior = TargetImagesPrior(images, cameras)
    prompts = ViewPrompts(prior, "anything", view_dependent=False)
    guidance = SDSConfig().build(prior, CFGConfig(text=5.0))
    color = torch.full((3, 2, 2, 3), 0.5, requires_grad=True)
    opacity = torch.full((3, 2, 2, 1), 0.5, requires_grad=True)
    optimiser, generator = torch.optim.Adam([color, opacity], lr=0.05), torch.Generator().manual_seed(0)
    for i in range(200):
        background = torch.rand(3, 1, 1, 3, generator=generator).expand(3, 2, 2, 3)
        render = RenderOutput(color + (1 - opacity) * background, opacity, opacity, background)
        out = guidance(render, cameras, prompts, i / 200, generator)
        optimiser.zero_grad()
        out.loss.backward()
        optimiser.step()
    assert torch.allclose(color.permute(0, 3, 1, 2), images[:, :3], atol=0.01)
    assert torch.allclose(opacity[..., 0], images[:, 3], atol=0.01)
    assert out.metrics["residual"] < 0.02
