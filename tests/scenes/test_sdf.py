"""The field of signed distances: closed forms, how it hardens, and that it finds a ball more exactly."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import pytest
import torch
from known import BALL_RADIUS, red_ball_prior
from torch.nn import functional as F

from dreamlab.core.cameras import turntable
from dreamlab.core.schedules import Ramp
from dreamlab.core.types import Field, HasDistance
from dreamlab.guidance import CFGConfig, NoiseConfig, SDSConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.mesh.geometry.topology import is_closed
from dreamlab.mesh.surface.extract import ExtractConfig, extract
from dreamlab.render import VolumeRendererConfig
from dreamlab.render.background import SolidBackgroundConfig
from dreamlab.scenes import FieldConfig, HashGridFieldConfig, SDFField, SDFFieldConfig
from dreamlab.scenes.sdf import volsdf_density
from dreamlab.stages.base import OptimiseConfig
from dreamlab.stages.optimise import StepEvent, optimise
from dreamlab.stages.watchdog import WatchdogConfig

GRID: dict[str, Any] = {"levels": 4, "log2_table_size": 12, "finest_resolution": 48, "width": 32}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def field(**settings: Any) -> SDFField:
    return SDFFieldConfig(**{**GRID, **settings}).build(rng())


def points(n: int = 500) -> torch.Tensor:
    return torch.rand(n, 3, generator=rng(5)) * 2 - 1


# ---- closed forms ----


@pytest.mark.parametrize("radius", [0.3, 0.7])
def test_it_begins_as_a_ball_whose_distances_are_right(radius: float) -> None:
    x = points()
    torch.testing.assert_close(
        field(radius=radius).distance(x).detach(), x.norm(dim=-1) - radius, atol=1e-4, rtol=0
    )


def test_nothing_lies_outside_the_unit_sphere_whatever_is_learned() -> None:
    ball = field()
    with torch.no_grad():
        ball.radius.fill_(5.0)  # all of space is inside
    x = points()
    torch.testing.assert_close(ball.distance(x).detach(), x.norm(dim=-1) - 1)
    assert (ball.density(F.normalize(x, dim=-1) * 1.001) == 0).all()
    mesh = extract(ball, ExtractConfig(resolution=32, views=2, view_size=16)).mesh
    assert is_closed(mesh.faces.numpy())
    assert (mesh.vertices.norm(dim=-1) - 1).abs().max() < 0.05


def test_it_knows_its_surface() -> None:
    ball = field()
    assert isinstance(ball, HasDistance) and isinstance(ball, Field)
    assert not isinstance(HashGridFieldConfig(**GRID).build(rng()), HasDistance)
    assert ball.finest_cell == pytest.approx(2 / 48, rel=0.05)


@pytest.mark.parametrize("beta", [0.1, 0.01])
def test_density_is_the_laplace_distribution_of_the_distance(beta: float) -> None:
    distance = torch.linspace(-3 * beta, 3 * beta, 101, dtype=torch.float64)
    laplace = torch.distributions.Laplace(torch.zeros(1).double(), torch.tensor([beta]).double())
    got = volsdf_density(distance, torch.tensor(beta).double())
    torch.testing.assert_close(got, laplace.cdf(-distance) / beta)
    assert float(volsdf_density(torch.zeros(1), torch.tensor(beta))) == pytest.approx(0.5 / beta)


def test_density_far_away_is_small_but_never_lost_to_rounding() -> None:
    far = volsdf_density(torch.tensor([0.2]), torch.tensor(0.01))
    assert float(far) == pytest.approx(50 * math.exp(-20), rel=1e-4)
    distance = torch.tensor([0.0, 5.0, -5.0], requires_grad=True)
    volsdf_density(distance, torch.tensor(0.001)).sum().backward()
    assert distance.grad is not None and distance.grad.isfinite().all()


def test_the_fields_density_is_that_of_its_distance() -> None:
    ball, x = field(), points()
    sigma, rgb = ball(x)
    expected = volsdf_density(ball.distance(x), torch.tensor(0.1)) * (x.norm(dim=-1) <= 1)
    torch.testing.assert_close(sigma, expected)
    torch.testing.assert_close(ball.density(x), sigma)
    assert rgb.shape == (500, 3) and (rgb >= 0).all() and (rgb <= 1).all()


def test_rendered_normals_are_the_distances_own() -> None:
    """Deep in a hard ball the density is flat; the distance still tells where outside is."""
    ball = field()
    ball.advance(1.0)
    with torch.no_grad():
        seen = VolumeRendererConfig(samples=256).build()(
            ball, turntable(1, 0.0, 3.0, 0.6, (25, 25)), background=SolidBackgroundConfig().build(rng()),
            buffers={"normal"},
        )  # fmt: skip
    assert seen.normal is not None
    torch.testing.assert_close(seen.normal[0, 12, 12], torch.tensor([0.0, 0.0, 1.0]), atol=0.02, rtol=0)


# ---- how it hardens ----


def test_beta_follows_the_stage_and_is_part_of_the_state() -> None:
    ball = field(beta=Ramp(start=0.1, end=0.02, to=0.5))
    assert float(ball.beta) == pytest.approx(0.1)
    ball.advance(0.25)
    assert float(ball.beta) == pytest.approx(0.06)
    other = field()
    other.load_state_dict(ball.state_dict())
    assert float(other.beta) == pytest.approx(0.06)


def test_a_second_stage_goes_on_as_hard_as_the_first_one_ended() -> None:
    ball = field()
    ball.advance(1.0)
    ball.advance(0.0)
    assert float(ball.beta) == pytest.approx(0.01)


def test_a_restart_is_soft_again_and_takes_more_room() -> None:
    ball = field(radius=0.4)
    fresh = {k: v.clone() for k, v in ball.state_dict().items()}
    with torch.no_grad():
        for parameter in ball.parameters():
            parameter.add_(1.0)
    ball.advance(1.0)
    ball.restart(rng())
    assert all(torch.equal(v, fresh[k]) for k, v in ball.state_dict().items())
    ball.restart(rng(), blob_factor=2.0)
    on = torch.tensor([[0.0, 0.4 * 2 ** (1 / 3), 0.0]])
    assert ball.distance(on).item() == pytest.approx(0, abs=1e-4)  # twice the volume
    ball.restart(rng(), blob_factor=1000.0)
    assert float(ball.radius) == pytest.approx(0.95)


def test_a_learned_beta_learns_in_a_group_of_its_own() -> None:
    ball = field(learn_beta=True)
    ball.advance(1.0)
    assert float(ball.beta) == pytest.approx(0.1)  # the ramp only says where it starts
    assert ball.parameter_groups()["beta"] == ["log_beta"] and "beta" not in field().parameter_groups()
    ball.density(points()).sum().backward()
    assert ball.log_beta.grad is not None and float(ball.log_beta.grad) != 0
    with torch.no_grad():
        ball.log_beta.fill_(-100.0)
    assert float(ball.beta) == pytest.approx(1e-3)


def test_a_beta_that_vanishes_is_refused() -> None:
    with pytest.raises(ValueError, match="beta"):
        SDFFieldConfig(beta=Ramp(start=0.1, end=0.0))


@pytest.mark.parametrize("learn_beta", [False, True])
def test_every_parameter_is_in_one_group(learn_beta: bool) -> None:
    ball = field(learn_beta=learn_beta)
    grouped = [name for names in ball.parameter_groups().values() for name in names]
    assert sorted(grouped) == sorted(name for name, _ in ball.named_parameters())


# ---- in the loop ----


def distilled(config: FieldConfig, seed: int = 0, state: Any = None, **stage: Any) -> Generator[StepEvent]:
    """The red ball's prior, four of its own views a step."""
    prior = red_ball_prior()
    cameras = {
        "kind": "orbit", "elevation": [17.2, 17.2], "fovy": [40.1, 40.1], "distance_factor": [0.857, 0.857],
    }  # fmt: skip
    settings = {"steps": 40, "views": 4, "cameras": cameras, "lr": {"start": 0.02, "end": 0.003}, **stage}
    return optimise(
        OptimiseConfig.model_validate(settings),
        config.build(rng(1)),
        VolumeRendererConfig().build(),
        prior,
        SDSConfig().build(prior, CFGConfig(text=1.0), NoiseConfig(t_max=Ramp(start=0.98, end=0.3))),
        ViewPrompts(prior, "a red ball"),
        seed,
        state,
    )


def error_of(events: Generator[StepEvent]) -> float:
    """Root mean square distance of the mesh's corners from the true ball; the mesh must be closed."""
    ball = list(events)[-1].state.scene
    mesh = extract(ball, ExtractConfig(resolution=32, views=4, view_size=32)).mesh
    assert is_closed(mesh.faces.numpy())
    return float((mesh.vertices.norm(dim=-1) - BALL_RADIUS).square().mean().sqrt())


def test_a_ball_is_found_more_exactly_than_by_a_density() -> None:
    eikonal = {"eikonal": {"weight": 1.0, "points": 1000}}
    density = error_of(distilled(HashGridFieldConfig(**GRID)))
    distance = error_of(distilled(SDFFieldConfig(**GRID), losses=eikonal))
    assert distance < 0.02 and distance < density / 2


@pytest.mark.parametrize("learn_beta", [False, True])
def test_a_resumed_run_is_the_uninterrupted_one(learn_beta: bool) -> None:
    settings: dict[str, Any] = {
        "steps": 6, "views": 4, "losses": {"eikonal": {"weight": 1.0, "points": 64}, "orientation": 0.1},
        "lr_scale": {"beta": 0.2} if learn_beta else {},
    }  # fmt: skip
    config = SDFFieldConfig(**GRID, learn_beta=learn_beta)
    whole = list(distilled(config, **settings))
    half = distilled(config, **settings)
    saved = [next(half).state.state_dict() for _ in range(3)][-1]
    rest = list(distilled(config, state=saved, **settings))
    assert [e.metrics for e in rest] == [e.metrics for e in whole[3:]]
    a, b = (events[-1].state.state_dict() for events in (rest, whole))
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_the_watchdog_begins_a_collapsed_distance_field_anew() -> None:
    """Every step counts as empty: first it is rolled back, then begun anew, softer and with more room."""
    watchdog = WatchdogConfig(empty_below=0.99, patience=2, attempts=2)
    events = distilled(SDFFieldConfig(**GRID), steps=8, views=4, watchdog=watchdog)
    for event in events:
        if event.recovery and event.recovery.kind == "restart":
            break
    else:
        raise AssertionError("it was not begun anew")
    ball = event.state.scene
    assert event.state.step == 0 and isinstance(ball, SDFField)
    assert float(ball.beta) == pytest.approx(0.1) and float(ball.radius) > 0.6
