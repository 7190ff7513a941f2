"""What a prompt beyond the embedded prior's words is offered, and what that is said to cost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

from gpu_check_random import SHAPES, network_class

from dreamlab.priors.diffusers.mvdream import attend_across_views
from dreamlab.run import offer as home
from dreamlab.run.context import RunContext
from dreamlab.run.offer import NETWORK, PRESET, counted, forecast, offer, products_a_second, seconds
from dreamlab.run.resolve import resolve
from dreamlab.stages import FitViewsConfig

CPU = torch.device("cpu")


def test_a_prompt_beyond_the_vocabulary_is_offered_a_model_by_name_and_a_known_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(home, "products_a_second", lambda _: 1e11)
    notes = RunContext(resolve("a corgi riding a skateboard", preset="fast"), CPU).notes()
    assert "none with 'corgi'" in notes[0]
    assert notes[-1].startswith("--prior mvdream reads any prompt (preset multiview: about ")
    assert " minutes and " in notes[-1] and " GiB here" in notes[-1]
    assert RunContext(resolve("a red mushroom", preset="fast"), CPU).notes() == []


def test_of_a_gpu_no_time_is_told() -> None:
    assert forecast(resolve("it", preset=PRESET), torch.device("meta")) is None
    assert "minutes" not in offer(torch.device("meta"))


def test_other_runs_are_not_forecast() -> None:
    for preset, more in (("fast", []), ("mvdream", []), (PRESET, ["prior.resolution=128"])):
        assert forecast(resolve("it", preset=preset, overrides=more), CPU) is None


def test_images_are_those_that_the_stages_will_denoise_under_prompt_and_reference() -> None:
    config = resolve("it", preset=PRESET)
    draft, shape, refine = config.optimisations
    assert all(isinstance(stage, FitViewsConfig) for stage in (draft, shape, refine))
    assert counted(config) == (2 * (4 * 29 + 8 * 15 + 4 * 9), 4 + 8 + 4)


def test_twice_the_speed_is_half_the_time() -> None:
    config = resolve("it", preset=PRESET)
    assert seconds(config, 2e11) == pytest.approx(seconds(config, 1e11) / 2)
    assert products_a_second(torch.float32, rounds=1) > 1e6


def test_the_operations_told_are_those_of_the_real_shape() -> None:
    shape, views = SHAPES["mvdream"], 4
    with torch.device("meta"):
        network = network_class(shape)(**shape.network)
        attend_across_views(network).views = views
        z, text = torch.zeros(views, 4, 32, 32), torch.zeros(views, shape.tokens, 1024)
        with FlopCounterMode(display=False) as count, torch.no_grad():
            network(z, torch.zeros(views), text, class_labels=torch.zeros(views, 16))
    assert count.get_total_flops() / views == pytest.approx(NETWORK, rel=1e-3)
