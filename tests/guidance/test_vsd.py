"""The score model that variational distillation trains along."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dreamlab.core.errors import DamagedError
from dreamlab.guidance import CFGConfig, NoiseConfig, SDSConfig, VSDConfig

ONE = (0.5, 0.0, 0.6, "red")
POINTS = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))


class GaussianScore(nn.Module):
    """x0_hat of one Gaussian whose mean is learnt; the cosine schedule."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(1, 2, 1, 1))
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, z, t, condition, views):
        angle = (t * torch.pi / 2)[:, None, None, None]
        alpha, sigma = angle.cos(), angle.sin()
        gain = alpha * 0.01 / (alpha**2 * 0.01 + sigma**2)
        return self.mean + gain * (z - alpha * self.mean)


def test_a_priors_own_copy_is_trained_on_the_renders(toy):
    scene = toy(ONE, dtype=torch.float32)
    scene.prior.trainable_copy = GaussianScore
    guidance = VSDConfig(learning_rate=0.02).build(scene.prior)
    assert isinstance(guidance.score, GaussianScore) and list(guidance.trained) == ["mean"]
    renders = torch.tensor([[0.3, -0.6]]) + 0.1 * POINTS
    for i in range(150):
        scene.tell(guidance, renders, seed=i)
    assert torch.allclose(guidance.score.mean.flatten(), renders.mean(0), atol=0.06)
    assert guidance.score.frozen.item() == 1.0


def test_a_copy_learns_slowly_and_the_correction_faster_unless_told(toy):
    scene = toy(ONE, dtype=torch.float32)

    def rate(**settings):
        return VSDConfig(**settings).build(scene.prior).optimiser.param_groups[0]["lr"]

    assert (rate(), rate(learning_rate=0.5)) == (1e-3, 0.5)
    scene.prior.trainable_copy = GaussianScore
    assert (rate(), rate(score="small"), rate(learning_rate=0.5)) == (1e-4, 1e-3, 0.5)


class BrokenScore(GaussianScore):
    """Its answer is fine and its gradient is not, as in an overflow of float16."""

    def forward(self, z, t, condition, views):
        x0 = super().forward(z, t, condition, views)
        if x0.requires_grad:
            x0.register_hook(lambda gradient: gradient * torch.inf)
        return x0


def test_a_gradient_that_is_not_finite_changes_nothing_and_is_said(toy):
    scene = toy(ONE, dtype=torch.float32)
    scene.prior.trainable_copy = BrokenScore
    guidance = VSDConfig().build(scene.prior)
    with pytest.warns(UserWarning, match="the score model's gradient was not finite"):
        gradient, _ = scene.tell(guidance, POINTS)
    assert gradient.isfinite().all()
    assert guidance.score.mean.abs().sum() == 0 and not guidance.optimiser.state


def test_it_starts_as_the_prior_so_that_unguided_renders_stay(toy):
    scene = toy(ONE, dtype=torch.float32)
    guidance = VSDConfig().build(scene.prior, CFGConfig(text=1))
    assert scene.tell(guidance, POINTS)[0].abs().max() < 1e-6
    assert scene.tell(guidance, POINTS)[0].abs().max() > 1e-4, "after one update it differs"


def test_the_prior_is_not_among_what_is_trained(toy):
    scene = toy(ONE, dtype=torch.float32)
    scene.prior.means.requires_grad_()
    guidance = VSDConfig().build(scene.prior)
    scene.tell(guidance, POINTS)
    assert scene.prior.means.grad is None
    assert all(p is not scene.prior.means for p in guidance.trained.values())


def test_training_lowers_the_score_loss(toy):
    scene = toy(ONE, dtype=torch.float32)
    guidance = VSDConfig(learning_rate=1e-2).build(scene.prior)
    renders = torch.tensor([[-0.7, 0.9]]).expand(64, 2)
    losses = [scene.tell(guidance, renders, seed=i)[1].metrics["score_loss"] for i in range(120)]
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])


def test_building_does_not_disturb_the_global_random_numbers(toy):
    scene = toy(ONE, dtype=torch.float32)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = VSDConfig().build(scene.prior)
    assert torch.equal(torch.rand(3), expected)
    second = VSDConfig().build(scene.prior)
    assert all(
        torch.equal(a, b) for a, b in zip(first.trained.values(), second.trained.values(), strict=True)
    )


def test_resumed_training_is_the_uninterrupted_one(toy):
    scene = toy(ONE, dtype=torch.float32)
    config = VSDConfig(learning_rate=1e-2)
    straight, stopped = config.build(scene.prior), config.build(scene.prior)
    for i in range(5):
        scene.tell(straight, POINTS, seed=i)
        scene.tell(stopped, POINTS, seed=i)
    resumed = VSDConfig(learning_rate=1e-2, seed=9).build(scene.prior)
    resumed.load_state_dict({k: v.clone() for k, v in stopped.state_dict().items()})
    for i in range(5, 10):
        a, b = scene.tell(straight, POINTS, seed=i), scene.tell(resumed, POINTS, seed=i)
        assert torch.equal(a[0], b[0]) and a[1].metrics == b[1].metrics
    assert all(torch.equal(v, resumed.state_dict()[k]) for k, v in straight.state_dict().items())


def test_a_fresh_state_can_be_loaded_before_any_step(toy):
    scene = toy(ONE, dtype=torch.float32)
    fresh, other = VSDConfig().build(scene.prior), VSDConfig(seed=3).build(scene.prior)
    other.load_state_dict(fresh.state_dict())
    assert torch.equal(scene.tell(other, POINTS)[0], scene.tell(fresh, POINTS)[0])
    assert torch.equal(scene.tell(other, POINTS)[0], scene.tell(fresh, POINTS)[0])


@pytest.mark.parametrize("spoil", ["missing", "shape", "extra"])
def test_a_state_of_another_model_is_refused(toy, spoil):
    scene = toy(ONE, dtype=torch.float32)
    guidance = VSDConfig().build(scene.prior)
    state = guidance.state_dict()
    if spoil == "missing":
        state.pop("score.net.last.weight")
    elif spoil == "shape":
        state["score.net.last.weight"] = torch.zeros(1)
    else:
        state["score.net.other"] = torch.zeros(1)
    with pytest.raises(DamagedError, match="does not fit"):
        guidance.load_state_dict(state)


def test_without_spread_in_the_score_model_vsd_would_be_guided_sds_less_the_noise(toy):
    # At initialisation the residual is x0_cond - x0_guided: SDS's with the prior's own error taken out.
    parts = (ONE, (-0.5, 0.0, 0.6, "blue"))
    scene = toy(*parts)
    points, half = POINTS.double(), NoiseConfig(t_min=0.5, t_max=0.5)
    vsd, guided, plain = (
        scene.tell(method.build(scene.prior, CFGConfig(text=scale), half), points)[0]
        for method, scale in ((VSDConfig(weighting="uniform"), 4.0), (SDSConfig(), 4.0), (SDSConfig(), 1.0))
    )
    assert torch.allclose(vsd, guided - plain, atol=1e-6)
