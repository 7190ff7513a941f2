"""Regularisers against closed forms."""

import math

import pytest
import torch
from torch.nn import functional as F

from dreamlab.core.schedules import Ramp
from dreamlab.core.types import RenderOutput
from dreamlab.losses.terms import (
    LossesConfig,
    depth_variation_loss,
    normal_smoothness_loss,
    opacity_loss,
    opaqueness_loss,
    orientation_loss,
    total,
    z_variance_loss,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def facing(angle: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A normal at `angle` from the direction back to the camera, and the view direction; [1,1,1,3]."""
    normal = torch.tensor([math.sin(angle), 0.0, math.cos(angle)]).view(1, 1, 1, 3)
    return normal, torch.tensor([0.0, 0.0, -1.0]).view(1, 1, 1, 3)


def test_opacity_loss_is_a_tenth_when_empty() -> None:
    assert float(opacity_loss(torch.zeros(2, 4, 4, 1))) == pytest.approx(0.1)
    assert float(opacity_loss(torch.ones(2, 4, 4, 1))) == pytest.approx(math.sqrt(1.01))


def test_opaqueness_is_the_binary_entropy() -> None:
    p = torch.rand(2, 5, 5, 1, generator=rng()) * 0.98 + 0.01
    torch.testing.assert_close(opaqueness_loss(p), F.binary_cross_entropy(p, p))
    assert float(opaqueness_loss(torch.full((1, 1, 1, 1), 0.5))) == pytest.approx(math.log(2))
    for extreme in (0.0, 1.0):
        assert 0 <= float(opaqueness_loss(torch.full((1, 2, 2, 1), extreme))) < 0.002


@pytest.mark.parametrize("angle", [0.0, 0.8, math.pi / 2 + 0.3, math.pi])
def test_orientation_punishes_only_normals_that_face_away(angle: float) -> None:
    normal, direction = facing(angle)
    half = torch.full((1, 1, 1, 1), 0.5)
    expected = 0.5 * max(0.0, -math.cos(angle)) ** 2
    assert float(orientation_loss(normal * 0.5, half, direction)) == pytest.approx(expected, abs=1e-6)


def test_orientation_cannot_be_dodged_by_fading_away() -> None:
    normal, direction = facing(2.5)
    opacity = torch.full((1, 1, 1, 1), 0.7, requires_grad=True)
    loss = orientation_loss(normal.requires_grad_(), opacity, direction)
    loss.backward()
    assert opacity.grad is None and normal.grad is not None and normal.grad.abs().sum() > 0


def test_zero_normals_have_finite_gradients() -> None:
    normal = torch.zeros(1, 3, 3, 3, requires_grad=True)
    opacity, direction = torch.zeros(1, 3, 3, 1), torch.ones(1, 3, 3, 3) / math.sqrt(3)
    (orientation_loss(normal, opacity, direction) + normal_smoothness_loss(normal, opacity)).backward()
    assert normal.grad is not None and normal.grad.isfinite().all()


def test_equal_normals_are_smooth_and_opposite_ones_are_not() -> None:
    opacity = torch.ones(1, 4, 4, 1)
    flat = torch.tensor([0.0, 0.6, 0.8]).expand(1, 4, 4, 3)
    assert float(normal_smoothness_loss(flat, opacity)) == pytest.approx(0.0, abs=1e-9)
    split = flat.clone()
    split[:, :, 2:] *= -1  # one of the three column borders flips: |2n|^2 = 4 there
    assert float(normal_smoothness_loss(split, opacity)) == pytest.approx(4 / 3, rel=1e-5)


def test_depth_variation_is_the_mean_step_between_neighbours() -> None:
    """By hand, and as kornia has it, with its gradients."""
    kornia_losses = pytest.importorskip("kornia.losses")
    stairs = torch.tensor([[0.0, 1.0, 3.0], [0.5, 0.5, 0.5]]).view(1, 2, 3, 1)
    assert float(depth_variation_loss(stairs)) == pytest.approx((0.5 + 0.5 + 2.5) / 3 + (1 + 2 + 0 + 0) / 4)
    ours, theirs = (torch.rand(2, 6, 5, 1, generator=rng()).requires_grad_() for _ in range(2))
    got = depth_variation_loss(ours)
    wanted = kornia_losses.total_variation(theirs.permute(0, 3, 1, 2), reduction="mean").mean()
    got.backward()
    wanted.backward()
    torch.testing.assert_close(got, wanted)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_z_variance_counts_covered_pixels_only() -> None:
    variance = torch.tensor([0.2, 0.4, 9.0, 9.0]).view(1, 2, 2, 1)
    opacity = torch.tensor([0.9, 0.8, 0.3, 0.0]).view(1, 2, 2, 1)
    assert float(z_variance_loss(variance, opacity)) == pytest.approx(0.3)
    assert float(z_variance_loss(variance, opacity * 0)) == 0.0


def render() -> RenderOutput:
    shape = (1, 4, 4)
    values = [torch.rand(*shape, c, generator=rng(c)) for c in (3, 1, 1, 3, 3)]
    rgb, opacity, depth, background, normal = values
    return RenderOutput(rgb, opacity, depth, background, normal)


def test_only_terms_with_weight_are_worked_out() -> None:
    config = LossesConfig(opacity=Ramp(start=0.0, end=2.0, from_=0.5, to=1.0))
    assert config.terms(render(), 0.2) == {}
    terms = config.terms(render(), 0.75)
    assert list(terms) == ["opacity"]
    torch.testing.assert_close(terms["opacity"], 1.0 * opacity_loss(render().opacity))


def test_all_terms_are_weighted_and_summed() -> None:
    names = list(LossesConfig.model_fields)
    config = LossesConfig.model_validate(dict.fromkeys(names, 0.5))
    out = render()
    _, direction = facing(0.0)
    terms = config.terms(out, 0.0, directions=direction.expand(1, 4, 4, 3), depth_variance=out.depth)
    assert sorted(terms) == sorted(names)
    doubled = LossesConfig.model_validate(dict.fromkeys(names, 1.0)).terms(
        out, 0.0, directions=direction.expand(1, 4, 4, 3), depth_variance=out.depth
    )
    like = torch.zeros(())
    torch.testing.assert_close(total(doubled, like), 2 * total(terms, like))


def test_what_a_term_needs_is_known_beforehand() -> None:
    assert LossesConfig(orientation=Ramp.constant(1.0)).needs_normals(0.0)
    assert LossesConfig(normal_smoothness=Ramp.constant(1.0)).needs_normals(0.0)
    assert not LossesConfig(opacity=Ramp.constant(1.0)).needs_normals(0.0)
    assert LossesConfig(z_variance=Ramp(start=0.0, end=1.0)).needs_depth_variance(0.5)
    assert not LossesConfig(z_variance=Ramp(start=0.0, end=1.0)).needs_depth_variance(0.0)
    assert total({}, torch.zeros(())) == 0
