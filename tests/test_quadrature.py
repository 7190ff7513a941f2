"""Absorption along rays at evenly spaced points."""

from __future__ import annotations

import math

import pytest
import torch

from dreamlab import ops
from dreamlab.core.quadrature import absorb, opacity
from dreamlab.core.types import Samples

SIGMA = 20 * torch.rand(5, 8, generator=torch.Generator().manual_seed(0))
STEP = 0.07


def test_it_weighs_as_the_compositing_of_packed_samples() -> None:
    ray = torch.arange(5).repeat_interleave(8)
    t0 = STEP * torch.arange(8.0).repeat(5)
    color = torch.rand(40, 3, generator=torch.Generator().manual_seed(1))
    wanted = ops.composite(SIGMA.flatten(), color, Samples(ray, t0, t0 + STEP), 5)
    weight, through = absorb(SIGMA, STEP)
    got = (weight[..., None] * color.view(5, 8, 3)).sum(1)
    torch.testing.assert_close(got, wanted.rgb, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(1 - through[:, 0], wanted.opacity.reshape(-1), atol=1e-6, rtol=1e-5)


def test_light_is_absorbed_or_comes_through() -> None:
    weight, through = absorb(SIGMA, STEP)
    torch.testing.assert_close(weight.sum(1, keepdim=True) + through, torch.ones(5, 1))
    assert float(absorb(torch.full((1, 9), 2.0), 0.1).through) == pytest.approx(math.exp(-1.8), rel=1e-5)


def test_opacity_is_the_sum_of_the_weights_also_where_every_ray_has_its_own_step() -> None:
    torch.testing.assert_close(opacity(SIGMA, STEP), absorb(SIGMA, STEP).weight.sum(1))
    steps = torch.linspace(0.01, 0.2, 5)[:, None]
    each = [absorb(SIGMA[i : i + 1], float(step)).weight.sum() for i, step in enumerate(steps)]
    torch.testing.assert_close(opacity(SIGMA, steps), torch.stack(each))
