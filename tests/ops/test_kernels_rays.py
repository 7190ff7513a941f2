"""Marching, compositing and the occupancy grid: every back end against twins, closed forms and nerfacc."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_sets import BACKENDS, TRITON
from torch.nn import functional as F

from dreamlab import ops
from dreamlab.core.errors import InputError
from dreamlab.core.types import Rays, Samples
from dreamlab.ops import interface
from dreamlab.ops.field import reference


def random_rays(n, seed=0):
    """From outside, from inside, missing, and along axes."""
    generator = torch.Generator().manual_seed(seed)
    origins = torch.randn(n, 3, generator=generator) * 2
    directions = F.normalize(torch.randn(n, 3, generator=generator) * 0.6 - origins, dim=-1)
    axis = torch.eye(3)[torch.randint(0, 3, (n,), generator=generator)]
    directions = torch.where(torch.arange(n)[:, None] % 5 == 0, axis, directions)
    return Rays(origins, directions)


def random_grid(size, share, seed=0):
    return torch.rand(size, size, size, generator=torch.Generator().manual_seed(seed)) < share


def marched(backend, *arguments):
    with ops.use_backend(backend):
        return ops.march(*arguments)


# ---- marching ----


@pytest.mark.parametrize(
    ("size", "share", "step"), [(1, 1.0, 0.3), (7, 0.3, 0.05), (20, 0.02, 0.013), (33, 1.0, 0.021)]
)
def test_marching_finds_the_very_samples_of_the_twin(size, share, step, kernels):
    for n in (0, 1, 257, 600):
        rays, grid = random_rays(n, seed=n), random_grid(size, share)
        jitter = torch.rand(n, generator=torch.Generator().manual_seed(n))
        mine, theirs = (
            marched(kernels, rays, grid, step, jitter),
            marched("reference", rays, grid, step, jitter),
        )
        assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
    assert len(mine.t0) > 100


@given(
    origin=st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3),
    direction=st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3),
    step=st.floats(0.01, 3.0),
    jitter=st.floats(0, 1, width=32),
)
@settings(max_examples=60, deadline=None)
def test_any_ray_marches_alike_in_both_back_ends(origin, direction, step, jitter):
    rays, grid = Rays(torch.tensor([origin]), torch.tensor([direction])), random_grid(9, 0.4)
    arguments = (rays, grid, step, torch.tensor([jitter]))
    try:
        theirs = marched("reference", *arguments)
    except InputError:
        with pytest.raises(InputError, match="too many steps"):
            marched("native", *arguments)
        return
    assert all(torch.equal(a, b) for a, b in zip(marched("native", *arguments), theirs, strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
def test_samples_lie_in_occupied_cells_evenly_spaced_and_sorted(backend):
    rays, grid, step = random_rays(200), random_grid(10, 0.4), 0.037
    jitter = torch.rand(200, generator=torch.Generator().manual_seed(1))
    samples = marched(backend, rays, grid, step, jitter)
    points = ops.sample_points(rays, samples)
    assert points.abs().max() <= 1 + 1e-5
    cell = ((points + 1) * 5).clamp(0, 9).long()
    distance_to_wall = ((points + 1) * 5 - ((points + 1) * 5).round()).abs().amin(dim=1)
    sure = distance_to_wall > 1e-4
    assert grid[cell[:, 0], cell[:, 1], cell[:, 2]][sure].all()
    same_ray = samples.ray_index.diff() == 0
    assert (samples.ray_index.diff() >= 0).all() and (samples.t0.diff()[same_ray] > 0).all()
    gaps = samples.t0.diff()[same_ray] / step
    torch.testing.assert_close(gaps, gaps.round(), atol=1e-3, rtol=0)
    torch.testing.assert_close(samples.t1 - samples.t0, torch.full_like(samples.t0, step), atol=1e-6, rtol=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_full_box_is_covered_from_entry_to_exit(backend):
    rays = Rays(
        torch.tensor([[0.0, 0.0, 3.0], [0.25, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
    )
    samples = marched(backend, rays, torch.ones(4, 4, 4, dtype=torch.bool), 0.125, torch.full((2,), 0.5))
    assert torch.bincount(samples.ray_index).tolist() == [16, 6]
    assert samples.t0[0] == 2.0 and samples.t1[15] == 4.0
    assert samples.t0[16] == 0.0 and samples.t1[-1] == 0.75


@pytest.mark.parametrize("backend", BACKENDS)
def test_rays_that_miss_or_make_no_sense_have_no_samples(backend):
    inf, nan = float("inf"), float("nan")
    origins = [
        [0, 0, 3],
        [0, 5, 3],
        [2, 0, 0],
        [nan, 0, 0],
        [0, 0, 3],
        [inf, 0, 0],
        [0, 0, 0],
        [1e30, 1e30, 1e30],
    ]
    directions = [
        [0, 0, 1],
        [0, 0, -1],
        [0, 1, 0],
        [0, 0, 1],
        [nan, 0, -1],
        [-1, 0, 0],
        [0, 0, 0],
        [-1, 0, 0],
    ]
    rays = Rays(torch.tensor(origins, dtype=torch.float32), torch.tensor(directions, dtype=torch.float32))
    samples = marched(backend, rays, torch.ones(5, 5, 5, dtype=torch.bool), 0.1, torch.rand(8))
    assert samples.ray_index.tolist() == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_empty_grid_gives_no_samples_and_a_lone_cell_only_its_own(backend):
    rays, jitter, grid = random_rays(100), torch.full((100,), 0.5), torch.zeros(8, 8, 8, dtype=torch.bool)
    assert len(marched(backend, rays, grid, 0.05, jitter).t0) == 0
    grid[2, 5, 7] = True
    points = ops.sample_points(rays, marched(backend, rays, grid, 0.01, jitter))
    low = torch.tensor([-0.5, 0.25, 0.75])
    assert len(points) and ((points > low - 1e-5) & (points < low + 0.25 + 1e-5)).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_directions_that_are_too_short_still_cross_the_whole_box(backend):
    rays = Rays(torch.tensor([[0.0, 0.0, 3.0]]), torch.tensor([[0.0, 0.0, -0.01]]))
    samples = marched(backend, rays, torch.ones(2, 2, 2, dtype=torch.bool), 0.5, torch.zeros(1))
    assert len(samples.t0) == 400


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_senseless_step_is_refused(backend):
    rays, grid, jitter = random_rays(20), torch.ones(2, 2, 2, dtype=torch.bool), torch.zeros(20)
    for step in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="positive and finite"):
            marched(backend, rays, grid, step, jitter)
    with pytest.raises(InputError, match="too many steps"):
        marched(backend, rays, grid, 1e-6, jitter)


# ---- compositing ----


def packed(counts, seed=0, dtype=torch.float32):
    """Random samples, `counts` of them on each ray."""
    generator = torch.Generator().manual_seed(seed)
    ray = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts, dtype=torch.int64))
    n = ray.shape[0]
    t0 = torch.rand(n, generator=generator) + torch.arange(n)
    t1 = t0 + torch.rand(n, generator=generator) * 0.1
    sigma, rgb = torch.rand(n, generator=generator) * 30, torch.rand(n, 3, generator=generator)
    samples = Samples(ray, t0.to(dtype), t1.to(dtype))
    return sigma.to(dtype).requires_grad_(), rgb.to(dtype).requires_grad_(), samples


def in_double(sigma, rgb, samples):
    leaves = [t.detach().double().requires_grad_() for t in (sigma, rgb)]
    return *leaves, Samples(samples.ray_index, samples.t0.double(), samples.t1.double())


@pytest.mark.parametrize(
    "counts", [[], [0], [1], [0, 0, 3, 0], [15, 16, 17, 0, 33, 1], [1] * 600, [0] * 300 + [200]]
)
def test_compositing_and_its_gradients_equal_the_float64_twin(counts, kernels):
    sigma, rgb, samples = packed(counts)
    sigma64, rgb64, samples64 = in_double(sigma, rgb, samples)
    with ops.use_backend(kernels):
        mine = ops.composite(sigma, rgb, samples, len(counts))
    theirs = reference.composite(sigma64, rgb64, samples64, len(counts))
    gradients = [torch.randn(v.shape, generator=torch.Generator().manual_seed(5)) for v in mine]
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a.double(), b, atol=2e-6, rtol=1e-5)
    torch.autograd.backward(mine, gradients)
    torch.autograd.backward(theirs, [g.double() for g in gradients])
    for a, b in ((sigma, sigma64), (rgb, rgb64)):
        torch.testing.assert_close(a.grad.double(), b.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("backend", ["native", TRITON])
@pytest.mark.parametrize("output", range(4))
def test_each_output_alone_has_the_twins_gradient(output, backend):
    sigma, rgb, samples = packed([5, 0, 9])
    sigma64, rgb64, samples64 = in_double(sigma, rgb, samples)
    with ops.use_backend(backend):
        mine = ops.composite(sigma, rgb, samples, 3)[output].square().sum()
    theirs = reference.composite(sigma64, rgb64, samples64, 3)[output].square().sum()
    pairs = zip(
        torch.autograd.grad(mine, [sigma, rgb], allow_unused=True, materialize_grads=True),
        torch.autograd.grad(theirs, [sigma64, rgb64], allow_unused=True, materialize_grads=True),
        strict=True,
    )
    for a, b in pairs:
        torch.testing.assert_close(a.double(), b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_compositing_agrees_with_nerfacc(backend):
    nerfacc = pytest.importorskip("nerfacc")
    rays, each = 13, 21
    sigma, rgb, samples = packed([each] * rays)
    with ops.use_backend(backend):
        mine = ops.composite(sigma, rgb, samples, rays)
    t0, t1 = samples.t0.view(rays, each), samples.t1.view(rays, each)
    weights, _, _ = nerfacc.render_weight_from_density(t0, t1, sigma.view(rays, each))
    theirs = (
        nerfacc.accumulate_along_rays(weights, rgb.view(rays, each, 3)),
        nerfacc.accumulate_along_rays(weights)[:, 0],
        nerfacc.accumulate_along_rays(weights, ((t0 + t1) / 2)[..., None])[:, 0],
        weights.flatten(),
    )
    gradients = [torch.randn(v.shape, generator=torch.Generator().manual_seed(5)) for v in mine]
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    for a, b in zip(
        torch.autograd.grad(mine, [sigma, rgb], gradients),
        torch.autograd.grad(theirs, [sigma, rgb], gradients),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_uniform_fog_follows_beer_and_lambert(backend):
    edges = torch.linspace(1.0, 3.0, 101)
    samples = Samples(torch.zeros(100, dtype=torch.int64), edges[:-1], edges[1:])
    with ops.use_backend(backend):
        seen = ops.composite(torch.full((100,), 0.7), torch.full((100, 3), 0.25), samples, 1)
    opacity = 1 - math.exp(-0.7 * 2)
    assert seen.opacity.item() == pytest.approx(opacity, rel=1e-5)
    assert seen.rgb[0].tolist() == pytest.approx([0.25 * opacity] * 3, rel=1e-5)
    depth = (1 - 3 * math.exp(-1.4)) + opacity / 0.7  # the integral of t * 0.7 * exp(-0.7 (t - 1)) over 1..3
    assert seen.depth.item() == pytest.approx(depth, rel=1e-4)


@pytest.mark.parametrize("backend", ["reference", "native"])
@given(sigmas=st.lists(st.floats(0, 2.0**127, width=32), min_size=1, max_size=40))
@settings(max_examples=40, deadline=None)
def test_opacity_stays_within_one_and_gradients_finite_for_any_density(backend, sigmas):
    sigma = torch.tensor(sigmas, requires_grad=True)
    edges = torch.arange(len(sigmas) + 1) * 0.1
    samples = Samples(torch.zeros(len(sigmas), dtype=torch.int64), edges[:-1], edges[1:])
    with ops.use_backend(backend):
        seen = ops.composite(sigma, torch.ones(len(sigmas), 3), samples, 1)
    assert (seen.weights >= 0).all() and seen.opacity.item() <= 1 + 1e-5
    (seen.rgb.sum() + seen.depth.sum()).backward()
    assert sigma.grad.isfinite().all()


def test_faint_fog_keeps_its_relative_precision(kernels):
    for density in (1e-7, 1e-20, 1e-38):
        samples = Samples(torch.zeros(1, dtype=torch.int64), torch.zeros(1), torch.ones(1))
        with ops.use_backend(kernels):
            weight = ops.composite(torch.full((1,), density), torch.ones(1, 3), samples, 1).weights.item()
        assert weight == pytest.approx(density, rel=1e-5)


def test_threads_do_not_change_a_byte():
    rays, grid = random_rays(2000), random_grid(16, 0.5)
    outcomes, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            samples = marched("native", rays, grid, 0.02, torch.full((2000,), 0.3))
            points = ops.sample_points(rays, samples)
            sigma = (points.norm(dim=1) * 5).requires_grad_()
            seen = ops.composite(sigma, points.abs().clamp(max=1), samples, 2000)
            (gradient,) = torch.autograd.grad(seen.rgb.square().sum() + seen.depth.sum(), sigma)
            outcomes.append([*samples, points, *seen, gradient])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*outcomes, strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("index", [[1, 0], [0, 3], [-1, 0], [0, 2**62]])
def test_samples_out_of_order_are_refused(backend, index):
    sigma, rgb, samples = packed([2])
    wrong = samples._replace(ray_index=torch.tensor(index))
    with ops.use_backend(backend), pytest.raises(InputError, match="not sorted by ray"):
        ops.composite(sigma, rgb, wrong, 3)


def test_wrong_dtypes_and_shapes_are_refused_with_a_reason():
    sigma, rgb, samples = packed([2, 3])
    double = in_double(sigma, rgb, samples)
    with ops.use_backend("native"), pytest.raises(InputError, match="float32 on cpu, got float64"):
        ops.composite(*double, 2)
    rays, grid, jitter = random_rays(3), torch.ones(2, 2, 2, dtype=torch.bool), torch.zeros(3)
    with ops.use_backend("native"), pytest.raises(InputError, match="float32 on cpu, got float64"):
        ops.march(Rays(*(r.double() for r in rays)), grid, 0.1, jitter.double())
    with pytest.raises(InputError, match="occupancy does not fit"):
        interface.check_march(rays, grid.float(), 0.1, jitter)
    with pytest.raises(InputError, match="occupancy does not fit"):
        interface.check_march(rays, grid[:1], 0.1, jitter)
    with pytest.raises(InputError, match="jitter does not fit"):
        interface.check_march(rays, grid, 0.1, jitter[:2])
    with pytest.raises(InputError, match="rgb does not fit"):
        interface.check_composite(sigma, rgb[:, :2], samples, 2)
    with pytest.raises(InputError, match="int64"):
        interface.check_composite(sigma, rgb, samples._replace(ray_index=samples.ray_index.int()), 2)
    with pytest.raises(InputError, match="must not be negative"):
        interface.check_composite(sigma, rgb, samples, -1)


@pytest.mark.parametrize("backend", ["native", TRITON])
def test_non_contiguous_tensors_are_as_good_as_any(backend):
    sigma, rgb, samples = packed([4, 5])
    strided = torch.stack([sigma.detach(), sigma.detach()], dim=1)[:, 0].requires_grad_()
    turned = rgb.detach().T.contiguous().T.requires_grad_()
    assert not strided.is_contiguous() and not turned.is_contiguous()
    with ops.use_backend(backend):
        plain, odd = ops.composite(sigma, rgb, samples, 2), ops.composite(strided, turned, samples, 2)
    torch.autograd.backward(plain, [torch.ones_like(v) for v in plain])
    torch.autograd.backward(odd, [torch.ones(()).expand_as(v) for v in odd])
    assert all(torch.equal(a, b) for a, b in zip(plain, odd, strict=True))
    assert torch.equal(sigma.grad, strided.grad) and torch.equal(rgb.grad, turned.grad)


def test_sample_points_pass_gradients_to_the_rays():
    rays = random_rays(5)
    origins = rays.origins.requires_grad_()
    samples = Samples(torch.tensor([0, 0, 3]), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 3.0, 5.0]))
    ops.sample_points(Rays(origins, rays.directions), samples).sum().backward()
    assert origins.grad[:, 0].tolist() == [2, 0, 0, 1, 0]


# ---- the occupancy grid ----


def test_the_threshold_bows_to_the_mean_of_a_faint_field():
    ema = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.8]).view(2, 2, 2)
    assert ops.occupancy_threshold(ema, 10.0).sum() == 1
    assert ops.occupancy_threshold(ema + 20, 10.0).all()
    assert not ops.occupancy_threshold(torch.zeros(2, 2, 2), 10.0).any()
