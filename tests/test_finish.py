"""No more steps: what a run has come to is made into files, and the settings say so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from known import red_ball_prior, small_config
from test_pipeline import result, stop_after, whole_run

from dreamlab.cli import main
from dreamlab.core.errors import ConfigError, InputError
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run.config import RunConfig
from dreamlab.run.events import Finished, Note, Phase, Step
from dreamlab.run.finish import finish_here
from dreamlab.run.glance import glance
from dreamlab.run.machine import environment
from dreamlab.run.pipeline import generate, surface_of_run
from dreamlab.run.run_dir import RunDir


@pytest.mark.parametrize("step", [5, 8, 10])
def test_a_run_that_is_finished_early_has_the_bytes_of_one_set_to_end_there(
    tmp_path: Path, step: int
) -> None:
    run = stop_after(tmp_path / "left", small_config(), step)
    config = finish_here(run)
    events = list(generate(config, run))  # and no prior
    assert not [event for event in events if isinstance(event, Step)]
    assert "load" not in [event.name for event in events if isinstance(event, Phase)]
    assert isinstance(events[-1], Finished) and (run.path / "report.html").is_file()
    again, _ = whole_run(tmp_path / "set", run.config())
    assert result(again) == result(run)


def test_where_it_ends_stands_in_the_settings_and_is_told(tmp_path: Path) -> None:
    run = stop_after(tmp_path, small_config(), 5)
    shape, colour = finish_here(run).optimisations
    assert (shape.stop_after, colour.stop_after) == (5, 0)
    assert run.config().total_steps == 5 and run.config().optimisations[0].steps == 8
    notes = [event.text for event in generate(run.config(), run) if isinstance(event, Note)]
    assert any("stages.shape.stop_after was None and is 5" in note for note in notes)
    assert glance(run.path).state == "done" and glance(run.path).steps == 5


def test_schedules_run_as_if_there_were_more_steps(tmp_path: Path) -> None:
    whole, _ = whole_run(tmp_path / "whole", small_config())
    cut, _ = whole_run(tmp_path / "cut", small_config(stages={"shape": {"stop_after": 5}}))
    rows = [(run.path / "metrics.jsonl").read_bytes().splitlines() for run in (whole, cut)]
    assert rows[0][:5] == rows[1][:5] and json.loads(rows[1][5])["stage"] == "colour"


def test_a_run_that_was_finished_early_can_go_on_after_all(tmp_path: Path) -> None:
    reference, _ = whole_run(tmp_path / "whole", small_config())
    run = stop_after(tmp_path / "left", small_config(), 5)
    list(generate(finish_here(run), run))
    run.change(small_config())
    list(generate(run.config(), run, red_ball_prior()))
    assert result(run) == result(reference)


def test_the_surface_of_a_run_without_a_stage_asks_no_prior(tmp_path: Path) -> None:
    run = stop_after(tmp_path, small_config(), 5)
    assert len(surface_of_run(run, finish_here(run)).mesh.faces) > 0


def test_nothing_is_finished_before_the_first_step(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, small_config(), environment())
    with pytest.raises(InputError, match="no checkpoint yet"):
        finish_here(run)
    assert run.config() == small_config()


def test_a_first_stage_without_steps_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'shape' would make no step.*stages\.shape\.stop_after=null"):
        small_config(stages={"shape": {"stop_after": 0}})


def test_settings_of_before_are_read(tmp_path: Path) -> None:
    values = small_config().model_dump(mode="json", by_alias=True)
    for stage in values["stages"]:
        stage.pop("stop_after", None)
    assert RunConfig.model_validate(values) == small_config()


def test_resume_finishes_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    run = stop_after(tmp_path, small_config(), 9)
    assert main(["resume", str(run.path), "--finish", "--quiet"]) == 0
    assert (run.path / "mesh.glb").is_file() and run.config().total_steps == 9
