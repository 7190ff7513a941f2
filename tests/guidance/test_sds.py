"""How SDS, and with it every method, asks the prior: passes, groups, levels, guidance of text, camera and
views."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.diffusion import cfg_combine, perpendicular
from dreamlab.core.errors import ConfigError, DamagedError
from dreamlab.core.schedules import Ramp
from dreamlab.core.types import Cameras, Views
from dreamlab.guidance import ASDConfig, CFGConfig, NoiseConfig, SDSConfig, X0Config
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors.analytic import Component, GaussianMixturePrior

TWO = ((1.0, 0.2, 0.4, "red"), (-1.0, 0.0, 0.6, "blue"))
POINTS = torch.tensor([[0.3, 0.1], [-0.2, 0.4], [0.0, -0.5], [0.7, 0.7]], dtype=torch.float64)


def around(n: int) -> Cameras:
    zero = torch.zeros(n)
    return orbit_cameras(zero, zero, zero + 1, zero + 1, (1, 1))


def test_text_guidance_is_one_call_with_the_prompts_views_first(toy):
    scene = toy(*TWO, watch=4)
    scene.tell(SDSConfig().build(scene.prior), POINTS)
    (call,) = scene.prior.calls
    assert call["n"] == 8 and call["views"] is not None
    assert call["tokens"].tolist() == [[1.0, 0.0]] * 4 + [[1.0, 1.0]] * 4
    assert torch.equal(call["z"][:4], call["z"][4:])


def test_guidance_scale_one_asks_only_the_prompt(toy):
    scene = toy(*TWO, watch=1)
    scene.tell(SDSConfig().build(scene.prior, CFGConfig(text=1)), POINTS)
    assert [c["n"] for c in scene.prior.calls] == [4]


def test_equal_camera_and_text_scales_ask_without_camera_only_once(toy):
    scene = toy(*TWO, watch=4)
    scene.tell(SDSConfig().build(scene.prior, CFGConfig(text=5, camera=5)), POINTS)
    seen, blind = scene.prior.calls
    assert (seen["n"], seen["views"] is None) == (4, False)
    assert (blind["n"], blind["views"] is None) == (4, True)
    assert blind["tokens"].tolist() == [[1.0, 1.0]] * 4


def test_different_camera_and_text_scales_ask_three_passes(toy):
    scene = toy(*TWO, watch=4)
    scene.tell(SDSConfig().build(scene.prior, CFGConfig(text=5, camera=2)), POINTS)
    assert [(c["n"], c["views"] is None) for c in scene.prior.calls] == [(8, False), (4, True)]


@pytest.mark.parametrize("scale", [5.0, 2.0])
def test_camera_guidance_adds_both_differences(scale):
    component = [
        Component(torch.tensor([x, y]).double().reshape(2, 1, 1), 0.5, text=text, azimuth=a)
        for x, y, text, a in (
            (1, 0, "red", 0.0),
            (-1, 0, "red", math.pi),
            (0, 1, "blue", 0.0),
            (0, -1, "blue", 2.0),
        )
    ]
    prior = GaussianMixturePrior(component)
    prompts = ViewPrompts(prior, "red", view_dependent=False)
    azimuth = torch.tensor([0.3, 1.0, 2.0, 3.0])
    cameras = orbit_cameras(azimuth, azimuth * 0, azimuth * 0 + 1, azimuth * 0 + 1, (1, 1))
    guidance = SDSConfig().build(prior, CFGConfig(text=5.0, camera=scale))
    z, t = POINTS[:, :, None, None], torch.full((4,), 0.5, dtype=torch.float64)
    got = guidance.cfg.apply(guidance.cfg.predict(z, t, prompts, Views(z, cameras)))
    uncond_no_camera = prior.denoise(z, t, prompts.null(4))
    seen = prior.denoise(z, t, prompts.null(4), Views(z, cameras))
    cond = prior.denoise(z, t, prompts.positive(cameras), Views(z, cameras))
    assert torch.allclose(got, uncond_no_camera + scale * (seen - uncond_no_camera) + 5.0 * (cond - seen))


def test_a_small_batch_limit_cuts_between_groups_and_changes_nothing(toy):
    whole, cut = toy(*TWO, watch=2), toy(*TWO, watch=2)
    expected = whole.tell(SDSConfig().build(whole.prior, noise=NoiseConfig(shared=True)), POINTS)[0]
    for limit, sizes in ((3, [2, 2, 2, 2]), (4, [4, 4]), (1, [2, 2, 2, 2])):
        cut.prior.calls.clear()
        got = cut.tell(SDSConfig(max_batch=limit).build(cut.prior, noise=NoiseConfig(shared=True)), POINTS)[0]
        assert [c["n"] for c in cut.prior.calls] == sizes
        assert torch.allclose(got, expected)


def test_views_that_do_not_fill_a_group_are_refused(toy):
    scene = toy(*TWO, watch=4)
    with pytest.raises(ConfigError, match="multiple of 4"):
        scene.tell(SDSConfig().build(scene.prior), POINTS[:3])


def test_levels_are_shared_by_all_by_the_group_or_by_none(toy):
    def distinct(watch, **settings):
        scene = toy(*TWO, watch=watch)
        scene.tell(SDSConfig().build(scene.prior, noise=NoiseConfig(**settings)), POINTS)
        return len(set(scene.prior.calls[0]["t"][:4].tolist()))

    assert distinct(1, shared=True) == 1
    assert distinct(1, shared=False) == 4
    assert distinct(2, shared=False) == 2
    assert distinct(2, shared=True) == 1


def test_groups_are_groups_though_all_levels_are_equal(toy, monkeypatch):
    """What else is sampled by group follows the settings: equal levels do not make one group of two."""
    scene = toy(*TWO, watch=2)
    asd = ASDConfig(shift=0.5).build(scene.prior, CFGConfig(text=1), NoiseConfig(t_min=0.2, t_max=0.9))
    monkeypatch.setattr(asd, "levels", lambda n, *_: torch.full((n,), 0.4))
    scene.tell(asd, POINTS)
    (call,) = scene.prior.calls
    assert call["t"][:4].tolist() == pytest.approx([0.4] * 4)
    a, b, c, d = call["t"][4:].tolist()
    assert a == b != c == d and min(a, c) > 0.4


def test_levels_stay_inside_their_moving_ends(toy):
    scene = toy(*TWO)
    noise = NoiseConfig(t_min=Ramp(start=0.6, end=0.1), t_max=Ramp(start=0.9, end=0.3))
    guidance = SDSConfig().build(scene.prior, noise=noise)
    for progress, low, high in ((0.0, 0.6, 0.9), (0.5, 0.35, 0.6), (1.0, 0.1, 0.3)):
        levels = guidance.levels(2000, progress, torch.Generator().manual_seed(0))
        assert levels.min() >= low - 1e-6 and levels.max() <= high + 1e-6
        assert levels.min() < low + 0.01 and levels.max() > high - 0.01


def test_walked_levels_do_not_draw(toy):
    scene = toy(*TWO)
    guidance = SDSConfig().build(scene.prior, noise=NoiseConfig(levels="linear", t_min=0.2, t_max=0.8))
    assert guidance.levels(3, 0.5, torch.Generator()).tolist() == pytest.approx([0.5] * 3)


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        (NoiseConfig, {"t_min": 0.0}),
        (NoiseConfig, {"t_max": 1.0}),
        (NoiseConfig, {"t_min": 0.7, "t_max": 0.5}),
        (NoiseConfig, {"t_min": {"start": 0.1, "end": 0.9}, "t_max": 0.8}),
        (CFGConfig, {"perp_neg": True, "camera": 2.0}),
        (CFGConfig, {"text": -1.0}),
        (SDSConfig, {"text": 7.5}),
    ],
)
def test_settings_that_make_no_sense_are_refused(config, wrong):
    with pytest.raises(ValidationError):
        config.model_validate(wrong)


def test_perp_neg_is_its_formula():
    views = [(1, 0, "front"), (0, 1, "side"), (-1, 0, "back"), (0, -1, "overhead")]
    prior = GaussianMixturePrior(
        [Component(torch.tensor([x, y]).double().reshape(2, 1, 1), 0.5, view=v) for x, y, v in views]
    )
    prompts = ViewPrompts(prior, "dot")
    azimuth = torch.deg2rad(torch.tensor([10.0, 60.0, 120.0, 170.0]))
    cameras = orbit_cameras(azimuth, azimuth * 0, azimuth * 0 + 1, azimuth * 0 + 1, (1, 1))
    guidance = SDSConfig().build(prior, CFGConfig(perp_neg=True, text=4.0))
    z, t = POINTS[:, :, None, None], torch.full((4,), 0.5, dtype=torch.float64)
    got = guidance.cfg.apply(guidance.cfg.predict(z, t, prompts, Views(z, cameras)))
    perp, null = prompts.perp_neg(cameras), prior.denoise(z, t, prompts.null(4))
    towards = prior.denoise(z, t, perp.positive) - null
    expected = null + 4.0 * towards
    for i, negative in enumerate(perp.negatives):
        away = perpendicular(prior.denoise(z, t, negative) - null, towards)
        expected = expected + 4.0 * perp.weights[:, i, None, None, None] * away
    assert torch.allclose(got, expected)
    assert not torch.allclose(got, cfg_combine(null, null + towards, 4.0), atol=1e-3)


def test_gradient_clipping_bounds_each_images_gradient(toy):
    scene = toy(*TWO)
    free = scene.tell(SDSConfig().build(scene.prior, CFGConfig(text=50)), POINTS)[0]
    held = scene.tell(SDSConfig(grad_clip=0.5).build(scene.prior, CFGConfig(text=50)), POINTS)[0]
    assert free.square().mean(1).sqrt().max() > 0.5
    assert (held.square().mean(1).sqrt() <= 0.5 + 1e-9).all()


def test_pixel_clipping_bounds_the_gradient_of_every_pixel(toy):
    scene = toy(*TWO)
    free = scene.tell(SDSConfig().build(scene.prior, CFGConfig(text=50)), POINTS)[0]
    held = scene.tell(SDSConfig(pixel_clip=0.5).build(scene.prior, CFGConfig(text=50)), POINTS)[0]
    length = free.norm(dim=1, keepdim=True)
    assert length.max() > 0.5
    assert torch.allclose(held, free * (0.5 / length).clamp_max(1.0))


def test_x0_reconstruction_holds_the_spread_of_each_group(toy):
    scene = toy(*TWO, watch=2)
    guidance = X0Config(rescale=1.0).build(scene.prior)
    z, t = POINTS[:, :, None, None], torch.full((4,), 0.5, dtype=torch.float64)
    pred = guidance.cfg.predict(z, t, scene.prompts, Views(z, around(4)))
    for group in (slice(0, 2), slice(2, 4)):
        assert torch.allclose(guidance.cfg.apply(pred)[group].std(), pred.cond[group].std())


def test_mean_colour_is_guided_apart_on_the_mean_pictures_of_prompt_and_reference(toy):
    scene = toy(*TWO, watch=2)
    asked = []

    def mean(condition, cameras):
        asked.append((condition.tokens.tolist(), len(cameras)))
        return len(asked) * POINTS[:, :, None, None]

    scene.prior.mean, scene.prior.with_mean_color_of = mean, lambda x0, like, blur: x0 + 100 * like
    scales = (None, 4.0)
    free, held = (SDSConfig().build(scene.prior, CFGConfig(text=9, mean_color=s)) for s in scales)
    z, t = POINTS[:, :, None, None], torch.full((4,), 0.5, dtype=torch.float64)
    pred = held.cfg.predict(z, t, scene.prompts, Views(z, around(4)))
    conditions = (scene.prompts.positive(around(4)), scene.prompts.negative(4))
    assert asked == [(c.tokens.tolist(), 4) for c in conditions]
    assert torch.allclose(held.cfg.apply(pred), free.cfg.apply(pred) + 100 * cfg_combine(2 * z, z, 4.0))
    free.cfg.predict(z, t, scene.prompts, Views(z, around(4)))
    assert len(asked) == 2


def test_a_prior_without_mean_pictures_cannot_guide_the_mean_colour(toy):
    with pytest.raises(ConfigError, match=r"on average.*cfg\.mean_color=null"):
        SDSConfig().build(toy(*TWO).prior, CFGConfig(mean_color=1))


def test_metrics_tell_the_residual_the_level_and_the_gradient(toy):
    scene = toy(*TWO)
    guidance = SDSConfig().build(scene.prior, CFGConfig(text=1), NoiseConfig(t_min=0.5, t_max=0.5))
    gradient, out = scene.tell(guidance, POINTS)
    assert float(out.metrics["t"]) == pytest.approx(0.5)
    assert float(out.metrics["residual"]) == pytest.approx(gradient.square().mean().sqrt().item())
    assert float(out.metrics["grad_norm"]) == pytest.approx(gradient.norm().item() / 4)


def test_the_same_seed_gives_the_same_gradient(toy):
    scene = toy(*TWO)
    guidance = SDSConfig().build(scene.prior)
    first, again, other = (scene.tell(guidance, POINTS, seed=s)[0] for s in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_priors_parameters_get_no_gradient(toy):
    scene = toy(*TWO)
    scene.prior.means.requires_grad_()
    scene.tell(SDSConfig().build(scene.prior), POINTS)
    assert scene.prior.means.grad is None
    out = SDSConfig().build(scene.prior)
    z, t = POINTS[:, :, None, None], torch.full((4,), 0.5, dtype=torch.float64)
    assert not out.cfg.apply(out.cfg.predict(z, t, scene.prompts, Views(z, around(4)))).requires_grad


def test_methods_that_do_not_learn_have_no_state(toy):
    scene = toy(*TWO)
    guidance = SDSConfig().build(scene.prior)
    assert guidance.state_dict() == {}
    guidance.load_state_dict({})
    with pytest.raises(DamagedError, match=r"score\.w"):
        guidance.load_state_dict({"score.w": torch.zeros(1)})
