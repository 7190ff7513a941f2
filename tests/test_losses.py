"""Regularisers against closed forms."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from known import BallSDF
from pydantic import TypeAdapter, ValidationError
from torch.nn import functional as F

from dreamlab.core.cameras import turntable
from dreamlab.core.errors import ConfigError
from dreamlab.core.schedules import Ramp
from dreamlab.core.types import Cameras, HasDistance, RenderOutput
from dreamlab.losses import (
    LOSS_KINDS,
    EikonalLossConfig,
    LossConfig,
    LossConfigs,
    OpacityLossConfig,
    WeightedLosses,
)
from dreamlab.losses.depth_variation import depth_variation_loss
from dreamlab.losses.eikonal import eikonal_points
from dreamlab.losses.normal_smoothness import normal_smoothness_loss
from dreamlab.losses.opacity import opacity_loss
from dreamlab.losses.opaqueness import opaqueness_loss
from dreamlab.losses.orientation import orientation_loss
from dreamlab.losses.z_variance import z_variance_loss
from dreamlab.render import VolumeRendererConfig
from dreamlab.render.background import SolidBackgroundConfig
from dreamlab.scenes import VoxelFieldConfig


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


# ---- weighed and summed ----


def read(value: Any) -> tuple[LossConfig, ...]:
    return TypeAdapter(LossConfigs).validate_python(value)


def render() -> RenderOutput:
    shape = (1, 4, 4)
    values = [torch.rand(*shape, c, generator=rng(c)) for c in (3, 1, 1, 3, 3)]
    rgb, opacity, depth, background, normal = values
    directions = F.normalize(normal.flip(-1), dim=-1)
    return RenderOutput(rgb, opacity, depth, background, normal, directions, depth)


def cameras() -> Cameras:
    return turntable(1, 0.0, 3.0, 0.6, (4, 4))


class Everything(BallSDF):
    """A scene that has whatever a loss may ask for."""

    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])

    def vertices(self) -> torch.Tensor:
        return torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]])

    def albedo(self, x: torch.Tensor) -> torch.Tensor:
        return x


def summed(value: Any, progress: float = 0.0) -> torch.Tensor:
    return WeightedLosses(read(value))(render(), Everything(0.5), cameras(), progress, rng())


def test_every_kind_can_be_asked_for_by_name_in_either_form() -> None:
    assert len(set(LOSS_KINDS)) == len(LOSS_KINDS) >= 8
    for kind in LOSS_KINDS:
        assert read({kind: 0.5}) == read([{"kind": kind, "weight": 0.5}]) == read({kind: {"weight": 0.5}})


def test_the_short_form_takes_weights_ramps_and_settings() -> None:
    ramp = {"start": 0, "end": 2, "from": 0.5}
    short = read({"opacity": ramp, "eikonal": {"weight": 3, "points": 64}})
    assert short == (
        OpacityLossConfig(weight=Ramp(start=0, end=2, from_=0.5)),
        EikonalLossConfig(weight=Ramp.constant(3), points=64),
    )


def test_two_losses_of_one_kind_add_up() -> None:
    twice = [{"kind": "opacity", "weight": 1}, {"kind": "opacity", "weight": 2}]
    torch.testing.assert_close(summed(twice), 3 * opacity_loss(render().opacity))


def test_only_losses_with_weight_are_worked_out() -> None:
    ramp = {"start": 0.0, "end": 2.0, "from": 0.5}
    assert summed({"opacity": ramp}, 0.2) == 0
    torch.testing.assert_close(summed({"opacity": ramp}, 0.75), 1.0 * opacity_loss(render().opacity))
    # A loss that is off does not even look: this one would need normals.
    blind = replace(render(), normal=None)
    losses = WeightedLosses(read({"orientation": 0, "opacity": 1}))
    assert losses(blind, BallSDF(0.5), cameras(), 0.0, rng()) > 0


def test_the_sum_of_all_losses_is_linear_in_their_weights() -> None:
    halves = summed(dict.fromkeys(LOSS_KINDS, 0.5))
    torch.testing.assert_close(summed(dict.fromkeys(LOSS_KINDS, 1.0)), 2 * halves)
    apart = [summed({kind: 0.5}) for kind in LOSS_KINDS]
    torch.testing.assert_close(torch.stack(apart).sum(), halves)


def test_what_losses_need_is_known_beforehand_and_only_while_they_count() -> None:
    def needs(value: Any, progress: float = 0.0) -> frozenset[str]:
        return WeightedLosses(read(value)).needs(progress)

    assert needs({"orientation": 1}) == needs({"normal_smoothness": 1}) == {"normal"}
    assert needs({"opacity": 1, "opaqueness": 1, "depth_variation": 1, "eikonal": 1}) == frozenset()
    assert needs({"z_variance": {"start": 0, "end": 1}}, 0.5) == {"depth_variance"}
    assert needs({"z_variance": {"start": 0, "end": 1}}) == needs({"orientation": 0}) == frozenset()


def test_a_loss_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValidationError, match="opasity"):
        read({"opasity": 1})
    with pytest.raises(ValidationError, match="opasity"):
        read([{"kind": "opasity"}])


# ---- eikonal ----


def ball_seen(radius: float = 0.5) -> tuple[RenderOutput, Cameras]:
    views = turntable(3, 0.3, 3.0, 0.6, (24, 24))
    with torch.no_grad():
        white = SolidBackgroundConfig().build(rng())
        seen = VolumeRendererConfig(samples=256).build()(BallSDF(radius), views, background=white)
    return seen, views


@pytest.mark.parametrize("slope", [1.0, 0.5, 3.0])
def test_eikonal_is_the_squared_error_of_the_slope(slope: float) -> None:
    seen, views = ball_seen()
    loss = EikonalLossConfig(points=512, epsilon=1e-3).build()
    # A ball's distance has its kink in the middle, where hardly a point falls.
    got = float(loss(seen, BallSDF(0.5, slope), views, rng()))
    assert got == pytest.approx((slope - 1) ** 2, abs=2e-3)


def test_eikonal_differences_reach_one_cell_of_the_finest_grid_unless_said() -> None:
    class Wavy(BallSDF):
        """Steep waves as long as a cell: they do not show at that distance."""

        def distance(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, 1] + 0.05 * torch.sin(x[:, 0] * 2 * math.pi / self.finest_cell)

    seen, views = ball_seen()
    config = EikonalLossConfig(points=256)
    fine = config.model_copy(update={"epsilon": 1e-3})
    assert config.build()(seen, Wavy(0.5), views, rng()) < 1.0 < fine.build()(seen, Wavy(0.5), views, rng())


def test_half_the_eikonal_points_lie_around_the_surface_and_half_anywhere() -> None:
    seen, views = ball_seen()
    config = EikonalLossConfig(points=2000, spread=0.02)
    x = eikonal_points(config, seen, views, rng())
    off = x[:1000].norm(dim=-1) - 0.5
    assert off.abs().mean() < 0.04 and off.std() == pytest.approx(0.02, rel=0.4)  # the ball's edge is soft
    cubed = x[1000:].norm(dim=-1) ** 3  # uniform in the ball: so is the cube of the radius
    assert cubed.max() <= 1 and cubed.mean() == pytest.approx(0.5, abs=0.04)
    assert x[:1000].mean(0).norm() < 0.2  # from all three sides


def test_where_nothing_is_seen_all_eikonal_points_lie_anywhere() -> None:
    seen, views = ball_seen()
    empty = replace(seen, opacity=seen.opacity * 0)
    a, b = rng(), rng()
    x = eikonal_points(EikonalLossConfig(points=100), empty, views, a)
    assert x.shape == (100, 3) and x.isfinite().all() and x.norm(dim=-1).max() <= 1
    eikonal_points(EikonalLossConfig(points=100), seen, views, b)
    assert torch.equal(a.get_state(), b.get_state())  # as much randomness, whatever is seen


def test_eikonal_is_refused_for_a_field_that_knows_no_distance() -> None:
    assert isinstance(BallSDF(0.5), HasDistance)
    field = VoxelFieldConfig(resolution=8).build(rng())
    with pytest.raises(ConfigError, match=r"field\.kind=sdf"):
        EikonalLossConfig().build()(render(), field, cameras(), rng())
