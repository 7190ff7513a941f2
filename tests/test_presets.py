"""Presets that reproduce published recipes: they say what was published, cite it, and run."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from known import red_ball_prior, small_values

from dreamlab import ops
from dreamlab.core.cameras import camera_rays
from dreamlab.core.diffusion import cfg_combine
from dreamlab.core.errors import ConfigError, DreamlabError
from dreamlab.core.schedules import Ramp
from dreamlab.render import VolumeRenderer
from dreamlab.run import presets
from dreamlab.run.config import RunConfig
from dreamlab.run.context import RunContext
from dreamlab.run.resolve import from_values, merge, resolve
from dreamlab.stages.base import OptimiseConfig
from dreamlab.stages.optimise import optimise

PUBLISHED = (
    "dreamfusion", "magic3d-coarse", "prolificdreamer", "mvdream", "luciddreamer", "sdi", "csd", "rfds-sd3",
    "zero123", "imagedream",
)  # fmt: skip
SHOWN = ("zero123", "imagedream")  # a picture
PICTURE = ["prior.image=seen.png"]


def published(name: str) -> RunConfig:
    return resolve("a red ball", preset=name, overrides=PICTURE if name in SHOWN else [])


def weight(stage: OptimiseConfig, kind: str) -> Ramp:
    """The weight of the stage's one loss of that kind."""
    (found,) = (loss.weight for loss in stage.losses if loss.kind == kind)
    return found


# ---- what was published, evaluated as it was published ----


def walked(step: float, first: float, last: float, until: float) -> float:
    """A straight line from first to last over the steps until `until`, then last."""
    return first + (last - first) * min(1.0, step / until)


def dreamfusion_rate(step: float) -> float:
    """A.2: 1e-4 is reached linearly in 3000 steps, then 1e-6 by a cosine."""
    if step < 3000:
        return 1e-4 * step / 3000
    return 1e-6 + (1e-4 - 1e-6) * (1 + math.cos(math.pi * (step - 3000) / 12000)) / 2


# Where a loss is a mean in the source, our guidance is a sum over this many numbers.
IMAGE, LATENT, WIDE_LATENT = 64 * 64 * 3, 64 * 64 * 4, 64 * 64 * 16
CURVES: dict[str, tuple[Callable[[RunConfig], Ramp], Callable[[float], float]]] = {
    "dreamfusion: learning rate": (lambda c: c.stages[0].lr, dreamfusion_rate),
    "dreamfusion: learning rate of the background": (lambda c: c.stages[0].background_lr, dreamfusion_rate),
    "dreamfusion: opacity": (lambda c: weight(c.stages[0], "opacity"), lambda step: 1e-3 * IMAGE),
    "dreamfusion: orientation": (
        lambda c: weight(c.stages[0], "orientation"), lambda step: walked(step, 1e-4, 1e-2, 5000) * IMAGE
    ),
    "prolificdreamer: t_max": (lambda c: c.noise.t_max, lambda step: 0.98 if step < 5000 else 0.5),
    "prolificdreamer: opaqueness": (
        lambda c: weight(c.stages[0], "opaqueness"), lambda step: 0 if step < 10000 else 1000
    ),
    "luciddreamer: t_max": (lambda c: c.noise.t_max, lambda step: walked(step, 0.98, 0.5, 1500)),
    "luciddreamer: interval": (lambda c: c.guidance.interval, lambda step: walked(step, 0.1, 0.08, 1500)),
    "csd: t_max": (lambda c: c.noise.t_max, lambda step: 0.98 if step < 5000 else 0.5),
    "csd: share of the negative": (
        lambda c: c.guidance.negative_share, lambda step: walked(step, 0, 1, 5000)
    ),
    "sdi: opacity": (
        lambda c: weight(c.stages[0], "opacity"), lambda step: walked(step, 0.15, 0, 3000) * LATENT
    ),
    "sdi: opaqueness": (lambda c: weight(c.stages[0], "opaqueness"), lambda step: 0.1 * LATENT),
    "sdi: orientation": (lambda c: weight(c.stages[0], "orientation"), lambda step: 0.1 * LATENT),
    "sdi: variance along the ray": (lambda c: weight(c.stages[0], "z_variance"), lambda step: LATENT),
    "rfds-sd3: opacity": (lambda c: weight(c.stages[0], "opacity"), lambda step: 0.1 * WIDE_LATENT),
    "rfds-sd3: opaqueness": (lambda c: weight(c.stages[0], "opaqueness"), lambda step: 0.1 * WIDE_LATENT),
    "zero123: t_min": (lambda c: c.noise.t_min, lambda step: walked(step, 0.4, 0.2, 200)),
    "zero123: t_max": (lambda c: c.noise.t_max, lambda step: walked(step, 0.85, 0.5, 200)),
    "zero123: opacity": (lambda c: weight(c.stages[0], "opacity"), lambda step: 0.1 / 0.1),
    "zero123: opaqueness": (lambda c: weight(c.stages[0], "opaqueness"), lambda step: 0.1 / 0.1),
    "zero123: orientation": (lambda c: weight(c.stages[0], "orientation"), lambda step: 1 / 0.1),
    "zero123: smoothness of normals": (
        lambda c: weight(c.stages[0], "normal_smoothness"), lambda step: 8 / 0.1 / 4
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CURVES)
def test_a_curve_over_a_stage_is_the_published_function_of_the_step(name: str) -> None:
    """Ours are ramps over the share of the stage; sources give steps, and weights beside another loss."""
    ramp_of, wanted = CURVES[name]
    config = published(name.split(":")[0])
    total = config.total_steps
    steps = [total * k / 400 for k in range(401)]
    got = [ramp_of(config)(step / total) for step in steps]
    assert got == pytest.approx([wanted(step) for step in steps], rel=3e-3, abs=1e-3 * max(got))


@pytest.mark.parametrize("name", ["mvdream", "imagedream"])
def test_mvdream_and_imagedream_walk_their_levels_over_8000_steps_and_two_stages(name: str) -> None:
    config = published(name)
    small, large = config.distillations
    assert large.noise is not None and large.noise != config.noise
    for step in range(0, config.total_steps, 50):
        first = step < small.steps
        noise, begun, steps = (
            (config.noise, 0, small.steps) if first else (large.noise, small.steps, large.steps)
        )
        now = (step - begun) / steps
        assert noise.t_min(now) == pytest.approx(walked(step, 0.98, 0.02, 8000))
        assert noise.t_max(now) == pytest.approx(walked(step, 0.98, 0.5, 8000))


@pytest.mark.parametrize(("name", "w"), [("dreamfusion", 100), ("magic3d-coarse", 20)])
def test_a_scale_counted_from_the_conditional_answer_is_brought_to_ours(name: str, w: float) -> None:
    """The papers: (1 + w) eps(y) - w eps. Ours: eps + scale (eps(y) - eps)."""
    null, said = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    ours = cfg_combine(null, said, published(name).cfg.text)
    torch.testing.assert_close(ours, (1 + w) * said - w * null, atol=1e-3, rtol=1e-5)


FOVY = {
    name: (math.radians(40), math.radians(70))
    for name in ("magic3d-coarse", "prolificdreamer", "sdi", "csd", "rfds-sd3")
} | {"luciddreamer": (0.32, 0.6)}


@pytest.mark.parametrize("name", FOVY)
def test_published_angles_of_view_are_focal_lengths_in_image_heights(name: str) -> None:
    (stage,) = published(name).distillations
    assert stage.cameras.kind == "dreamfusion"
    low, high = FOVY[name]
    wanted = [0.5 / math.tan(high / 2), 0.5 / math.tan(low / 2)]
    assert stage.cameras.focal == pytest.approx(wanted, rel=1e-3)


# Half the side of the box that threestudio marches with 512 samples from corner to corner; ours is 1.
BOXES = dict.fromkeys(("prolificdreamer", "mvdream", "imagedream", "csd", "rfds-sd3"), 1)
BOXES |= {"magic3d-coarse": 2, "sdi": 2}


@pytest.mark.parametrize(("name", "half"), [*BOXES.items(), ("zero123", 2 / 0.66)])
def test_rays_are_sampled_as_densely_as_published(name: str, half: float) -> None:
    step = 2 * half * math.sqrt(3) / 512
    assert published(name).renderer.samples == math.ceil(2 / step)


@pytest.mark.parametrize("name", PUBLISHED)
def test_levels_are_levels_and_neither_they_nor_the_images_go_back(name: str) -> None:
    config, prior = published(name), red_ball_prior()
    highest, size = 1.0, 0
    for stage in config.distillations:
        noise = stage.noise or config.noise
        for progress in (k / 100 for k in range(101)):
            low, high = noise.t_min(progress), noise.t_max(progress)
            assert 0 < low <= high <= highest and high < 1
            assert stage.side(progress, prior) >= size
            highest, size = high + 1e-9, stage.side(progress, prior)


@pytest.mark.parametrize("name", ["mvdream", "imagedream", "prolificdreamer", "rfds-sd3"])
def test_the_mlp_learns_at_a_thousandth_where_the_grid_learns_at_a_hundredth(name: str) -> None:
    config = published(name)
    groups = config.field.model_copy(update={"log2_table_size": 4}).build(torch.Generator().manual_seed(0))
    for stage in config.distillations:
        rates = {group: stage.lr(0.5) * stage.lr_scale.get(group, 1.0) for group in groups.parameter_groups()}
        assert rates == {"encoding": 0.01, "network": pytest.approx(0.001)}


def test_views_are_called_and_cameras_drawn_as_in_the_sources() -> None:
    """threestudio draws half of the elevations by area between the bounds, LucidDreamer none."""
    words = {name: published(name).view_words for name in PUBLISHED}
    assert {name for name in words if (words[name].front, words[name].back) == (30, 30)} == {
        "prolificdreamer"
    }
    lucid = published("luciddreamer")
    assert lucid.view_words.blend and lucid.noise.shared
    shares = {name: published(name).distillations[0].cameras.by_area for name in PUBLISHED}
    assert shares == {name: 0.0 if name == "luciddreamer" else 0.5 for name in PUBLISHED}
    areas = {name: getattr(published(name).distillations[0].cameras, "area", "range") for name in PUBLISHED}
    assert {name for name, area in areas.items() if area == "upper"} == {"dreamfusion", "luciddreamer"}


# ---- that they run ----


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_recipe_takes_two_steps_of_every_stage(name: str) -> None:
    """Everything but the prior is the recipe's; the field, the views and the prior are tiny."""
    prior = red_ball_prior()
    config = published(name)
    if config.prior.kind in ("mvdream", "imagedream"):
        prior.views_per_group = 4
    config = tiny(config)
    field = config.field.build(torch.Generator().manual_seed(0))
    before = [p.detach().clone() for p in field.parameters()]
    renderer, setup = config.renderer.build(), RunContext(config, torch.device("cpu"), prior)
    for stage in config.distillations:
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
        if stage["kind"] == "distil"
        else stage
        for stage in values["stages"]
    ]
    return from_values(values)


def _at_once(losses: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every loss that ever counts, from the first step on."""
    return [loss | {"weight": max(loss["weight"]["start"], loss["weight"]["end"])} for loss in losses]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_field_light_and_background_can_be_built_at_full_size(name: str) -> None:
    config, generator = published(name), torch.Generator().manual_seed(0)
    assert sum(p.numel() for p in config.field.build(generator).parameters()) > 5e4
    config.renderer.build()
    for stage in config.distillations:
        stage.shading.build()
        stage.background.build(generator)
        side = stage.side(0.0, red_ball_prior())
        assert len(stage.cameras.build((side, side)).sample(stage.views, 0.0, generator)) == stage.views


@pytest.mark.parametrize("name", [*PUBLISHED, "pretrained", "fast", "multiview"])
def test_the_warm_up_takes_little_more_samples_than_the_steps_after_it(name: str) -> None:
    """At the preset's own step length and grid; all cells of the bounds would be up to six times as many."""
    config = published(name)
    stage = config.optimisations[0]
    field = config.field.build(torch.Generator().manual_seed(0))
    renderer = (stage.renderer or config.renderer).build()
    assert isinstance(renderer, VolumeRenderer)
    counts = []
    for step in (0, renderer.occupancy.config.warm_up):
        renderer.update(field, step, torch.Generator().manual_seed(step))
        rays = camera_rays(stage.cameras.build((8, 8)).sample(4, 0.0, torch.Generator().manual_seed(1)))
        jitter = torch.full((len(rays.origins),), 0.5)
        counts.append(len(ops.march(rays, renderer.occupancy.occupied, renderer.step_length, jitter).t0))
    assert 0.9 * counts[1] < counts[0] < 2.2 * counts[1]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_model_that_cannot_be_had_is_one_line(name: str) -> None:
    config = published(name)
    assert config.prior.kind != "embedded"
    absent = config.prior.model_copy(update={"offline": True})
    with pytest.raises(DreamlabError) as caught:
        absent.build("cpu")
    line = str(caught.value)
    assert "\n" not in line and re.search(r"offline|cache|huggingface|dreamlab priors", line), line


@pytest.mark.parametrize("name", SHOWN)
def test_a_recipe_from_a_picture_asks_for_it_before_anything_is_loaded(name: str) -> None:
    with pytest.raises(ConfigError, match=r"prior\.image is missing.*--set prior\.image="):
        resolve("a red ball", preset=name)


def test_imagedreams_images_are_of_three_sizes() -> None:
    small, large = published("imagedream").distillations
    prior = red_ball_prior()
    sides = [
        small.side(step / small.steps, prior)
        if step < small.steps
        else large.side((step - 5000) / 7500, prior)
        for step in (0, 4999, 5000, 9990, 10010, 12499)
    ]
    assert sides == [64, 64, 192, 192, 256, 256]


# ---- that they are found, and say where they come from ----


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_recipe_cites_its_source_and_says_what_is_ours(name: str) -> None:
    text = (presets.presets_folder() / f"{name}.yaml").read_text("utf-8")
    head = " ".join(line.lstrip("# ") for line in text.split("\n") if line.startswith("#"))
    assert re.search(r"(et al\.|and \w+) 20\d\d, arXiv:\d{4}\.\d{5}", head) and "Ours: " in head
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
