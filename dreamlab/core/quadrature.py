"""Emission and absorption at evenly spaced points of rays, for what needs no gradient (else see
`dreamlab.ops.composite`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Absorption(NamedTuple):
    """weight [R,S] of every point's colour; through [R,1] the light that is left behind the last."""

    weight: Float[Tensor, "R S"]
    through: Float[Tensor, "R 1"]


def opacity(sigma: Float[Tensor, "R S"], step: float | Float[Tensor, "R 1"]) -> Float[Tensor, " R"]:
    """What S points along each of R rays absorb together, 1 - exp(-sum_i sigma_i * step): `absorb`'s
    weight.sum(1), without the weights. step: one distance for all rays, or each ray's own.
    """
    return 1 - torch.exp(-(sigma * step).sum(-1))


def absorb(sigma: Float[Tensor, "R S"], step: float) -> Absorption:
    """What each of S points along R rays, `step` world units apart and front to back, absorbs of the light.

    weight_i = prod_{j<i} (1 - alpha_j) * alpha_i with alpha = 1 - exp(-sigma * step) (Max 1995; Mildenhall
    et al. 2020, equation 3); sigma >= 0 per world unit. weight.sum(1) + through is 1.
    """
    alpha = 1 - torch.exp(-sigma * step)
    left = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha], 1), 1)
    return Absorption(alpha * left[:, :-1], left[:, -1:])
