"""Views that the prior samples and the field is fitted to."""

from __future__ import annotations

import math

import pytest
import torch

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.errors import ConfigError, DamagedError
from dreamlab.core.types import Cameras
from dreamlab.guidance import CFGConfig, NoiseConfig
from dreamlab.stages.fit_views import FitViewsConfig
from dreamlab.stages.sampled_views import SampledViews

ONE = (0.5, -0.3, 0.2, "red")
RINGS = ((3, 10.0), (1, 60.0))
PLAIN = FitViewsConfig(rings=RINGS, every=5)
CFG = CFGConfig(text=1)
WALK = NoiseConfig(t_min=0.4, t_max=0.99, levels="linear")


def around(n: int) -> Cameras:
    return orbit_cameras(torch.zeros(n), torch.zeros(n), torch.ones(n), torch.ones(n), (1, 1))


def step(sampled, scene, progress: float = 0.0, points: torch.Tensor | None = None, seed: int = 0):
    """One step as the loop takes it: where the method looks, then what it says of points seen there."""
    generator = torch.Generator().manual_seed(seed)
    cameras = sampled.select_cameras(around(2), progress, generator)
    x = torch.zeros(len(cameras), 2, dtype=torch.float64) if points is None else points[: len(cameras)]
    return cameras, *scene.tell(sampled, x, progress, seed, cameras)


@pytest.fixture
def scene(toy):
    return toy(ONE)


def test_a_sampling_step_looks_at_whole_rings_and_others_at_remembered_views(scene):
    sampled = SampledViews(PLAIN, scene.prior, CFG, WALK)
    ring, _, _ = step(sampled, scene)
    assert len(ring) == 4
    assert torch.allclose(torch.rad2deg(ring.elevation), torch.tensor([10.0, 10.0, 10.0, 60.0]))
    gaps = (ring.azimuth[1:3] - ring.azimuth[:2]) % (2 * math.pi)
    assert torch.allclose(gaps, torch.full((2,), 2 * math.pi / 3))
    for seed in range(1, 5):
        seen, _, _ = step(sampled, scene, seed=seed)
        assert len(seen) == 2
        assert all(any(torch.equal(a, r) for r in ring.c2w) for a in seen.c2w)
    again, _, _ = step(sampled, scene, seed=5)
    assert len(again) == 4 and not torch.equal(again.c2w, ring.c2w)


def test_views_sampled_from_nothing_follow_the_priors_own_distribution(toy):
    """Ancestral sampling of a Gaussian: its mean, and its spread (within what 60 steps allow)."""
    scene = toy(ONE)
    config = PLAIN.model_copy(update={"rings": ((800, 0.0),), "sampling_steps": 60})
    sampled = SampledViews(config, scene.prior, CFG, WALK)
    _, gradient, _ = step(sampled, scene)
    targets = -gradient  # of points at zero
    assert torch.allclose(targets.mean(0), torch.tensor(ONE[:2], dtype=torch.float64), atol=0.03)
    assert torch.allclose(targets.std(0), torch.full((2,), ONE[2], dtype=torch.float64), rtol=0.15)


def test_between_samplings_the_gradient_is_the_distance_to_the_remembered_target(scene):
    sampled = SampledViews(PLAIN, scene.prior, CFG, WALK)
    ring, gradient, _ = step(sampled, scene)
    targets = -gradient
    seen, gradient, out = step(sampled, scene, seed=1, points=torch.ones(4, 2, dtype=torch.float64))
    rows = [next(i for i, r in enumerate(ring.c2w) if torch.equal(r, a)) for a in seen.c2w]
    assert torch.allclose(gradient, 1 - targets[rows])
    assert out.metrics["t"] == pytest.approx(0.99)


def test_at_low_levels_a_new_set_keeps_what_is_rendered(scene):
    moved = []
    for level in (0.05, 0.9):
        sampled = SampledViews(PLAIN, scene.prior, CFG, NoiseConfig(t_min=level, t_max=level))
        _, gradient, _ = step(sampled, scene, points=2 * torch.ones(4, 2, dtype=torch.float64))
        moved.append(float(gradient.norm()))
    assert moved[0] < 0.3 * moved[1]


class Averaging:
    """A prior that also says what is seen on average: always the point (3, 3)."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def mean(self, condition, cameras):
        return 3 * torch.ones(len(cameras), 2, 1, 1, dtype=torch.float64)

    def with_mean_color_of(self, x0, like, blur=None):
        raise AssertionError("colour is not held here")


def test_the_first_set_alone_begins_from_the_mean_pictures(toy):
    scene = toy(ONE)
    low = NoiseConfig(t_min=0.05, t_max=0.05)  # so low that what it begins from is kept
    config = PLAIN.model_copy(update={"begin": "mean", "every": 1})
    sampled = SampledViews(config, Averaging(scene.prior), CFG, low)
    for begun_from in (3.0, 0.0):
        _, gradient, _ = step(sampled, scene)  # of points at zero
        assert torch.allclose(-gradient, torch.full_like(gradient, begun_from), atol=0.7)


def test_a_prior_without_mean_pictures_is_refused_where_they_are_asked_for(scene):
    config = PLAIN.model_copy(update={"begin": "mean"})
    with pytest.raises(ConfigError, match=r"on average.*begin=field"):
        SampledViews(config, scene.prior, CFG, WALK)


def test_a_saved_set_goes_on_as_if_it_had_never_stopped(scene):
    whole, parts = (SampledViews(PLAIN, scene.prior, CFG, WALK) for _ in range(2))
    for seed in range(3):
        step(whole, scene, seed=seed)
    parts.load_state_dict(whole.state_dict())
    for seed in range(3, 8):
        (a, ga, _), (b, gb, _) = (step(g, scene, seed=seed) for g in (whole, parts))
        assert torch.equal(a.c2w, b.c2w) and torch.equal(ga, gb)
    with pytest.raises(DamagedError):
        parts.load_state_dict({})


def test_old_sets_are_forgotten(scene):
    config = FitViewsConfig(rings=((2, 0.0),), every=1, memory=2)
    sampled = SampledViews(config, scene.prior, CFG, WALK)
    for seed in range(4):
        step(sampled, scene, seed=seed)
    assert len([name for name in sampled.state_dict() if name.endswith("target")]) == 2


def test_the_cost_told_beforehand_is_the_denoisings_done(toy):
    scene = toy(ONE, watch=4)
    config = PLAIN.model_copy(update={"sampling_steps": 7, "steps": 12})
    sampled = SampledViews(config, scene.prior, CFG, WALK)
    for i in range(12):
        step(sampled, scene, progress=i / 11, seed=i)
    assert len(scene.prior.calls) == config.denoisings(WALK)


def test_rings_that_do_not_fill_the_priors_groups_are_refused_by_name(toy):
    scene = toy(ONE, watch=3)
    sampled = SampledViews(PLAIN, scene.prior, CFG, WALK)
    with pytest.raises(ConfigError, match=r"multiple of 3 views, got 4.*stages\.fit-views\.rings"):
        step(sampled, scene)
