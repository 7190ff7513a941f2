"""scripts/bench_real_models: forecasts by Amdahl's law and by arithmetic, and a toy that hides no work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from priors import tiny

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import bench_real_models as script
from gpu_check_random import teraflop_of
from real_models_toy import showing_a_toy

from dreamlab.core.types import Views
from dreamlab.priors import MVDreamPriorConfig


def row(threads: int, seconds: float, **more: Any) -> dict[str, Any]:
    """A model timed alone on `threads` threads for so many seconds, on 10^12 operations."""
    busy = {"denoise processor": seconds * threads, "denoise teraflop": 1.0}
    return {"model": "sd15", "precision": "float32", "threads": threads} | busy | more


@pytest.mark.parametrize(
    ("two", "eight"), [(4.0, 1.0), (8.0, 8.0), (4.8, 2.4)]
)  # all, nothing and four fifths of eight seconds shared out
def test_eight_cores_are_forecast_from_one_thread_and_two(two: float, eight: float) -> None:
    assert script._forecasts([row(1, 8.0), row(2, two)]) == {"sd15 float32": pytest.approx(eight)}
    assert script._forecasts([row(2, two)]) == {}


def test_what_was_not_run_is_forecast_from_its_operations() -> None:
    absent = {
        "model": "sdxl",
        "precision": "float32",
        "threads": 2,
        "denoise teraflop": 7.0,
        "not run": "too large",
    }
    assert script._by_arithmetic([row(2, 3.0), absent]) == {"sdxl float32 2": pytest.approx(21.0)}
    assert script._by_arithmetic([row(1, 3.0), absent]) == {}
    assert "too large" in script._table([absent])


def test_what_does_not_fit_is_counted_and_not_made() -> None:
    options = script._parser().parse_args(["--memory", "1"])
    found = script._inside(options, "sd15", "float32", 2)
    assert found["parameters"] == 859_520_964 and "may be used" in found["not run"]
    assert found["denoise teraflop"] == pytest.approx(1.607, abs=0.01)
    assert teraflop_of("sd15", resolution=256) < 0.3 * found["denoise teraflop"]


def test_the_toy_is_seen_from_where_the_prior_was_asked_and_every_pass_is_made(tmp_path: Path) -> None:
    prior = MVDreamPriorConfig(model=str(tiny.mvdream(tmp_path)), resolution=32, dtype="float32").build()
    z, (_, cameras) = torch.zeros(4, 4, 16, 16), tiny.views(4)
    condition, views = prior.embed(["a cat"] * 4), Views(z, cameras)
    alone = prior.denoise(z, torch.full((4,), 0.5), condition, views)
    asked = showing_a_toy(prior)
    torch.testing.assert_close(prior.denoise(z, torch.full((4,), 0.5), condition, views), alone)
    assert asked.images == 4 and asked.seconds > 0
    shown = prior.decode(z)
    assert shown.shape == (4, 32, 32, 3)
    red = (shown[..., 0] - shown[..., 1] > 0.3).flatten(1).float().mean(1)
    assert (red > 0.02).all() and (shown[:, 0, 0] == 0.5).all()  # its cap, on grey
