"""Passes over a prior: several conditions and views in as few calls as memory allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.diffusion import Image
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Condition, Views
from dreamlab.priors.protocols import HasConditionalMean, Prior


class DenoiseQuery(NamedTuple):
    """One pass over the prior: a full set of views under one condition."""

    z: Image
    t: Float[Tensor, " B"]
    condition: Condition
    views: Views | None


def require_conditional_mean(prior: Prior, mend: str) -> HasConditionalMean:
    """The prior, or a ConfigError with this mend where it knows no mean pictures."""
    if not isinstance(prior, HasConditionalMean):
        raise ConfigError(
            "this prior cannot say what a prompt shows on average",
            expected="the embedded prior",
            got=type(prior).__name__,
            mend=mend,
        )
    return prior


@torch.no_grad()
def denoise_batched(
    prior: Prior, passes: Sequence[DenoiseQuery], max_batch: int | None = None
) -> list[Image]:
    """x0_hat of several passes in as few calls as memory allows.

    Passes are laid one after another, each with its views in order, so the groups of a multi-view prior stay
    together; calls are cut between groups only. Passes without views go apart, for `denoise` takes views for
    all or none.
    """
    answers: list[Image | None] = [None] * len(passes)
    for with_views in (True, False):
        rows = [i for i, p in enumerate(passes) if (p.views is not None) is with_views]
        if not rows:
            continue
        joined = _denoise(prior, [passes[i] for i in rows], max_batch)
        for i, part in zip(rows, joined.split([len(passes[i].z) for i in rows]), strict=True):
            answers[i] = part.to(passes[i].z.dtype)
    return [a for a in answers if a is not None]


def _denoise(prior: Prior, passes: Sequence[DenoiseQuery], max_batch: int | None) -> Image:
    z, t = torch.cat([p.z for p in passes]), torch.cat([p.t for p in passes])
    condition = Condition.cat([p.condition for p in passes])
    known = [p.views for p in passes if p.views is not None]
    views = Views.cat(known) if known else None
    group = prior.views_per_group
    size = len(z) if max_batch is None else max(max_batch // group, 1) * group
    parts = [slice(i, i + size) for i in range(0, len(z), size)]
    return torch.cat(
        [prior.denoise(z[p], t[p], condition[p], None if views is None else views[p]) for p in parts]
    )
