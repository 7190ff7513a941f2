"""Passes over a prior: several conditions and views in as few calls as memory allows."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.diffusion import Image
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Condition, Views
from dreamlab.priors.protocols import HasConditionalMean, HasCopies, Prior


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
    all or none. Copies of the prior on other devices (HasCopies) take their share of each call.
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
    """All of one sort of passes, shared out evenly among the prior and its copies, who work at once."""
    z, t = torch.cat([p.z for p in passes]), torch.cat([p.t for p in passes])
    condition = Condition.cat([p.condition for p in passes])
    known = [p.views for p in passes if p.views is not None]
    all_of_it = DenoiseQuery(z, t, condition, Views.cat(known) if known else None)
    copies = prior.copies if isinstance(prior, HasCopies) else ()
    if not copies:
        return _denoise_one(prior, all_of_it, max_batch)
    priors, groups = [prior, *copies], len(z) // prior.views_per_group
    ends = [groups * k // len(priors) * prior.views_per_group for k in range(len(priors))] + [len(z)]
    shares = [(who, _cut(all_of_it, slice(*ends[k : k + 2]))) for k, who in enumerate(priors)]
    shares = [(who, share) for who, share in shares if len(share.z)]
    if len(shares) == 1:
        return _denoise_one(prior, all_of_it, max_batch)
    with ThreadPoolExecutor(len(shares)) as pool:
        work = [pool.submit(_denoise_one, who, share, max_batch) for who, share in shares]
        answers = [one.result() for one in work]
    return torch.cat([answer.to(z.device) for answer in answers])


@torch.no_grad()  # which holds for one thread
def _denoise_one(prior: Prior, share: DenoiseQuery, max_batch: int | None) -> Image:
    """The answers of one prior to its share, on its own device."""
    if isinstance(prior, HasCopies) and prior.device != share.z.device:
        share = _on(share, prior.device)
    size = len(share.z)
    if max_batch is not None:
        size = max(max_batch // prior.views_per_group, 1) * prior.views_per_group
    parts = [_cut(share, slice(i, i + size)) for i in range(0, len(share.z), size)]
    return torch.cat([prior.denoise(*part) for part in parts])


def _cut(query: DenoiseQuery, rows: slice) -> DenoiseQuery:
    views = None if query.views is None else query.views[rows]
    return DenoiseQuery(query.z[rows], query.t[rows], query.condition[rows], views)


def _on(query: DenoiseQuery, device: torch.device) -> DenoiseQuery:
    views = None if query.views is None else query.views.to(device)
    return DenoiseQuery(query.z.to(device), query.t.to(device), query.condition.to(device), views)
