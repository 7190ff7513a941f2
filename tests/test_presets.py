"""Presets that reproduce published recipes: they say what was published, cite it, and run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from known import red_ball_prior, small_values

from dreamlab.core.errors import ConfigError, DreamlabError
from dreamlab.core.schedules import Ramp
from dreamlab.run import presets
from dreamlab.run.config import RunConfig, from_values, merge, resolve
from dreamlab.run.setup import Setup
from dreamlab.stages.distil import optimise

PUBLISHED = (
    "dreamfusion", "magic3d-coarse", "prolificdreamer", "mvdream", "luciddreamer", "sdi", "csd", "rfds-sd3",
    "zero123",
)  # fmt: skip
PICTURE = ["prior.image=seen.png"]


def published(name: str) -> RunConfig:
    return resolve("a red ball", preset=name, overrides=PICTURE if name == "zero123" else [])


def at_steps(ramp: Ramp, total: int, *steps: int) -> list[float]:
    """The values of a ramp at steps of a stage of `total` steps."""
    return [ramp(min(1.0, step / total)) for step in steps]


# ---- what was published ----


def test_dreamfusion_is_appendix_a2() -> None:
    config = published("dreamfusion")
    (stage,) = config.stages
    guidance, cameras, light = config.guidance, stage.cameras, stage.shading
    assert guidance.kind == "sds" and config.cfg.text == 101 and guidance.weighting == "sigma2"
    assert (config.noise.t_min, config.noise.t_max) == (Ramp.constant(0.02), Ramp.constant(0.98))
    assert (stage.steps, stage.views, stage.side(0.5, red_ball_prior())) == (15000, 4, 64)
    assert cameras.kind == "dreamfusion" and cameras.scale == 1
    assert (cameras.elevation, cameras.distance, cameras.focal) == ((-10, 90), (1, 1.5), (0.7, 1.35))
    assert (cameras.position_jitter, cameras.look_at_deviation, cameras.up_deviation) == (0.1, 0.2, 0.02)
    assert light.kind == "lit" and round(light.albedo_until * 15000, -1) == 1000
    assert (light.lit, light.textureless, light.ambient, light.soft) == (0.75, 0.5, 0.1, False)
    assert light.light_distance == (0.8, 1.5) and light.light_cone is None
    assert config.view_dependent is True and stage.background.kind == "learned"
    density = config.field.density
    assert (density.activation, density.blob, density.strength, density.radius) == ("exp", "gaussian", 5, 0.2)
    assert at_steps(stage.lr, 15000, 1500, 3000, 9000, 15000) == pytest.approx([5e-5, 1e-4, 5.05e-5, 1e-6])
    assert stage.background_lr == stage.lr
    sums = 64 * 64 * 3  # the guidance's loss is a sum over the image where the paper's is taken as a mean
    assert stage.losses.opacity(0.5) == pytest.approx(1e-3 * sums, rel=2e-3)
    weights = at_steps(stage.losses.orientation, 15000, 0, 5000, 15000)
    assert weights == pytest.approx([1e-4 * sums, 1e-2 * sums, 1e-2 * sums], rel=2e-3)


# name: kind, guidance scale (of cond - uncond), weighting, steps, views by stage, (t_min, t_max) at steps.
METHODS: dict[str, tuple[str, float, str, int, list[int], dict[int, tuple[float, float]]]] = {
    "magic3d-coarse": ("sds", 21, "noise", 10000, [1], {0: (0.02, 0.98), 9999: (0.02, 0.98)}),
    "prolificdreamer": ("vsd", 7.5, "sigma2", 25000, [1], {4999: (0.02, 0.98), 5000: (0.02, 0.5)}),
    "luciddreamer": ("ism", 7.5, "uniform", 5000, [4], {0: (0.02, 0.98), 1500: (0.02, 0.5)}),
    "sdi": ("sdi", 7.5, "uniform", 10000, [1], {0: (0.25, 0.98), 9999: (0.25, 0.98)}),
    "csd": ("csd", 1, "noise", 10000, [1], {4999: (0.02, 0.98), 5000: (0.02, 0.5)}),
    "rfds-sd3": ("rfds", 100, "velocity", 15000, [1], {0: (0.02, 0.7), 14999: (0.02, 0.7)}),
    "zero123": ("sds", 3, "sigma2", 10000, [2], {0: (0.02, 0.98), 9999: (0.02, 0.98)}),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_a_published_method_keeps_its_scales_levels_and_steps(name: str) -> None:
    kind, scale, weighting, steps, views, levels = METHODS[name]
    config = published(name)
    guidance = config.guidance
    assert (guidance.kind, config.cfg.text, guidance.weighting) == (kind, scale, weighting)
    assert config.total_steps == steps and [stage.views for stage in config.stages] == views
    for step, (low, high) in levels.items():
        assert (config.noise.t_min(step / steps), config.noise.t_max(step / steps)) == pytest.approx(
            (low, high)
        )


def test_mvdream_walks_its_levels_over_8000_steps_and_two_stages() -> None:
    config = published("mvdream")
    small, large = config.stages
    assert (small.steps, small.views, small.side(0, red_ball_prior())) == (5000, 8, 64)
    assert (large.steps, large.views, large.side(0, red_ball_prior())) == (5000, 4, 256)
    assert config.view_dependent is False and config.negative_prompt.startswith("ugly, bad anatomy")
    for step in (0, 2500, 4999, 5000, 6500, 8000, 10000):
        stage, noise = (small, config.noise) if step < 5000 else (large, large.noise)
        assert stage.guidance is None and config.guidance.kind == "x0" and config.guidance.rescale == 0.5
        assert noise is not None and noise.shared and config.cfg.text == 50
        walked = min(1.0, step / 8000)
        now = (step % 5000 if step < 10000 else 5000) / 5000
        assert noise.t_min(now) == pytest.approx(0.98 - 0.96 * walked)
        assert noise.t_max(now) == pytest.approx(0.98 - 0.48 * walked)
        cameras = stage.cameras
        assert cameras.kind == "orbit" and (cameras.views, cameras.shared, cameras.fit) == (4, True, "plane")
        assert (cameras.elevation, cameras.fovy, cameras.distance_factor) == ((0, 30), (15, 60), (0.8, 1.0))
    assert (
        at_steps(small.losses.orientation, 5000, 0, 5000) == [10, 1000] == [10, large.losses.orientation(0.3)]
    )
    assert small.shading.kind == "albedo" and large.shading.kind == "lit" and large.shading.soft


def test_methods_keep_what_is_their_own() -> None:
    vsd, ism, sdi, csd, rfds = (
        published(name) for name in ("prolificdreamer", "luciddreamer", "sdi", "csd", "rfds-sd3")
    )
    sizes = [vsd.stages[0].side(step / 25000, red_ball_prior()) for step in (0, 4999, 5000, 24999)]
    assert sizes == [64, 64, 512, 512]
    assert at_steps(vsd.stages[0].losses.opaqueness, 25000, 9999, 10000) == [0, 1000]
    assert vsd.stages[0].losses.opacity(0.5) == 10
    assert at_steps(ism.guidance.interval, 5000, 0, 750, 1500, 5000) == pytest.approx([0.1, 0.09, 0.08, 0.08])
    assert ism.guidance.stride == 0.2
    inversion = (sdi.guidance.inversion_scale, sdi.guidance.inversion_steps, sdi.guidance.eta)
    assert inversion == (-1, 10, 0.3) and sdi.cfg.text == 7.5 and sdi.cfg.perp_neg
    assert sdi.noise.levels == "linear"
    assert at_steps(csd.guidance.negative_share, 10000, 0, 2500, 5000, 10000) == [0, 0.5, 1, 1]
    assert csd.cfg.perp_neg and csd.negative_prompt
    assert [rfds.stages[0].side(p, red_ball_prior()) for p in (0.0, 0.34)] == [256, 512]


def test_weights_beside_a_mean_are_brought_to_the_sum() -> None:
    """Our guidance is a sum over the latent; the published SDI and RFDS are means, Zero123 is times 0.003."""
    sdi, rfds, zero123 = (published(name).stages[0].losses for name in ("sdi", "rfds-sd3", "zero123"))
    assert sdi.z_variance(0.5) == 64 * 64 * 4 and sdi.opacity(0) == pytest.approx(0.15 * 16384, rel=1e-3)
    assert sdi.orientation(0.5) == sdi.opaqueness(0.5) == pytest.approx(0.1 * 16384, rel=1e-3)
    assert rfds.opacity(0.5) == rfds.opaqueness(0.5) == pytest.approx(0.1 * 64 * 64 * 16, rel=1e-3)
    got = [zero123.opacity(0), zero123.opaqueness(0), zero123.orientation(0), zero123.orientation(1)]
    assert [0.003 * weight for weight in got] == pytest.approx([2, 0.5, 1, 20], rel=3e-3)


# ---- that they run ----


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_recipe_takes_two_steps_of_every_stage(name: str) -> None:
    """Everything but the prior is the recipe's; the field, the views and the prior are tiny."""
    prior = red_ball_prior()
    config = published(name)
    if config.prior.kind == "mvdream":
        prior.views_per_group = 4
    config = tiny(config)
    field = config.field.build(torch.Generator().manual_seed(0))
    before = [p.detach().clone() for p in field.parameters()]
    renderer, setup = config.renderer.build(), Setup(config, torch.device("cpu"), prior)
    for stage in config.stages:
        guidance = setup.guidance(stage)
        events = list(optimise(stage, field, renderer, prior, guidance, setup.prompts, seed=0))
        assert len(events) == 2 and all(e.recovery is None for e in events)
        assert all({"loss", "residual", "parameter_grad_norm"} <= set(e.metrics) for e in events)  # finite
    assert any(not torch.equal(a, b) for a, b in zip(before, field.parameters(), strict=True))


def tiny(config: RunConfig) -> RunConfig:
    values = config.model_dump(mode="json", by_alias=True)
    small = small_values()
    shrunk = {
        name: small["field"][name] for name in ("levels", "log2_table_size", "finest_resolution", "width")
    }
    if config.field.kind == "mlp":
        shrunk = {"blocks": 1, "width": 8}
    values["field"] |= shrunk
    values["renderer"] |= small["renderer"]
    values["stages"] = [
        stage | {"steps": 2, "size": 16, "views": 4, "losses": _at_once(stage["losses"]), "lr": 0.01}
        for stage in values["stages"]
    ]
    return from_values(values)


def _at_once(losses: dict[str, Any]) -> dict[str, float]:
    """Every loss that ever counts, from the first step on."""
    return {name: max(ramp["start"], ramp["end"]) for name, ramp in losses.items()}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_field_light_and_background_can_be_built_at_full_size(name: str) -> None:
    config, generator = published(name), torch.Generator().manual_seed(0)
    assert sum(p.numel() for p in config.field.build(generator).parameters()) > 5e4
    config.renderer.build()
    for stage in config.stages:
        stage.shading.build()
        stage.background.build(generator)
        side = stage.side(0.0, red_ball_prior())
        assert len(stage.cameras.build((side, side)).sample(stage.views, 0.0, generator)) == stage.views


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_model_that_cannot_be_had_is_one_line(name: str) -> None:
    config = published(name)
    assert config.prior.kind != "embedded"
    absent = config.prior.model_copy(update={"offline": True})
    with pytest.raises(DreamlabError) as caught:
        absent.build("cpu")
    line = str(caught.value)
    assert "\n" not in line and re.search(r"offline|cache|huggingface|dreamlab priors", line), line


def test_zero123_asks_for_its_picture_before_anything_is_loaded() -> None:
    with pytest.raises(ConfigError, match=r"prior\.image is missing.*--set prior\.image="):
        resolve("a red ball", preset="zero123")


# ---- that they are found, and say where they come from ----


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_recipe_cites_its_source_and_says_what_is_ours(name: str) -> None:
    text = (presets.presets_folder() / f"{name}.yaml").read_text("utf-8")
    head = " ".join(line.lstrip("# ") for line in text.split("\n") if line.startswith("#"))
    assert re.search(r"et al\. 20\d\d, arXiv:\d{4}\.\d{5}", head) and "Ours: " in head
    assert name == "dreamfusion" or re.search(r"github\.com/[\w-]+/[\w-]+ have? it|has it", head)
    assert len(text.splitlines()) < 75


def test_presets_are_found_beside_the_package_and_inside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = presets.preset_names()
    assert set(PUBLISHED) < set(beside)
    shutil.copytree(presets.presets_folder(), tmp_path / "dreamlab" / "configs")
    monkeypatch.setattr(presets, "_PACKAGE", tmp_path / "dreamlab")
    assert presets.presets_folder() == tmp_path / "dreamlab" / "configs" and presets.preset_names() == beside
    assert merge(presets.load_preset("sdi"), {"seed": 3})["seed"] == 3
