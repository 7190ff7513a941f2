"""What a prompt that the embedded prior does not know is offered: a model that reads any prompt, and what
that costs here."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from dreamlab.priors.diffusers.aliases import alias
from dreamlab.priors.diffusers.mvdream import MVDreamPriorConfig
from dreamlab.priors.diffusers.source import snapshot
from dreamlab.run.config import RunConfig
from dreamlab.run.resolve import resolve
from dreamlab.stages import FitViewsConfig

MODEL, PRESET = "mvdream", "multiview"
# Floating point operations of an image of 256 pixels, counted on torch's meta device: in the network, one of
# four that see each other; in the VAE, a picture encoded and one decoded.
NETWORK, VAE = 204.1e9, 272.7e9 + 622.2e9
# By scripts/bench_real_models on two cores (docs/priors.md): what the prior reaches of the speed of matrix
# products, in bfloat16 over the whole preset, in float32 over a pass; what it takes of the time; GiB.
_REACHED = {torch.bfloat16: 0.72, torch.float32: 0.96}
_SHARE = 0.83
_GIB = {torch.bfloat16: 4.3, torch.float32: 7.4}


def offer(device: torch.device) -> str:
    """A line that names model and preset, with minutes and memory as forecast for this processor."""
    known = alias(MODEL)
    assert known is not None
    here = any(snapshot(hub, known.revision) for hub in known.hubs)
    config = resolve("a thing", preset=PRESET)
    told = forecast(config, device)
    costs = "" if told is None else f": {told}"
    fetched = "it is on this machine" if here else "it must be fetched once"
    return f"--prior {MODEL} reads any prompt (preset {PRESET}{costs}); {fetched}"


def forecast(config: RunConfig, device: torch.device) -> str | None:
    """Minutes and memory of a run that fits views of MVDream, by this processor's speed in matrix products.

    None for other runs, and for a GPU: none was measured.
    """
    prior = config.prior
    fits = all(isinstance(stage, FitViewsConfig) for stage in config.optimisations)
    if not isinstance(prior, MVDreamPriorConfig) or prior.resolution is not None or not fits:
        return None
    precision = prior.torch_dtype(device)
    if device.type != "cpu" or precision not in _REACHED:
        return None
    took = seconds(config, products_a_second(precision) * _REACHED[precision])
    minutes = max(1, round(took / 60))
    return f"about {minutes} minutes and {_GIB[precision]} GiB here, reckoned from its arithmetic"


def seconds(config: RunConfig, rate: float) -> float:
    """What such a run takes where the prior's operations are done at `rate` a second."""
    passes, pictures = counted(config)
    return (passes * NETWORK + pictures * VAE) / rate / _SHARE


def counted(config: RunConfig) -> tuple[int, int]:
    """Images that a run of `fit-views` alone denoises, under prompt and reference; and pictures that it
    encodes and decodes."""
    passes = pictures = 0
    for stage in config.optimisations:
        assert isinstance(stage, FitViewsConfig)
        views = sum(count for count, _ in stage.rings)
        passes += 2 * views * stage.denoisings(stage.noise or config.noise)
        pictures += views * len(range(0, stage.total_steps, stage.every))
    return passes, pictures


def products_a_second(
    precision: torch.dtype, rounds: int = 5, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Floating point operations a second of matrix products, by as many threads as torch has; it takes some
    tenths of a second."""
    side = 1024
    a = torch.ones(side, side, dtype=precision)
    laps = []
    for _ in range(rounds + 1):
        began = clock()
        torch.mm(a, a)
        laps.append(clock() - began)
    return 2 * side**3 / statistics.median(laps[1:])
