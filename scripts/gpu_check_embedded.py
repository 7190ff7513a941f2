"""gpu_check, the embedded prior: what it answers on the device, in both precisions, beside the CPU's
float32."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from gpu_check_record import Check, Setting, Skip, measured
from torch import Tensor

from dreamlab.core.cameras import turntable
from dreamlab.core.types import RenderOutput, Views
from dreamlab.priors.embedded.prior import EmbeddedPrior, EmbeddedPriorConfig

_LEVELS = (0.05, 0.5, 0.95)
_MOST = {"float32": 2e-3, "bfloat16": 6e-2}  # of the answer's own root mean square


def embedded_checks(setting: Setting) -> list[Check]:
    return [
        *(Check(precision, lambda p=precision: _answers(p, setting)) for precision in _MOST),
        Check("mean", lambda: _mean(setting)),
        Check("gradient", lambda: _gradient(setting)),
        *(Check(f"speed {precision}", lambda p=precision: _speed(p, setting)) for precision in _MOST),
    ]


@cache
def _prior(precision: str, device: torch.device) -> EmbeddedPrior:
    return EmbeddedPriorConfig.model_validate({"precision": precision}).build(device)


def _question(prior: EmbeddedPrior, groups: int = 1) -> tuple[Any, ...]:
    """Noise, levels, prompts and cameras of four views a group, the same numbers on every device."""
    n = 4 * groups
    z = torch.randn(n, prior.channels, prior.resolution, prior.resolution, generator=_seeded())
    cameras = turntable(n, 0.3, 3.0, 0.7, (prior.resolution, prior.resolution)).to(prior.device)
    z = z.to(prior.device)
    return z, prior.embed(["a red mushroom"] * n), Views(z, cameras)


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _off(mine: Tensor, theirs: Tensor) -> float:
    assert mine.isfinite().all(), "not a number"
    return float((mine.cpu().float() - theirs).square().mean().sqrt() / theirs.square().mean().sqrt())


def _answers(precision: str, setting: Setting) -> dict[str, Any]:
    cpu, mine = _prior("float32", torch.device("cpu")), _prior(precision, setting.device)
    found = {}
    for level in _LEVELS:
        answers = []
        for prior in (mine, cpu):
            z, condition, views = _question(prior)
            t = torch.full((len(z),), level, device=prior.device)
            answers.append(prior.denoise(z, t, condition, views))
        found[f"t={level}"] = off = _off(*answers)
        assert off <= _MOST[precision], f"at t={level} it is off by {off:.2e}"
    return found


def _mean(setting: Setting) -> dict[str, Any]:
    answers = []
    for prior in (_prior("float32", setting.device), _prior("float32", torch.device("cpu"))):
        _, condition, views = _question(prior)
        answers.append(prior.mean(condition, views.cameras))
    off = _off(*answers)
    assert off <= _MOST["float32"], f"it is off by {off:.2e}"
    return {"off": off}


def _gradient(setting: Setting) -> dict[str, Any]:
    """Through what makes a render an input of the network."""
    slopes = []
    for device in (setting.device, torch.device("cpu")):
        prior = _prior("float32", device)
        side = prior.resolution
        cameras = turntable(4, 0.3, 3.0, 0.7, (side, side)).to(device)
        opacity = torch.rand(4, side, side, 1, generator=_seeded()).to(device)
        rgb = torch.rand(4, side, side, 3, generator=_seeded()).to(device).requires_grad_()
        render = RenderOutput(rgb, opacity, opacity * 3, torch.full_like(rgb, 0.5))
        x = prior.encode(render, cameras).x
        weight = torch.randn(x.shape, generator=_seeded()).to(device)
        slopes.append(torch.autograd.grad((x * weight).sum(), rgb)[0])
    off = _off(*slopes)
    assert off <= 1e-4, f"it is off by {off:.2e}"
    return {"off": off}


def _speed(precision: str, setting: Setting) -> dict[str, Any]:
    if setting.quick:
        raise Skip("a rehearsal measures no speed")
    prior = _prior(precision, setting.device)
    z, condition, views = _question(prior, groups=6)  # a step of four views under three conditions, twice
    t = torch.full((len(z),), 0.5, device=prior.device)
    prior.denoise(z, t, condition, views)
    rounds = 20

    def job() -> None:
        for _ in range(rounds):
            prior.denoise(z, t, condition, views)

    found = measured(setting, job)
    return found | {"images a second": round(rounds * len(z) / found["seconds"], 1)}
