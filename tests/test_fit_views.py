"""Fitting to sampled views as a stage of a run: bytes, resuming, its neighbours, older configs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from known import SMALL_END, Balls, small_config, small_values

from dreamlab.cli.dry_run import _seconds_of
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras, RenderOutput, Views
from dreamlab.run.config import RunConfig
from dreamlab.run.context import RunContext
from dreamlab.run.events import Step
from dreamlab.run.machine import environment
from dreamlab.run.migrate import migrated
from dreamlab.run.pipeline import generate
from dreamlab.run.resolve import from_values, resolve
from dreamlab.run.run_dir import RunDir
from dreamlab.run.stage_list import OPTIMISATIONS
from dreamlab.stages import AnyStageConfig
from dreamlab.stages.base import OptimiseConfig

VIEWS = {"rings": [[4, 10.0], [2, 50.0]], "every": 3, "sampling_steps": 4}
FIT: dict[str, Any] = {"kind": "fit-views", "steps": 8, "views": 4, "lr": 0.02, **VIEWS}
BYTES = ("mesh.glb", "metrics.jsonl")


def fitted(*before: Any) -> RunConfig:
    return small_config(stages=[*before, FIT, *SMALL_END], noise={"t_min": 0.3, "t_max": 0.95})


def run_of(root: Path, config: RunConfig, stop: int | None = None, prior: Balls | None = None) -> RunDir:
    """A run; one that is stopped after so many steps is taken up again."""
    run = RunDir.create(root, config, environment())
    events = generate(config, run, prior or Balls())
    while stop is not None and not (isinstance(event := next(events), Step) and event.done == stop):
        pass
    if stop is not None:
        events.close()
        events = generate(run.config(), run, prior or Balls())
    list(events)
    return run


def test_a_field_from_nothing_becomes_a_mesh(tmp_path: Path) -> None:
    run = run_of(tmp_path, fitted())
    rows = [json.loads(row) for row in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 9))
    assert {row["stage"] for row in rows} == {"fit-views"}
    levels = [row["t"] for row in rows]
    assert len({round(level, 6) for level in levels}) == 3  # a level for each of the three sets
    assert rows[2]["residual"] < rows[0]["residual"] and (run.path / "mesh.glb").stat().st_size > 500


@pytest.mark.parametrize("stop", [2, 3, 4, 7])
def test_a_run_stopped_anywhere_between_two_samplings_goes_on_exactly(stop: int, tmp_path: Path) -> None:
    whole = run_of(tmp_path / "whole", fitted())
    parts = run_of(tmp_path / "parts", fitted(), stop)
    for name in BYTES:
        assert (parts.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_it_goes_on_with_the_field_of_a_distillation_and_a_distillation_with_its(tmp_path: Path) -> None:
    shape = {"name": "shape", "steps": 3, "views": 4, "lr": 0.02}
    config = small_config(stages=[shape, FIT, shape | {"name": "after"}, *SMALL_END])
    whole, parts = run_of(tmp_path / "whole", config), run_of(tmp_path / "parts", config, 12)
    assert (parts.path / "mesh.glb").read_bytes() == (whole.path / "mesh.glb").read_bytes()


def test_a_dry_run_denoises_a_set_once_and_counts_it_as_often_as_the_stage_will() -> None:
    asked: list[int] = []

    class Counted(Balls):
        def denoise(self, z_t: torch.Tensor, *args: Any) -> torch.Tensor:
            asked.append(len(z_t))
            return super().denoise(z_t, *args)

    config = small_config(stages=[FIT | {"every": 6, "sampling_steps": 1000}, *SMALL_END])
    (stage,) = config.optimisations
    seconds = _seconds_of(stage, None, RunContext(config, torch.device("cpu"), Counted()))
    assert asked == [6] and seconds > 0
    assert stage.denoisings(config.noise) == 1000  # two sets from half way


class Shown(Balls):
    """Balls that can be shown, and count what they are asked."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded: list[bool] = []

    def encode(self, render: RenderOutput, cameras: Cameras) -> Views:
        views = super().encode(render, cameras)
        self.encoded.append(views.x.requires_grad)
        return views

    def decode(self, x: torch.Tensor) -> torch.Tensor:
        return (x[:, :3] + 0.5 * (1 - x[:, 3:])).clamp(0, 1).movedim(1, -1)  # on grey


def on_a_mesh(stop: int | None, root: Path, prior: Balls) -> RunDir:
    """A field and then its mesh fitted to pictures; a run that is stopped is taken up again."""
    shape = FIT | {"compare": "pixels", "background": {"kind": "learned"}, "size": 24}
    stages = [shape, SMALL_END[0], "clean", shape | {"name": "refine", "steps": 4}, *SMALL_END[2:]]
    return run_of(root, small_config(stages=stages, noise={"t_min": 0.3, "t_max": 0.95}), stop, prior)


def test_pictures_ask_the_encoder_once_a_set_and_never_for_a_gradient(tmp_path: Path) -> None:
    prior = Shown()
    run = on_a_mesh(None, tmp_path, prior)
    assert prior.encoded == [False] * 5  # three sets of eight steps, two of four
    rows = [json.loads(row) for row in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert {row["stage"] for row in rows} == {"fit-views", "refine"}
    assert (run.path / "mesh.glb").stat().st_size > 500


@pytest.mark.parametrize("stop", [2, 10])
def test_pictures_go_on_exactly_on_a_field_and_on_a_mesh(stop: int, tmp_path: Path) -> None:
    whole, parts = on_a_mesh(None, tmp_path / "whole", Shown()), on_a_mesh(stop, tmp_path / "parts", Shown())
    for name in BYTES:
        assert (parts.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_a_prior_that_cannot_show_its_pictures_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot show.*stages\.fit-views\.compare=prior"):
        on_a_mesh(None, tmp_path, Balls())


def test_a_list_of_optimisations_goes_on_to_files() -> None:
    assert [stage.kind for stage in small_config(stages=["fit-views"]).stages][1:3] == ["extract", "clean"]


def test_only_optimisations_go_on_by_themselves() -> None:
    configs = [c for c in get_args(get_args(AnyStageConfig)[0]) if issubclass(c, OptimiseConfig)]
    assert {config.model_fields["kind"].default for config in configs} == set(OPTIMISATIONS)


def test_cameras_of_its_own_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"rings.*take `cameras` away"):
        small_config(stages=[FIT | {"cameras": {"kind": "dreamfusion"}}])


def test_an_edit_may_follow_but_not_come_first() -> None:
    edit = {"name": "edit", "guidance": {"kind": "dds", "source_prompt": "a ball"}}
    with pytest.raises(ConfigError, match="the first stage has none"):
        small_config(stages=[edit, "fit-views", *SMALL_END])
    assert small_config(stages=["fit-views", edit, *SMALL_END]).begin is None


def test_older_runs_by_the_method_are_read_as_runs_of_the_stage() -> None:
    """Method of the run or of a stage, a distillation beside it with its own."""
    method = {"kind": "dataset-update", "weighting": "uniform", "grad_clip": None, "eta": 0.5, **VIEWS}
    method["drawing_steps"] = method.pop("sampling_steps")
    shape, color = ({"kind": "distil", "name": n, "steps": 8, "mesh": {}} for n in ("shape", "colour"))
    old = small_values(guidance=method, stages=[shape, color | {"guidance": {"kind": "sds"}}])
    new = from_values(migrated(old))
    fit, distil = new.optimisations
    assert (fit.kind, fit.name, fit.steps, fit.eta, fit.every) == ("fit-views", "shape", 8, 0.5, 3)
    assert fit.rings == ((4, 10.0), (2, 50.0)) and fit.sampling_steps == 4
    assert distil.kind == "distil" and distil.guidance.kind == "sds"
    old = small_values(stages=[shape, color | {"guidance": method}])
    assert [stage.kind for stage in from_values(migrated(old)).optimisations] == ["distil", "fit-views"]
    old["stages"][1]["guidance"]["grad_clip"] = 0.1
    with pytest.raises(ConfigError, match=r"unknown setting stages\.1\.grad_clip"):
        from_values(migrated(old))


def test_the_method_of_old_is_refused_with_the_stages_name() -> None:
    with pytest.raises(ConfigError, match=r"guidance.kind=dataset-update is no guidance.*--preset drawn"):
        resolve("a cat", preset="fast", overrides=["guidance.kind=dataset-update"])
    with pytest.raises(ConfigError, match=r"Set stages\.fit-views\.sampling_steps"):
        resolve("a cat", preset="drawn", overrides=["guidance.drawing_steps=9"])
    with pytest.raises(ConfigError, match=r"Set stages\.fit-views\.rings"):
        resolve("a cat", preset="drawn", overrides=["guidance.rings=[[4, 10]]"])
    drawn = resolve("a cat", preset="drawn", overrides=["stages.fit-views.rings=[[12, 10]]"])
    assert drawn.optimisations[0].rings == ((12, 10.0),)
