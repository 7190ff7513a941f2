"""gpu_check, real shapes with random weights: seconds and memory of what people bring, and what --vram
promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from gpu_check_random import SHAPES, parameters_of, random_prior
from gpu_check_record import Check, Setting, Skip, measured
from priors import tiny  # pyright: ignore[reportMissingImports]
from torch import Tensor

from dreamlab.core.types import RenderOutput, Views
from dreamlab.guidance import CFGConfig, SDSConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors.diffusers.base import PretrainedPrior
from dreamlab.run.context import RunContext
from dreamlab.run.resolve import resolve
from dreamlab.stages import DistilConfig
from dreamlab.stages.optimise import StepEvent

_TIERS = (6, 8, 12, 24)
_TIERED = ("sd21-base", "sdxl", "sd3-medium")
_ROUNDS = 5


def real_checks(setting: Setting) -> list[Check]:
    return [
        *(Check(f"{name}: shape", lambda n=name: {"parameters": parameters_of(n)}) for name in SHAPES),
        *(Check(name, lambda n=name: _cost(n, setting)) for name in SHAPES),
    ]


def vram_checks(setting: Setting) -> list[Check]:
    return [
        Check(f"{name} in {tier} GB", lambda n=name, t=tier: _within(n, t, setting))
        for name in _TIERED
        for tier in _TIERS
    ]


def require_room(name: str, setting: Setting) -> None:
    """Raises Skip where the weights alone, in half precision, fill three quarters of what is free."""
    if not setting.cuda:
        return
    needed, (free, _) = 2 * parameters_of(name, setting.quick), torch.cuda.mem_get_info()
    if needed > 0.75 * free:
        raise Skip(f"{name} has {needed / 2**30:.1f} GiB of weights, and {free / 2**30:.1f} GiB are free")


@dataclass(frozen=True)
class Asked:
    """What is timed of a prior: a denoising of its views under prompt and reference, a step of distillation.

    z: noisy images, as many as both have.
    """

    views: int
    z: Tensor
    denoise: Callable[[], Tensor]
    step: Callable[[], None]


def asked_of(prior: PretrainedPrior, n: int) -> Asked:
    """Both for `n` views of the prior's own size."""
    side, device = prior.resolution, prior.device
    render, cameras = tiny.views(n, side)
    cameras = cameras.to(device)
    leaf = render.rgb.detach().to(device).requires_grad_()
    opacity, depth = render.opacity.to(device), render.depth.to(device)
    render = RenderOutput(leaf, opacity, depth, torch.full_like(leaf, 0.5))
    prompts = ViewPrompts(prior, "a red mushroom", view_dependent=False)
    with torch.no_grad():
        views = prior.encode(render, cameras)
    z = torch.cat([views.x] * 2)
    twice = Views.cat([views, views])
    condition = prior.embed(["a red mushroom"] * len(z))
    t = torch.full((len(z),), 0.5, device=device)
    sds = SDSConfig().build(prior, CFGConfig(text=7.5))
    generator = torch.Generator().manual_seed(0)

    def denoise() -> Tensor:
        return prior.denoise(z, t, condition, twice)

    def step() -> None:
        leaf.grad = None
        sds(render, cameras, prompts, 0.5, generator).loss.backward()
        assert leaf.grad is not None and leaf.grad.isfinite().all(), "not a number"

    return Asked(n, z, denoise, step)


def _cost(name: str, setting: Setting) -> dict[str, Any]:
    """A denoising of one view (of one group) with and without its prompt, and a step of distillation."""
    require_room(name, setting)
    prior = random_prior(name, setting)
    job = asked_of(prior, prior.views_per_group)
    rounds = 1 if setting.quick else _ROUNDS
    job.denoise()  # warms up
    assert job.denoise().isfinite().all(), "not a number"
    asked = measured(setting, lambda: [job.denoise() for _ in range(rounds)])
    job.step()
    stepped = measured(setting, lambda: [job.step() for _ in range(rounds)])
    found: dict[str, Any] = {"pixels": prior.resolution, "views": job.views, "network": str(prior.dtype)[6:]}
    found["vae"] = str(getattr(prior.space, "dtype", None)).removeprefix("torch.")
    for label, cost in (("denoise", asked), ("step", stepped)):
        found[f"{label} seconds"] = round(cost["seconds"] / rounds, 4)
        if setting.cuda:
            found[f"{label} peak_gib"] = cost["peak_gib"]
    return found


def _within(name: str, tier: int, setting: Setting) -> dict[str, Any]:
    """Loading, and three steps of the preset `pretrained`: the card must lose less to it than the tier
    says."""
    require_room(name, setting)

    def job() -> None:
        prior = random_prior(name, setting, vram=tier)
        settings: dict[str, Any] = {"device": str(setting.device)}
        if setting.quick:
            settings |= {"renderer": {"samples": 16}, "field": {"levels": 2, "log2_table_size": 8}}
        config = resolve("a red mushroom", preset="pretrained", settings=settings)
        context = RunContext(config, setting.device, prior)
        stage = next(s for s in config.stages if isinstance(s, DistilConfig))
        if setting.quick:
            stage = stage.model_validate(stage.model_dump() | {"size": 32})
        events = stage.build().run(None, context)
        done = [event for event in islice(events, 1 if setting.quick else 3) if isinstance(event, StepEvent)]
        events.close()
        assert all("loss" in event.metrics for event in done), "not a number"

    found = measured(setting, job)
    if not setting.cuda:
        raise Skip("it runs, but only CUDA tells its peak")
    free, total = torch.cuda.mem_get_info()
    context = (total - free - torch.cuda.memory_reserved()) / 2**30  # CUDA's own, and that of others
    found["context_gib"] = round(context, 3)
    assert found["reserved_gib"] <= tier, f"it takes {found['reserved_gib']:.1f} GiB beside CUDA's own"
    return found
