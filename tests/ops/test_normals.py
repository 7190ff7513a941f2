"""Normals against fields whose gradients are known, and the heaviest sample of a ray."""

import pytest
import torch
from torch.nn import functional as F

from dreamlab import ops
from dreamlab.core.types import Samples


def points(n=50):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(0)) * 0.3


def by_autograd(density, x):
    """The oracle: -grad density, by one backward pass."""
    at = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(density(at).sum(), at)
    return F.normalize(-gradient, dim=-1)


def test_normals_of_a_blob_point_outwards():
    x = points()
    blob = lambda p: torch.exp(-p.square().sum(dim=-1))  # noqa: E731
    got = ops.normals_finite_difference(blob, x, 1e-2)
    torch.testing.assert_close(got, F.normalize(x, dim=-1), atol=2e-2, rtol=0)


def test_finite_differences_are_exact_on_linear_fields():
    slope = torch.tensor([1.0, -2.0, 0.5])
    got = ops.normals_finite_difference(lambda p: p @ slope, points(), 0.25)
    torch.testing.assert_close(got, F.normalize(-slope, dim=0).expand(50, 3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("backend", ["reference", "native"])
def test_normals_are_those_of_autograd_on_a_hash_grid_away_from_cell_borders(backend):
    spec = ops.HashGridSpec(levels=2, log2_table_size=12, base_resolution=4, finest_resolution=8)
    generator = torch.Generator().manual_seed(1)
    table = torch.randn(spec.table_rows, 2, generator=generator)
    density = lambda p: ops.hash_encode((p + 1) / 2, table, spec).sum(dim=-1)  # noqa: E731
    x = points(400).clamp(-0.9, 0.9)
    with ops.use_backend(backend):
        exact, got = by_autograd(density, x), ops.normals_finite_difference(density, x, 1e-3)
    same_cell = torch.ones(400, dtype=torch.bool)
    for scale in spec.scales:
        position = (x + 1) / 2 * scale + 0.5
        same_cell &= ((position - position.round()).abs() > 2e-2).all(dim=1)
    assert same_cell.sum() > 100
    torch.testing.assert_close(got[same_cell], exact[same_cell], atol=5e-2, rtol=0)


def test_a_flat_field_has_no_normal_and_no_nan():
    assert (ops.normals_finite_difference(lambda p: (p * 0).sum(dim=-1), points(), 1e-2) == 0).all()


@pytest.mark.parametrize("scale", [1e-40, 1e37])
def test_denormal_and_huge_gradients_still_give_unit_normals(scale):
    slope = torch.tensor([scale, 0.0, scale])
    got = ops.normals_finite_difference(lambda p: (p * slope).sum(dim=-1), points(), 0.25)
    torch.testing.assert_close(
        got, torch.tensor([-(0.5**0.5), 0.0, -(0.5**0.5)]).expand(50, 3), atol=1e-4, rtol=0
    )


def test_finite_differences_carry_gradients_to_the_field():
    weight = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    ops.normals_finite_difference(lambda p: (p * weight).sum(dim=-1), points(), 1e-2)[:, 0].sum().backward()
    assert weight.grad.abs().sum() > 0


def test_the_heaviest_sample_is_the_first_of_equals_and_minus_one_where_there_is_none():
    samples = Samples(torch.tensor([0, 0, 0, 2, 2, 4]), torch.zeros(6), torch.ones(6))
    weights = torch.tensor([0.1, 0.5, 0.5, 0.0, 0.0, 0.3])
    assert ops.heaviest_sample(weights, samples, 6).tolist() == [1, -1, 3, -1, 5, -1]
    none = Samples(torch.zeros(0, dtype=torch.int64), torch.zeros(0), torch.zeros(0))
    assert ops.heaviest_sample(torch.zeros(0), none, 2).tolist() == [-1, -1]
