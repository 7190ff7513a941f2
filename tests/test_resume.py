"""A run goes on from whatever it finds: damaged, left over, renamed, changed by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from known import red_ball_prior, small_config, small_values
from test_pipeline import result, stop_after, whole_run

from dreamlab.cli import main
from dreamlab.core.errors import InputError
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run import checkpoints
from dreamlab.run.events import Note, Step
from dreamlab.run.machine import environment
from dreamlab.run.pipeline import generate
from dreamlab.run.run_dir import RunDir


def resumed(run: RunDir) -> tuple[list[str], list[int]]:
    """What is noted, and the steps."""
    events = list(generate(run.config(), run, red_ball_prior()))
    notes = [event.text for event in events if isinstance(event, Note)]
    return notes, [event.done for event in events if isinstance(event, Step)]


def edit(run: RunDir, **changes: Any) -> None:
    path = run.path / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    monkeypatch.chdir(tmp_path)
    values = small_values()
    del values["prompt"]
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


# ---- damage ----

DAMAGE = [
    b"x", b"[1]", b"3", b"null", b'{"step": "one"}', b'{"loss": 1}', b"\xff\xfe", b"[" * 5000,
    b'{"step": 1e999}', b'{"step": 1, "loss": ' + b"9" * 400 + b"}",
]  # fmt: skip


@pytest.mark.parametrize("line", DAMAGE, ids=lambda line: repr(line[:12]))
def test_a_damaged_line_of_the_metrics_is_left_out_aloud(tmp_path: Path, line: bytes) -> None:
    run, _ = whole_run(tmp_path, small_config())
    metrics = run.path / "metrics.jsonl"
    rows = metrics.read_bytes().splitlines()
    lengths = {path: path.read_text() for path in run.path.glob("checkpoints/*/meta.json")}
    metrics.write_bytes(b"\n".join([line, *rows[1:]]) + b"\n")
    for path, text in lengths.items():  # the file may be as long as it is now
        path.write_text(json.dumps(json.loads(text) | {"metrics_bytes": metrics.stat().st_size}))
    (run.path / "report.html").unlink()
    notes, steps = resumed(run)
    assert "1 lines of metrics.jsonl are damaged, and the report goes without them" in notes and not steps
    assert (run.path / "report.html").is_file()


def test_metrics_that_are_gone_are_told_and_block_nothing(tmp_path: Path) -> None:
    run, _ = whole_run(tmp_path, small_config())
    (run.path / "metrics.jsonl").unlink()
    notes, _ = resumed(run)
    assert any("metrics.jsonl is gone" in note for note in notes)


@pytest.mark.parametrize("content", [None, b"", b"[]", b"3", b'"x"', b"{", b"\xff", b"[" * 5000])
def test_an_environment_that_cannot_be_read_is_told_and_blocks_nothing(
    tmp_path: Path, content: bytes | None
) -> None:
    run = stop_after(tmp_path, small_config(), 7)
    path = run.path / "environment.json"
    path.unlink() if content is None else path.write_bytes(content)
    notes, steps = resumed(run)
    assert steps[0] == 8 and sum("environment.json is missing or damaged" in note for note in notes) == 1


@pytest.mark.parametrize("content", [{"packages": 3}, {"packages": ["torch"]}, {"threads": "many"}])
def test_an_environment_of_odd_values_blocks_nothing(tmp_path: Path, content: dict[str, Any]) -> None:
    run = stop_after(tmp_path, small_config(), 7)
    (run.path / "environment.json").write_text(json.dumps(content))
    assert resumed(run)[1][0] == 8


# ---- leftovers ----


def test_what_a_kill_left_among_the_previews_is_removed(tmp_path: Path) -> None:
    run = stop_after(tmp_path, small_config(), 5)
    left = run.path / "previews" / ".writing-abc.png"
    left.write_bytes(b"half")
    resumed(run)
    assert not left.exists() and (run.path / "previews" / "000005.png").is_file()


def test_a_third_checkpoint_goes_when_the_run_goes_on_and_good_ones_stay(tmp_path: Path) -> None:
    run = stop_after(tmp_path, small_config(), 7)
    folder = run.path / "checkpoints"
    (old := folder / "000001").mkdir()
    (newest := sorted(folder.iterdir())[-1] / "meta.json").write_text("{")  # cannot be trusted
    checkpoint, _ = run.restore(keep=1)
    assert checkpoint is not None and not old.exists()
    assert newest.is_file() and (folder / f"{checkpoint.total_step:06d}").is_dir()


def test_no_folder_of_a_run_is_ever_without_its_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(path: Path, data: bytes) -> None:
        raise Killed

    monkeypatch.setattr("dreamlab.run.run_dir.write_atomic", die)
    with pytest.raises(Killed):
        RunDir.create(tmp_path, small_config(), {})
    assert not list(tmp_path.glob("0*"))
    monkeypatch.undo()
    assert RunDir.create(tmp_path, small_config(), {}).path.name.endswith("a-red-ball")


def test_a_folder_without_a_config_is_no_run(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, small_config(), {})
    (tmp_path / "0009-empty").mkdir()
    (tmp_path / "0010-a-pipe").mkdir()
    os.mkfifo(tmp_path / "0010-a-pipe" / "config.yaml")
    assert RunDir.find(tmp_path, "latest").path == run.path
    with pytest.raises(InputError, match="no run '9'"):
        RunDir.find(tmp_path, "9")


def test_a_run_that_was_given_another_name_is_found_by_it(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, small_config(), {})
    run.path.rename(tmp_path / "my mushroom")
    assert RunDir.find(tmp_path, "my mushroom").path.name == "my mushroom"
    assert RunDir.find(tmp_path, "latest").path.name == "my mushroom"
    with pytest.raises(InputError, match="The nearest is my mushroom"):
        RunDir.find(tmp_path, "my-mushroom")
    numbered = RunDir.create(tmp_path, small_config(), {})
    assert RunDir.find(tmp_path, "latest").path == numbered.path


@pytest.mark.parametrize("fault", ["prior", "memory", "bug"])
def test_a_run_whose_prior_does_not_load_leaves_no_folder(
    known: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    def broken(self: object, device: str = "cpu") -> None:
        raise {"prior": InputError("no such prior"), "memory": MemoryError(), "bug": ValueError()}[fault]

    assert main(["run", "a red ball", "--config", "small.yaml", "--quiet"]) == 0
    monkeypatch.setattr(EmbeddedPriorConfig, "build", broken)
    assert main(["run", "a cat", "--config", "small.yaml", "--quiet"]) == (1 if fault == "bug" else 2)
    assert [path.name for path in (known / "outputs").iterdir()] == ["0001-a-red-ball"]
    monkeypatch.undo()
    monkeypatch.chdir(known)
    assert main(["resume", "--quiet"]) == 0


def test_a_run_that_has_begun_stays_when_its_prior_does_not_load_again(
    known: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stop_after(known / "outputs", small_config(), 2)

    def broken(self: object, device: str = "cpu") -> None:
        raise InputError("no such prior")

    monkeypatch.setattr(EmbeddedPriorConfig, "build", broken)
    assert main(["resume", "--quiet"]) == 2 and run.config() == small_config()


# ---- other settings ----


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 4}, "after step 7: seed was 3 and is 4"),
        ({"prompt": "a blue ball"}, "prompt was a red ball and is a blue ball"),
        ({"seed": 4, "negative_prompt": "x"}, "seed was 3 and is 4"),
    ],
)
def test_what_was_changed_by_hand_is_told_in_one_line(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    run = stop_after(tmp_path, small_config(), 7)
    edit(run, **changes)
    notes, steps = resumed(run)
    (line,) = [note for note in notes if "settings were changed" in note]
    assert told in line and "\n" not in line and steps[0] == 8
    assert told in (run.path / "log.txt").read_text()


def test_rate_and_steps_changed_by_hand_are_told(tmp_path: Path) -> None:
    run = stop_after(tmp_path, small_config(), 7)
    stages = yaml.safe_load((run.path / "config.yaml").read_text())["stages"]
    stages[0] |= {"steps": 10, "lr": 0.5}
    edit(run, stages=stages)
    notes, steps = resumed(run)
    (line,) = [note for note in notes if "settings were changed" in note]
    for told in ("stages.shape.steps was 8 and is 10", "stages.shape.lr.start was 0.02 and is 0.5"):
        assert told in line
    assert steps == list(range(8, 15))


def test_a_run_left_as_it_was_is_told_nothing(tmp_path: Path) -> None:
    assert not [n for n in resumed(stop_after(tmp_path, small_config(), 7))[0] if "changed" in n]


@pytest.mark.parametrize("change", ["order", "kind", "fewer", "field"])
def test_stages_that_the_checkpoint_cannot_stand_in_are_refused(tmp_path: Path, change: str) -> None:
    run = stop_after(tmp_path, small_config(), 10)
    values = yaml.safe_load((run.path / "config.yaml").read_text())
    shape, color, *end = values["stages"]
    edit(run, **{
        "order": {"stages": [color, shape, *end]},
        "kind": {"stages": [{"kind": "fit-views", "name": "shape"}, color, *end]},
        "fewer": {"stages": [shape, *end]},
        "field": {"field": {"kind": "mlp"}},
    }[change])  # fmt: skip
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*.safetensors")}
    with pytest.raises(InputError, match=r"Put (them|it) back"):
        resumed(run)
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*.safetensors")} == before


def test_a_finished_run_goes_further_with_other_settings(
    known: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "a red ball", "--config", "small.yaml", "--quiet"]) == 0
    run = RunDir.find(Path("outputs"), "1")
    capsys.readouterr()
    assert main(["resume", "--set", "stages.colour.steps=6", "--set", "turntable.frames=0", "--json"]) == 2
    assert "turntable" in capsys.readouterr().out and run.config().stages[1].steps == 4
    assert main(["resume", "--set", "stages.colour.steps=6", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["step"] for row in rows if row["event"] == "step"] == [13, 14]
    assert any("stages.colour.steps was 4 and is 6" in row.get("text", "") for row in rows)
    assert run.config().stages[1].steps == 6
    assert main(["resume", "--set", "field.kind=mlp", "--quiet"]) == 2
    assert run.config().field.kind == "hashgrid"


def test_more_steps_from_the_start_or_later_are_the_same_where_rates_do_not_change(tmp_path: Path) -> None:
    """A run of 4 and 4 steps gone further to 6 is a run of 4 and 6: rates here do not depend on the end."""
    alike = {"cameras": {"kind": "orbit"}, "lr": 0.02}
    long = small_config(stages={"colour": {"steps": 6, **alike}})
    whole, _ = whole_run(tmp_path / "whole", long)
    run = stop_after(tmp_path / "stopped", long, 10)
    assert resumed(run)[1] == [11, 12, 13, 14] and result(run) == result(whole)


# ---- threads ----


def threads_at_the_start(run: RunDir) -> int:
    events = generate(run.config(), run, red_ball_prior())
    next(events)
    number = torch.get_num_threads()
    events.close()
    return number


@pytest.fixture
def own_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("DREAMLAB_THREADS", raising=False)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("own_threads")
def test_a_run_goes_on_with_the_threads_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDir.create(tmp_path, small_config(threads=3), environment())
    for given, wanted in (("1", 3), ("2", 3)):
        monkeypatch.setenv("OMP_NUM_THREADS", given)
        assert threads_at_the_start(run) == wanted
    monkeypatch.setenv("DREAMLAB_THREADS", "1")
    assert threads_at_the_start(run) == 1


@pytest.mark.usefixtures("own_threads")
def test_a_run_of_before_threads_were_a_setting_takes_those_of_its_environment(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, small_config(), environment() | {"threads": 3})
    assert threads_at_the_start(run) == 3


def test_surplus_is_counted_from_the_one_that_is_trusted(tmp_path: Path) -> None:
    for name in ("000001", "000002", "000003", "000004"):
        (tmp_path / name).mkdir()
    checkpoints.drop_surplus(tmp_path, 3, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000002", "000003", "000004"]
