"""Pictures beside a method, against closed forms: the loss, the rows that stay, the conditional mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from dreamlab.core.cameras import orbit_cameras, turntable
from dreamlab.core.diffusion import CosineSchedule
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras, Condition, GuidanceOut, RenderOutput, Views
from dreamlab.guidance import CFGConfig, NoiseConfig, SDSConfig
from dreamlab.guidance.base import gradient_loss
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.protocol import Guidance
from dreamlab.guidance.reference import (
    LEVEL,
    SOLID,
    BesidePictures,
    Picture,
    WithPictures,
    reference_loss,
)
from dreamlab.priors.embedded.model_space import to_model_space
from dreamlab.priors.embedded.prior import (
    EmbeddedPrior,
    alpha_sigma,
    by_channel,
    log_snr,
    relative_depth_of,
)

DOUBLE = torch.float64


def camera(azimuth: float, side: int) -> Cameras:
    turn, rest = torch.tensor([azimuth], dtype=DOUBLE), torch.ones(1, dtype=DOUBLE)
    return orbit_cameras(turn, 0.2 * rest, 3 * rest, 0.7 * rest, (side, side))


def picture(seed: int, side: int, azimuth: float = 0.3, weight: float = 1.0) -> Picture:
    generator = torch.Generator().manual_seed(seed)
    color = torch.rand(side, side, 3, generator=generator, dtype=DOUBLE)
    opacity = torch.rand(side, side, 1, generator=generator, dtype=DOUBLE)
    return Picture(color * opacity, opacity, camera(azimuth, side), weight)


def render(n: int, side: int, seed: int = 5) -> RenderOutput:
    """Views whose buffers are leaves of the graph."""
    generator = torch.Generator().manual_seed(seed)

    def sampled(channels: int) -> Tensor:
        return torch.rand(n, side, side, channels, generator=generator, dtype=DOUBLE)

    buffers = [sampled(channels).requires_grad_() for channels in (3, 1, 1)]
    return RenderOutput(*buffers, sampled(3))


def cameras(n: int, side: int) -> Cameras:
    ring = turntable(n, 0.2, 3.0, 0.7, (side, side))
    names = ("c2w", "fovy", "azimuth", "elevation", "distance")
    return replace(ring, **{name: getattr(ring, name).double() for name in names})


class FourViews:
    """Four views of one pixel column each, Gaussian together: x = mean + what they share + what is their own.

    E[x | z] = mean + alpha S (alpha^2 S + sigma^2)^-1 (z - alpha mean), with S over the views of a group.
    """

    views_per_group, channels = 4, 3

    def __init__(self, side: int, shared: float = 0.8, own: float = 0.3) -> None:
        self.resolution, self.schedule = side, CosineSchedule()
        self.covariance = shared**2 * torch.ones(4, 4, dtype=DOUBLE) + own**2 * torch.eye(4, dtype=DOUBLE)
        self.mean = torch.linspace(-0.3, 0.4, 4, dtype=DOUBLE)

    def embed(self, prompts: Sequence[str]) -> Condition:
        return Condition(torch.zeros(len(prompts), 1, 1), torch.ones(len(prompts), 1, dtype=torch.bool))

    def encode(self, out: RenderOutput, cameras: Cameras) -> Views:
        return Views(2 * out.premultiplied.movedim(-1, 1) - 1, cameras)

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return self.schedule.alpha_sigma(t)

    def denoise(self, z: Tensor, t: Tensor, condition: Condition, views: Views | None = None) -> Tensor:
        alpha, sigma = (float(v[0]) for v in self.alpha_sigma(t))
        gain = (
            alpha
            * self.covariance
            @ torch.linalg.inv(alpha**2 * self.covariance + sigma**2 * torch.eye(4, dtype=DOUBLE))
        )
        mean = self.mean.repeat(len(z) // 4)[:, None, None, None]
        apart = (z - alpha * mean).unflatten(0, (-1, 4))
        return mean + torch.einsum("ij,gj...->gi...", gain, apart).flatten(0, 1)

    def given_first(self, first: Tensor, t: float = 0.0) -> Tensor:
        """Of the views 2 to 4 the mean, given the first; seen through noise of level t."""
        alpha, sigma = (float(v) for v in self.alpha_sigma(torch.tensor([t], dtype=DOUBLE)))
        clear = alpha**2 * self.covariance + sigma**2 * torch.eye(4, dtype=DOUBLE)
        weight = clear[1:, 0] / clear[0, 0]
        return self.mean[1:, None, None, None] + weight[:, None, None, None] * (first - self.mean[0])


def sds(prior: FourViews, t: float) -> tuple[Guidance, ViewPrompts]:
    method = SDSConfig().build(prior, CFGConfig(text=1.0), NoiseConfig(t_min=t, t_max=t, shared=True))
    return method, ViewPrompts(prior, "x", view_dependent=False)


# ---- the loss ----


@pytest.mark.parametrize("side", [64, 32])
def test_the_gradient_of_the_loss_is_the_closed_one(side: int) -> None:
    """p = rgb - (1 - o) b, so d/drgb = 4 w s (p - c), and d/do = 4 w s (k (o - q) + (p - c) b)."""
    out, shown = render(2, side), picture(1, side, weight=1.7)
    reference_loss(out, 1, shown).backward()
    s = 64**2 / side**2
    apart = (out.premultiplied[1] - shown.premultiplied).detach()
    solid = (out.opacity[1] - shown.opacity).detach()
    by_opacity = SOLID * solid + (apart * out.background[1]).sum(-1, keepdim=True)
    torch.testing.assert_close(out.rgb.grad[1], 4 * 1.7 * s * apart)
    torch.testing.assert_close(out.opacity.grad[1], 4 * 1.7 * s * by_opacity)
    assert not out.rgb.grad[0].any() and out.depth.grad is None


def test_a_weight_of_one_is_a_prior_that_answers_the_picture() -> None:
    out, shown = render(1, 64), picture(2, 64)
    reference_loss(out, 0, shown).backward()
    got = out.rgb.grad.clone()
    out.rgb.grad = None
    x = 2 * torch.cat([out.premultiplied, out.opacity], -1) - 1
    answer = 2 * torch.cat([shown.premultiplied, shown.opacity], -1)[None] - 1
    counts = torch.tensor([1.0, 1.0, 1.0, SOLID], dtype=DOUBLE)
    gradient_loss(x, counts * (x - answer).detach(), answer, 0.5).loss.backward()
    torch.testing.assert_close(got, out.rgb.grad)


def test_what_stands_behind_the_object_does_not_come_into_the_loss() -> None:
    out, shown = render(1, 16), picture(3, 16)
    other = torch.rand_like(out.background)
    rgb = out.premultiplied + (1 - out.opacity) * other
    before = reference_loss(out, 0, shown)
    torch.testing.assert_close(before, reference_loss(replace(out, rgb=rgb, background=other), 0, shown))


def test_a_picture_of_another_size_is_averaged() -> None:
    fine = picture(4, 64)
    color, opacity = fine.sized(torch.zeros(1, 16, 16, 3, dtype=DOUBLE))
    means = fine.premultiplied.view(16, 4, 16, 4, 3).mean((1, 3))
    torch.testing.assert_close(color, means)
    assert opacity.shape == (16, 16, 1)


# ---- which views are pictures ----


def test_the_first_view_of_every_group_is_the_pictures_and_the_others_stay() -> None:
    shown = picture(1, 8)
    guidance, ring = WithPictures(Noting(), [shown], 4), cameras(8, 8)
    chosen = guidance.select_cameras(ring, 0.0, torch.Generator())
    for row in (0, 4):
        torch.testing.assert_close(chosen.c2w[row], shown.camera.c2w[0])
        assert float(chosen.distance[row]) == 3.0
    others = torch.tensor([1, 2, 3, 5, 6, 7])
    for name in ("c2w", "fovy", "azimuth", "elevation", "distance"):
        assert torch.equal(getattr(chosen, name)[others], getattr(ring, name)[others])


def test_of_many_pictures_half_a_group_is_shown_and_all_in_turn() -> None:
    pictures = [picture(k, 8, azimuth=0.1 * k) for k in range(5)]
    guidance, random = WithPictures(Noting(), pictures, 4), torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(30):
        chosen = guidance.select_cameras(cameras(4, 8), 0.0, random)
        angles = [round(10 * float(a)) for a in chosen.azimuth[:2]]
        assert len(set(angles)) == 2 and all(k in range(5) for k in angles)
        seen |= set(angles)
    assert seen == set(range(5))


def test_single_views_get_a_picture_beside_them_which_the_method_does_not_see() -> None:
    prior = FourViews(8)
    prior.views_per_group = 1
    inner = Noting()
    guidance, ring = WithPictures(inner, [picture(1, 8, azimuth=2.0)], 1), cameras(3, 8)
    chosen = guidance.select_cameras(ring, 0.0, torch.Generator())
    assert len(chosen) == 4 and float(chosen.azimuth[0]) == 2.0
    out = render(4, 8)
    guidance(out, chosen, ViewPrompts(prior, "x"), 0.0, torch.Generator()).loss.backward()
    assert inner.got is not None and torch.equal(inner.got.rgb, out.rgb[1:])
    assert out.rgb.grad[0].any() and not out.rgb.grad[1:].any()


class Noting:
    """A method that wants nothing, and keeps what it is shown."""

    got: RenderOutput | None = None

    def __call__(self, out: RenderOutput, cameras: Cameras, *rest: object) -> GuidanceOut:
        self.got = out
        return GuidanceOut(0.0 * out.rgb.sum(), {})

    def state_dict(self) -> dict[str, Tensor]:
        return {"kept": torch.ones(1)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.loaded = state


def test_what_the_method_keeps_is_kept() -> None:
    inner = Noting()
    guidance = WithPictures(inner, [picture(1, 8)], 4)
    guidance.load_state_dict(guidance.state_dict())
    assert inner.loaded == {"kept": torch.ones(1)}


def test_fewer_views_than_a_group_are_left_to_the_method_to_refuse() -> None:
    method, prompts = sds(FourViews(8), 0.5)
    guidance, two = WithPictures(method, [picture(1, 8)], 4), cameras(2, 8)
    assert guidance.select_cameras(two, 0.0, torch.Generator()) is two
    with pytest.raises(ConfigError, match="looks at views in groups"):
        guidance(render(2, 8), two, prompts, 0.0, torch.Generator())


def test_mean_pictures_get_the_colour_of_the_pictures_and_keep_their_pattern() -> None:
    """A mean picture of a dark and a bright red half, beside a blue picture, is as blue in the mean, and its
    halves are as far apart."""
    prior = EmbeddedPrior.__new__(EmbeddedPrior)
    prior.resolution, prior.views_per_group, prior.device = 16, 4, torch.device("cpu")
    mean = torch.zeros(4, 5, 16, 16)
    mean[:, :4] = torch.tensor([0.2, -0.6, -0.6, 1.0])[:, None, None]
    mean[:, 0, 8:] += 0.4
    known = {"conditional_mean": lambda *inputs: mean.clone(), "config": SimpleNamespace(patch=4)}
    prior.__dict__["network"] = SimpleNamespace(**known)
    solid = torch.ones(16, 16, 1)
    blue = torch.tensor([0.1, 0.2, 0.9])
    shown = BesidePictures(prior, [Picture(blue.expand(16, 16, 3), solid, camera(0.0, 16))])
    said = Condition(torch.zeros(4, 1, 1), torch.ones(4, 1, dtype=torch.bool))
    got = shown.mean(said, turntable(4, 0.2, 3.0, 0.7, (16, 16)))
    torch.testing.assert_close((got[:, :3].mean((0, 2, 3)) + 1) / 2, blue)
    torch.testing.assert_close(got[:, 0, 8:].mean() - got[:, 0, :8].mean(), torch.tensor(0.4))
    torch.testing.assert_close(got[:, 3:], mean[:, 3:])


def test_the_prior_gets_a_picture_with_little_noise_but_for_its_depth() -> None:
    """With an oracle for a network, which returns the v of clean views, x0_hat is these views whatever the
    levels; what reaches it is alpha x + sigma eps with levels by channel, and the noise of z."""
    side, x = 16, torch.randn(4, 5, 16, 16, generator=torch.Generator().manual_seed(3))
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(4))
    shown_at, around = camera(0.4, side), turntable(4, 0.2, 3.0, 0.7, (side, side))
    views = replace(around, c2w=torch.cat([shown_at.c2w.float(), around.c2w[1:]]))
    t = torch.full((4,), 0.8)
    color_t = torch.tensor([LEVEL, 0.8, 0.8, 0.8])
    alpha, sigma = by_channel(alpha_sigma(color_t), alpha_sigma(t))
    got = []

    def network(z: Tensor, mean: Tensor, snr: Tensor, *rest: object) -> Tensor:
        got.append((z, snr))
        return alpha * noise - sigma * x

    network.config = SimpleNamespace(patch=4)  # type: ignore[attr-defined]
    network.conditional_mean = lambda *inputs: torch.zeros_like(x)  # type: ignore[attr-defined]
    prior = EmbeddedPrior.__new__(EmbeddedPrior)
    prior.resolution, prior.views_per_group, prior.device, prior.bfloat16 = 16, 4, torch.device("cpu"), False
    prior.__dict__["network"] = network
    picture_of = Picture(torch.zeros(16, 16, 3), torch.ones(16, 16, 1), replace(shown_at, c2w=views.c2w[:1]))
    said = Condition(torch.zeros(4, 1, 1), torch.ones(4, 1, dtype=torch.bool), torch.zeros(4, 1))
    flat_alpha, flat_sigma = by_channel(alpha_sigma(t), alpha_sigma(t))
    z = flat_alpha * x + flat_sigma * noise
    answer = BesidePictures(prior, [picture_of]).denoise(z, t, said, Views(x, views))
    torch.testing.assert_close(got[0][0], alpha * x + sigma * noise, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(got[0][1], log_snr(color_t))
    torch.testing.assert_close(answer, x, atol=1e-5, rtol=1e-4)
    BesidePictures(prior, [picture_of]).denoise(z, t, said, None)
    assert torch.equal(got[1][0], z) and torch.equal(got[1][1], log_snr(t))


# ---- what the prior sees ----


def test_the_prior_sees_the_picture_and_the_other_views_untouched() -> None:
    inner, shown = Noting(), picture(1, 8)
    guidance, out = WithPictures(inner, [shown], 4), render(4, 8)
    chosen = guidance.select_cameras(cameras(4, 8), 0.0, torch.Generator())
    guidance(out, chosen, ViewPrompts(FourViews(8), "x"), 0.0, torch.Generator())
    got = inner.got
    assert got is not None
    torch.testing.assert_close(got.premultiplied[0], shown.premultiplied)
    assert torch.equal(got.opacity[0], shown.opacity)
    for name in ("rgb", "opacity", "depth", "background"):
        assert torch.equal(getattr(got, name)[1:], getattr(out, name)[1:])


def test_depth_of_a_picture_is_the_renders_own_as_far_as_that_is_solid() -> None:
    """Relief of a solid render at one distance is that distance's; of fog without matter it is none."""
    inner, solid = Noting(), torch.ones(8, 8, 1, dtype=DOUBLE)
    shown = Picture(0.5 * solid.expand(8, 8, 3), solid, camera(0.0, 8))
    guidance, out = WithPictures(inner, [shown], 4), render(4, 8)
    for opacity, relief in ((1.0, 0.4), (0.0, 0.0)):
        there = torch.full_like(out.opacity, opacity)
        depth = there * (3.0 - 0.4)
        chosen = guidance.select_cameras(cameras(4, 8), 0.0, torch.Generator())
        got = guidance.shown(replace(out, opacity=there, depth=depth), chosen)
        near = got.opacity[0] * 3.0 - got.depth[0]
        torch.testing.assert_close(near, torch.full_like(near, relief), atol=0.01, rtol=0)
    x = to_model_space(got.premultiplied, got.opacity, relative_depth_of(got, chosen))
    assert float(x[0].detach().abs().max()) < 2


@pytest.mark.parametrize("known", [True, False])
def test_unseen_views_go_to_their_mean_given_the_known_one(
    known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Score distillation of three free views beside a known one, of a Gaussian over all four: at level t it
    rests where the gradient's expectation is 0, at their mean given the first as seen through that noise,
    which for small t is the mean itself. Without the picture it rests at the mean of all. The answer is
    linear in the noise, so that without any the gradient is its expectation."""
    monkeypatch.setattr("dreamlab.guidance.base.sample_noise", lambda x, generator: torch.zeros_like(x))
    side, t, first = 2, 0.1, torch.tensor(0.8, dtype=DOUBLE)
    prior = FourViews(side)
    method, prompts = sds(prior, t)
    one = torch.ones(side, side, 1, dtype=DOUBLE)
    weight = 0.1 * side**2 / 64**2  # so that its view takes steps as the others do
    shown = Picture(0.9 * one.expand(side, side, 3), one, camera(0, side), weight)  # 0.8 to the prior
    guidance = WithPictures(method, [shown], 4)
    wanted = prior.given_first(first, t) if known else prior.mean[1:, None, None, None]
    free = torch.full((4, side, side, 3), 0.5, dtype=DOUBLE, requires_grad=True)
    random, chosen = torch.Generator().manual_seed(0), cameras(4, side)
    steps = torch.optim.SGD([free], lr=8.0)
    for _ in range(400):
        chosen = guidance.select_cameras(chosen, 0.0, random)
        out = RenderOutput(free, one.expand(4, -1, -1, -1), one.expand(4, -1, -1, -1), torch.zeros_like(free))
        steps.zero_grad()
        (guidance if known else method)(out, chosen, prompts, 0.0, random).loss.backward()
        steps.step()
    got = 2 * free.detach().mean((1, 2, 3)) - 1
    torch.testing.assert_close(got[1:], wanted.mean((1, 2, 3)), atol=1e-3, rtol=0)
    assert float(got[0]) == pytest.approx(0.8 if known else float(prior.mean[0]), abs=1e-3)


def test_at_little_noise_that_mean_is_the_mean_of_the_views_given_the_picture() -> None:
    prior, first = FourViews(2), torch.tensor(0.8, dtype=DOUBLE)
    torch.testing.assert_close(prior.given_first(first, 0.1), prior.given_first(first), atol=0.05, rtol=0)
