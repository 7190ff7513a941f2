"""What a run measures is collected by other programs, too; none of them can change or harm it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from known import red_ball_prior, small_config, small_values
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_pipeline import result, stop_after, whole_run

from dreamlab.core.errors import ConfigError, UnavailableError
from dreamlab.run.config import RunConfig
from dreamlab.run.events import Note
from dreamlab.run.log_tensorboard import TensorBoardLogger
from dreamlab.run.log_wandb import logged_in
from dreamlab.run.machine import environment
from dreamlab.run.pipeline import generate
from dreamlab.run.run_dir import RunDir

STAGES = {"shape": {"steps": 4}, "colour": {"steps": 2}}


def logging_to(*names: str, **saving: Any) -> RunConfig:
    values = small_values()["saving"] | {"preview_every": 2, "log": list(names), **saving}
    return small_config(stages=STAGES, saving=values)


def collected(run: RunDir) -> EventAccumulator:
    return EventAccumulator(str(run.path / "tensorboard")).Reload()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return whole_run(tmp_path_factory.mktemp("reference"), logging_to())[0]


def scalars(events: EventAccumulator, name: str) -> list[tuple[int, float]]:
    return [(e.step, e.value) for e in events.Scalars(name)]


def test_tensorboard_gets_every_figure_picture_and_setting(tmp_path: Path, reference: RunDir) -> None:
    run, events = whole_run(tmp_path, logging_to("tensorboard"))
    assert result(run) == result(reference)
    found, (rows, _) = collected(run), run.metrics()
    for name in ("loss", "residual", "t", "parameter_grad_norm"):
        told = [(row["step"], row[name]) for row in rows]
        assert scalars(found, name) == [(step, pytest.approx(value, rel=1e-6)) for step, value in told]
    assert [e.step for e in found.Images("preview")] == [2, 4, 6]
    assert found.Images("preview")[0].width == 16
    faces = events[-1].measures["faces"]
    assert scalars(found, "faces") == [(6, faces)]
    assert "hparams" in found.summary_metadata["_hparams_/session_start_info"].plugin_data.plugin_name
    start = found.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"stages.shape.steps" in start and b"a red ball" in start
    assert b"prompt: a red ball" in found.Tensors("config/text_summary")[0].tensor_proto.string_val[0]


def test_steps_that_are_made_again_are_collected_once(tmp_path: Path) -> None:
    """A run that was killed goes on from its checkpoint of step 3, after it had told of step 4."""
    run = stop_after(tmp_path, logging_to("tensorboard"), 3)
    lost = TensorBoardLogger(run.config(), run, 3)
    lost.figures(4, {"loss": -1.0})
    lost.close()
    list(generate(run.config(), run, red_ball_prior()))
    rows, _ = run.metrics()
    told = [(row["step"], pytest.approx(row["loss"], rel=1e-6)) for row in rows]
    assert scalars(collected(run), "loss") == told


def test_a_logger_that_fails_is_told_of_once_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: RunDir
) -> None:
    def fail(self: object, step: int, values: Mapping[str, float]) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(TensorBoardLogger, "figures", fail)
    run, events = whole_run(tmp_path, logging_to("tensorboard"))
    notes = [event.text for event in events if isinstance(event, Note)]
    assert notes == ["nothing more is logged to tensorboard, and the run goes on: no space left"]
    assert result(run) == result(reference)


def test_a_logger_that_cannot_begin_harms_nothing(tmp_path: Path, reference: RunDir) -> None:
    config = logging_to("tensorboard")
    run = RunDir.create(tmp_path, config, environment())
    (run.path / "tensorboard").write_text("a file, where a folder should be")
    notes = [e.text for e in generate(config, run, red_ball_prior()) if isinstance(e, Note)]
    assert len(notes) == 1 and "nothing more is logged to tensorboard" in notes[0]
    assert result(run) == result(reference)


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_missing_package_is_refused_before_anything_is_loaded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    config = logging_to(name)
    run = RunDir.create(tmp_path, config, environment())
    with pytest.raises(UnavailableError, match=rf"dreamlab\[{name}\].*saving\.log=\[\]"):
        list(generate(config, run, red_ball_prior()))


def test_an_unknown_logger_is_refused() -> None:
    with pytest.raises(ConfigError, match="log"):
        logging_to("mlflow")


def test_settings_of_before_log_to_nothing() -> None:
    values = small_values()
    assert "log" not in values["saving"] and small_config().saving.log == ()


# ---- Weights & Biases ----


class FakeWandb(ModuleType):
    """What of wandb is called, and with what."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.begun: dict[str, Any] = {}
        self.rows: list[tuple[int, dict[str, Any]]] = []
        self.finished = 0
        self.Settings = dict
        self.Image = lambda picture: ("image", picture.shape)

    def init(self, **arguments: Any) -> Any:
        self.begun = arguments
        return SimpleNamespace(log=lambda row, step: self.rows.append((step, row)), finish=self._finish)

    def _finish(self) -> None:
        self.finished += 1


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeWandb:
    module = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setattr("dreamlab.run.loggers.importable", lambda name: True)
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return module


def test_wandb_gets_every_figure_and_is_offline_where_nobody_is_logged_in(
    tmp_path: Path, fake: FakeWandb
) -> None:
    run, _ = whole_run(tmp_path, logging_to("wandb"))
    rows, _ = run.metrics()
    for row in rows:
        figures = {name: value for name, value in row.items() if name not in ("step", "stage")}
        assert (row["step"], figures) in fake.rows
    pictures = [(step, row["preview"]) for step, row in fake.rows if "preview" in row]
    assert pictures == [(step, ("image", (16, 16, 3))) for step in (2, 4, 6)]
    begun = fake.begun
    assert begun["mode"] == "offline" and begun["dir"] == str(run.path) and begun["name"] == run.path.name
    assert begun["config"]["prompt"] == "a red ball" and begun["settings"]["console"] == "off"
    assert fake.finished == 1


def test_a_run_that_goes_on_is_the_same_run_to_wandb(tmp_path: Path, fake: FakeWandb) -> None:
    run = stop_after(tmp_path, logging_to("wandb"), 2)
    first = fake.begun["id"]
    assert fake.finished == 1
    list(generate(run.config(), run, red_ball_prior()))
    assert fake.begun["id"] == first and fake.begun["resume"] == "allow" and fake.finished == 2


def test_who_is_logged_in_is_seen_by_key_or_netrc(
    tmp_path: Path, fake: FakeWandb, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not logged_in()
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password secret\n")
    assert logged_in()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.lab.example")
    assert not logged_in()
    (tmp_path / "netrc").write_text("not a netrc")
    assert not logged_in()
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    assert logged_in()


@pytest.mark.slow
def test_the_real_wandb_keeps_an_offline_run_in_the_runs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: RunDir, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    run, events = whole_run(tmp_path, logging_to("wandb"))
    assert [event.text for event in events if isinstance(event, Note)] == []
    (file,) = (run.path / "wandb").glob("offline-run-*/run-*.wandb")
    assert file.stat().st_size > 1000
    assert result(run) == result(reference)
    assert "wandb" not in capfd.readouterr().out
