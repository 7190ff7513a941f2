"""The presets of few evaluations, from prompt to files on tiny random pipelines, and what chooses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from known import SMALL_END, small_values
from PIL import Image
from priors import tiny

from dreamlab.priors import (
    DeepFloydPriorConfig,
    MVDreamPriorConfig,
)
from dreamlab.priors.diffusers.aliases import usual_preset
from dreamlab.priors.protocols import Decodes
from dreamlab.run.begin import new_run
from dreamlab.run.config import RunConfig
from dreamlab.run.events import Step
from dreamlab.run.pipeline import generate
from dreamlab.run.resolve import from_values, resolve
from dreamlab.run.run_dir import RunDir
from dreamlab.stages import FitViewsConfig

BYTES = ("mesh.glb", "metrics.jsonl")


def shrunk(preset: str, folder: Path, kind: str | None = None, **more: Any) -> RunConfig:
    """The preset on a tiny pipeline: fewer steps of fitting and sampling, smaller pictures."""
    prior = {"model": str(folder), "resolution": 32, "offline": True, "cache_prompts": False}
    prior |= {} if kind is None else {"kind": kind}
    config = resolve("a corgi", preset=preset, settings={"device": "cpu", "prior": prior} | more)
    values, small = config.model_dump(mode="json", by_alias=True), small_values()
    values["field"], values["renderer"] = small["field"], small["renderer"]
    less = {"steps": 3, "every": 2, "sampling_steps": 4, "size": 16, "losses": []}
    kept = [stage | less for stage in values["stages"] if stage["kind"] == "fit-views"]
    values["stages"] = [*kept[:-1], SMALL_END[0], "clean", kept[-1], *SMALL_END[2:]]
    return from_values(values | {"saving": small["saving"]})


def run_of(root: Path, config: RunConfig, stop: int | None = None) -> RunDir:
    run = new_run(config, root)
    if stop is not None:
        events = generate(config, run)
        while not (isinstance(event := next(events), Step) and event.done == stop):
            pass
        events.close()
    list(generate(run.config(), run))
    return run


def check_whole(run: RunDir, config: RunConfig) -> None:
    rows = [json.loads(row) for row in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [row["stage"] for row in rows] == [s.name for s in config.optimisations for _ in range(s.steps)]
    assert all(torch.tensor(row["residual"]).isfinite() for row in rows)
    assert (run.path / "mesh.glb").stat().st_size > 500


@pytest.mark.filterwarnings("ignore:the prompt has")  # the tiny tokeniser reads letters
def test_four_views_become_files_and_a_run_that_was_stopped_on_the_mesh_the_same(tmp_path: Path) -> None:
    config = shrunk("multiview", tiny.mvdream(tmp_path / "model"))
    whole = run_of(tmp_path / "whole", config)
    check_whole(whole, config)
    parts = run_of(tmp_path / "parts", config, config.total_steps - 2)
    for name in BYTES:
        assert (parts.path / name).read_bytes() == (whole.path / name).read_bytes()


@pytest.mark.filterwarnings("ignore:the prompt has")
def test_four_views_beside_a_picture_become_files_that_follow_it(tmp_path: Path) -> None:
    """ImageDream's sets are as large as MVDream's; the picture's own view is one more in every step."""
    seen = Image.new("RGBA", (40, 40))
    seen.paste((230, 26, 26, 255), (12, 12, 28, 28))
    seen.save(tmp_path / "front.png")
    images = [{"path": str(tmp_path / "front.png")}]
    config = shrunk("multiview", tiny.imagedream(tmp_path / "model"), kind="imagedream", images=images)
    whole = run_of(tmp_path / "whole", config)
    check_whole(whole, config)
    rows = [json.loads(row) for row in (whole.path / "metrics.jsonl").read_text().splitlines()]
    assert all(0 < row["reference"] < 1 for row in rows)
    parts = run_of(tmp_path / "parts", config, 3)
    for name in BYTES:
        assert (parts.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_single_views_in_few_steps_become_files(tmp_path: Path) -> None:
    config = shrunk("turbo", tiny.stable_diffusion(tmp_path / "model"))
    check_whole(run_of(tmp_path / "run", config), config)


@pytest.mark.parametrize("preset", ["multiview", "turbo"])
def test_no_step_of_them_waits_for_the_encoder_and_sets_are_whole_groups(preset: str) -> None:
    config = resolve("a corgi", preset=preset)
    assert all(isinstance(stage, FitViewsConfig) for stage in config.optimisations)
    for stage in config.optimisations:
        assert isinstance(stage, FitViewsConfig) and stage.compare == "pixels"
        assert preset == "turbo" or all(count % 4 == 0 for count, _ in stage.rings)


@pytest.mark.parametrize(
    ("kind", "model", "preset"),
    [
        ("mvdream", "mvdream", "multiview"),
        ("mvdream", "/somewhere/mine", "multiview"),
        ("imagedream", "/somewhere/mine", "multiview"),
        ("stable-diffusion", "sd-turbo", "turbo"),
        ("sdxl", "sdxl-turbo", "turbo"),
        ("sdxl", "sdxl", "pretrained"),
        ("stable-diffusion", "owner/name", "pretrained"),
    ],
)
def test_a_model_comes_with_the_preset_that_suits_it(kind: str, model: str, preset: str) -> None:
    assert usual_preset(kind, model) == preset


@pytest.mark.parametrize("make", [tiny.mvdream, tiny.deepfloyd])
def test_what_a_prior_samples_is_shown_as_colours_one_at_a_time(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = {"mvdream": MVDreamPriorConfig, "deepfloyd": DeepFloydPriorConfig}[make.__name__]
    prior = kind(model=str(make(tmp_path)), resolution=32).build()
    assert isinstance(prior, Decodes)
    x = torch.randn(3, prior.channels, *[32 if prior.channels == 3 else 16] * 2)
    passes, inner = list[int](), prior.space.decode
    monkeypatch.setattr(prior.space, "decode", lambda one: passes.append(len(one)) or inner(one))
    shown = prior.decode(x)
    assert shown.shape == (3, 32, 32, 3) and 0 <= shown.min() and shown.max() <= 1 and passes == [1, 1, 1]
    torch.testing.assert_close(shown[2], ((inner(x[2:]) + 1) / 2).clamp(0, 1)[0].movedim(0, -1))


def test_pictures_that_are_not_finite_are_decoded_again_in_float32(tmp_path: Path) -> None:
    config = {"model": str(tiny.mvdream(tmp_path)), "resolution": 32, "vae_dtype": "float16"}
    prior = MVDreamPriorConfig.model_validate(config).build()
    with torch.no_grad():
        prior.space.vae.decoder.conv_in.weight.mul_(6e4)  # overflows in float16
    with pytest.warns(UserWarning, match="images were not finite in float16: the VAE goes on in float32"):
        shown = prior.decode(torch.randn(1, 4, 16, 16))
    assert shown.isfinite().all() and prior.space.widened
