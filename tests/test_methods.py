"""Every distillation method from a config to a mesh, on priors in closed form."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from known import SMALL_END, Balls, small_config, small_values

from dreamlab.core.errors import ConfigError
from dreamlab.guidance import GuidanceConfig
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run.config import RunConfig
from dreamlab.run.events import Step
from dreamlab.run.machine import environment
from dreamlab.run.pipeline import generate
from dreamlab.run.restore import field_of
from dreamlab.run.run_dir import RunDir

KINDS = [config.model_fields["kind"].default for config in get_args(get_args(GuidanceConfig)[0])]
ALONE: dict[str, dict[str, Any]] = {  # what a method cannot do without
    "dds": {"source_prompt": "a blue ball"},
    "mixture": {"parts": [{"guidance": {"kind": "sds"}}, {"guidance": {"kind": "csd"}, "prior": "second"}]},
}
STAGES = [{"name": "shape", "steps": 3, "views": 4, "lr": 0.02}]


def run_of(root: Path, config: RunConfig, prior: Any = None) -> RunDir:
    run = RunDir.create(root, config, environment())
    assert list(generate(config, run, Balls() if prior is None else prior))
    return run


@pytest.fixture(scope="module")
def blue(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run that made a blue ball."""
    stage = STAGES[0] | {"steps": 30}
    config = small_config(prompt="a blue ball", stages=[stage, *SMALL_END])
    return run_of(tmp_path_factory.mktemp("blue"), config)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[EmbeddedPriorConfig]:
    """The priors that a run built by itself; all of them know balls."""
    asked: list[EmbeddedPriorConfig] = []

    def build(self: EmbeddedPriorConfig, device: Any = "cpu") -> Balls:
        asked.append(self)
        return Balls()

    monkeypatch.setattr(EmbeddedPriorConfig, "build", build)
    return asked


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_makes_a_mesh(kind: str, blue: RunDir, built: list[Any], tmp_path: Path) -> None:
    second, unused = ({"kind": "embedded", "views_per_group": n} for n in (2, 3))
    config = small_config(
        guidance={"kind": kind, **ALONE.get(kind, {})},
        priors={"second": second, "unused": unused},
        begin=str(blue.path),
        stages=[*STAGES, *SMALL_END],
    )
    run = run_of(tmp_path, config)
    rows = [json.loads(row) for row in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3] and (run.path / "mesh.glb").stat().st_size > 500
    assert all(math.isfinite(row[name]) for row in rows for name in ("loss", "residual", "t"))
    assert rows[-1]["parameter_grad_norm"] > 0
    assert [prior.views_per_group for prior in built] == ([2] if kind == "mixture" else [])


def color_inside(run: RunDir) -> torch.Tensor:
    """The mean colour of the matter in the middle of a run's field."""
    x = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0)) * 0.6 - 0.3
    with torch.no_grad():
        density, rgb = field_of(run)(x)
    return (density[:, None] * rgb).sum(0) / density.sum()


def edited(blue: RunDir, **changes: Any) -> RunConfig:
    edit = {"kind": "dds", "source_prompt": "a blue ball"}
    values = {"guidance": edit, "begin": str(blue.path), "stages": [STAGES[0] | {"steps": 30}]}
    return small_config(**values | changes)


@pytest.mark.slow
def test_an_edit_moves_the_object_from_the_source_to_the_target(blue: RunDir, tmp_path: Path) -> None:
    before, after = color_inside(blue), color_inside(run_of(tmp_path, edited(blue)))
    assert before[2] > before[0] + 0.1, "it begins blue"
    assert after[0] > before[0] + 0.1 and after[2] < before[2] - 0.1


@pytest.mark.slow
def test_an_edit_towards_what_is_there_changes_nothing(blue: RunDir, tmp_path: Path) -> None:
    config = edited(blue, prompt="a blue ball")
    assert torch.allclose(color_inside(run_of(tmp_path, config)), color_inside(blue), atol=0.03)


def test_an_edit_goes_on_exactly_even_when_its_source_is_gone(blue: RunDir, tmp_path: Path) -> None:
    source = RunDir(shutil.copytree(blue.path, tmp_path / "0001-source"))
    config = edited(source, stages=[STAGES[0] | {"steps": 8}, *SMALL_END])
    whole = run_of(tmp_path / "whole", config)
    run = RunDir.create(tmp_path / "parts", config, environment())
    events = generate(config, run, Balls())
    while not (isinstance(event := next(events), Step) and event.done == 5):
        pass
    events.close()
    shutil.rmtree(source.path)
    list(generate(run.config(), run, Balls()))
    for name in ("mesh.glb", "metrics.jsonl"):
        assert (run.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_an_edit_under_light_is_refused(blue: RunDir, tmp_path: Path) -> None:
    config = edited(blue, stages=[STAGES[0] | {"shading": {"kind": "lit"}}, *SMALL_END])
    with pytest.raises(ConfigError, match=r"without light.*albedo"):
        run_of(tmp_path, config)


def test_a_run_does_not_begin_with_another_kind_of_field(blue: RunDir, tmp_path: Path) -> None:
    config = edited(blue, field=small_values()["field"] | {"width": 32})
    with pytest.raises(ConfigError, match="another kind of field"):
        run_of(tmp_path, config)
