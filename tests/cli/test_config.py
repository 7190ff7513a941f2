"""Defaults of options: command line over environment over the user's file over the preset."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from known import red_ball_prior, small_values

from dreamlab.cli.defaults import BUILT_IN, FORMATS, Defaults
from dreamlab.cli.user_file import NAMES, OTHERS, VARIABLES, config_file
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from tests.cli.shelf import command, make_run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, and the user's own file in it, which is not there yet."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DREAMLAB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr("sys.platform", "linux")
    (tmp_path / "config" / "dreamlab").mkdir(parents=True)
    return tmp_path / "config" / "dreamlab" / "config.yaml"


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What a dry run of these arguments comes to; no step is timed."""
    from dreamlab.cli import dry_run

    monkeypatch.setattr(dry_run, "_cost", lambda config: ({}, []))

    def plan(*arguments: str) -> dict[str, Any]:
        assert command("run", "a red ball", "--dry-run", "--json", *arguments) == 0, capsys.readouterr()
        return json.loads(capsys.readouterr().out)

    return plan


def formats(plan: dict[str, Any]) -> list[str]:
    return next(stage["formats"] for stage in plan["config"]["stages"] if stage["kind"] == "export")


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    home: Path, planned: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planned()["config"]["expand"] == "auto" and planned()["defaults"] == {}
    home.write_text("expand: off\ndevice: cpu\nthreads: 3\n")
    plan = planned()
    said = {"device": "cpu", "threads": 3, "expand": "off"}
    assert {key: plan["config"][key] for key in said} == said
    assert plan["defaults"] == {key: f"{value} ({home})" for key, value in said.items()}
    monkeypatch.setenv("DREAMLAB_EXPAND", "full")
    plan = planned()
    assert plan["config"]["expand"] == "full" and plan["defaults"]["expand"] == "full (DREAMLAB_EXPAND)"
    plan = planned("--expand", "auto")
    assert plan["config"]["expand"] == "auto" and "expand" not in plan["defaults"]
    Path("mine.yaml").write_text("expand: off\n")
    assert planned("--config", "mine.yaml")["config"]["expand"] == "off"
    assert planned("--set", "expand=auto")["config"]["expand"] == "auto"


def test_formats_of_the_user_are_those_of_stages_that_name_none(home: Path, planned: Any) -> None:
    home.write_text("formats: stl,.3mf\n")
    assert formats(planned()) == ["stl", "3mf"] == formats(planned("--preset", "fast"))
    assert formats(planned("--export", "ply")) == ["ply"]
    assert formats(planned("--set", "stages.export.formats=[usdz]")) == ["usdz"]
    Path("own.yaml").write_text("stages: [distil, extract, simplify, export]\n")
    assert formats(planned("--config", "own.yaml")) == ["stl", "3mf"]
    Path("own.yaml").write_text("stages: [distil, extract, simplify, {kind: export, formats: [obj]}]\n")
    assert formats(planned("--config", "own.yaml")) == ["obj"]


def test_the_preset_of_the_user_yields_where_the_command_line_asks_for_another_kind(
    home: Path, planned: Any, tmp_path: Path
) -> None:
    home.write_text("preset: fast\n")
    plan = planned()
    assert plan["preset"] == "fast" and plan["defaults"] == {"preset": f"fast ({home})"}
    assert planned("--prior", "embedded")["preset"] == "fast"
    assert planned("--preset", "quality")["preset"] == "quality"
    other = planned("--prior", "sd15")
    assert other["preset"] == "pretrained" and other["defaults"] == {}
    Path("ball.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert planned("--from", "ball.obj")["preset"] == "refine"
    home.write_text("preset: fast\nprior: sd15\n")
    assert planned()["preset"] == "fast" and planned()["config"]["prior"]["kind"] != "embedded"
    home.write_text("prior: sd15\n")
    assert planned()["preset"] == "pretrained"


def test_what_a_default_decided_stands_in_the_run_which_needs_it_no_more(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    values = small_values()
    for key in ("prompt", "device"):
        del values[key]
    values["stages"] = [{"name": "shape", "steps": 2, "views": 4}, *values["stages"][2:]]
    Path("small.yaml").write_text(yaml.safe_dump(values))
    home.write_text("device: cpu\nformats: [stl]\nthreads: 1\nout: dreams\nexpand: off\n")
    assert command("run", "a red ball", "--config", "small.yaml", "--quiet") == 0
    run = Path("dreams/0001-a-red-ball")
    assert capsys.readouterr().out == f"{run}/mesh.stl\n"
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (config["device"], config["threads"], config["expand"]) == ("cpu", 1, "off")
    environment = json.loads((run / "environment.json").read_text())
    assert environment["preset"] == "default" and environment["defaults"]["threads"] == f"1 ({home})"
    home.write_text("device: cuda:7\nformats: [ply]\nout: dreams\n")
    assert command("resume", "--quiet") == 0  # the run's own settings, not today's defaults
    assert capsys.readouterr().out == f"{run}/mesh.stl\n"


def test_every_command_looks_into_the_folder_of_the_user(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(Path("mine"), "a cat")
    make_run(Path("theirs"), "a dog")
    home.write_text("out: mine\n")
    assert command("list", "--quiet") == 0 and capsys.readouterr().out == "mine/0001-a-cat\n"
    monkeypatch.setenv("DREAMLAB_OUT", "theirs")
    assert command("list", "--quiet") == 0 and capsys.readouterr().out == "theirs/0001-a-dog\n"
    assert command("list", "--quiet", "--out", "mine") == 0 and "a-cat" in capsys.readouterr().out
    assert command("rm", "1", "--yes", "--quiet") == 0 and Path("theirs/.trash/0001-a-dog").is_dir()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("presett: fast\n", "presett is no default; expected out, preset, prior"),
        ("presett: fast\n", "The nearest is preset."),
        ("preset: fats\n", "preset cannot be used; expected one of"),
        ("preset: fats\n", "(the nearest is fast)"),
        ("threads: 0\n", "threads cannot be used"),
        ("threads: many\n", "threads cannot be used"),
        ("expand: some\n", "expand cannot be used"),
        ("formats: [glb, fbx]\n", "formats cannot be used; expected one of glb, obj"),
        ("formats: []\n", "formats cannot be used"),
        ("device: gpu\n", "device cannot be used"),
        ("prior: [a]\n", "prior cannot be used"),
        ("- 1\n", "does not hold settings"),
        ("a: [\n", "is not valid YAML"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_file(
    text: str, words: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.write_text(text)
    for arguments in (("config",), ("list",), ("run", "a cat", "--dry-run")):
        assert command(*arguments) == 2
        told = capsys.readouterr().err
        assert words in told and str(home) in told


def test_a_variable_that_cannot_be_used_is_refused_by_its_name(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DREAMLAB_PRESET", "fats")
    assert command("config") == 2 and "DREAMLAB_PRESET cannot be used" in capsys.readouterr().err
    monkeypatch.setenv("DREAMLAB_PRESET", " ")  # empty: not said
    monkeypatch.setenv("DREAMLAB_PRESETT", "fast")
    with pytest.warns(UserWarning, match="_PRESETT is not read by anything. The nearest is DREAMLAB_P"):
        assert command("config", "--json") == 0
    assert json.loads(capsys.readouterr().out)["values"]["preset"] == {"value": "default", "origin": None}


def test_another_file_can_be_named_and_must_then_be_there(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.write_text("preset: quality\n")
    Path("other.yaml").write_text("preset: fast\n")
    for named, preset in (("other.yaml", "fast"), ("", "default")):
        monkeypatch.setenv("DREAMLAB_CONFIG", named)
        assert command("config", "--json") == 0
        assert json.loads(capsys.readouterr().out)["values"]["preset"]["value"] == preset
    assert config_file() is None
    monkeypatch.setenv("DREAMLAB_CONFIG", "gone.yaml")
    assert command("config") == 2 and "DREAMLAB_CONFIG names gone.yaml" in capsys.readouterr().err


def test_config_shows_every_default_its_origin_and_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DREAMLAB_THREADS", "4,2")
    monkeypatch.setenv("DREAMLAB_NATIVE_LIBRARY", "/some/where.so")
    assert command("config") == 0
    told = capsys.readouterr().out
    assert f"{home} (not there)" in told and "DREAMLAB_NATIVE_LIBRARY=/some/where.so" in told
    lines = {line.split()[0]: line for line in told.splitlines()[1:] if line}
    assert set(NAMES) <= set(lines) and "built in" in lines["preset"]
    assert re.search(r"threads +4 +DREAMLAB_THREADS", lines["threads"])
    assert command("config", "--quiet") == 0 and capsys.readouterr().out == f"{home}\n"
    assert command("doctor", "--json") in (0, 1)
    found = {row["name"]: row for row in json.loads(capsys.readouterr().out)["findings"]}
    assert found["defaults"] == {"name": "defaults", "state": "ok", "detail": "threads 4 (DREAMLAB_THREADS)"}
    home.write_text("presett: 1\n")
    assert command("doctor", "--json") == 1
    found = {row["name"]: row for row in json.loads(capsys.readouterr().out)["findings"]}
    assert found["defaults"]["state"] == "broken" and "presett" in found["defaults"]["detail"]


def test_names_and_formats_are_those_of_the_model_and_of_the_run() -> None:
    from typing import get_args

    from dreamlab.stages.export import MeshFormat

    assert tuple(Defaults.model_fields) == NAMES and set(BUILT_IN) == set(NAMES)
    assert set(FORMATS) == set(get_args(MeshFormat))


def test_every_variable_that_the_project_reads_is_listed() -> None:
    found = set()
    files = [*(ROOT / "dreamlab").rglob("*.py"), ROOT / "scripts" / "venv.sh"]
    read = re.compile(r"(?:environ\S*|getenv|_asked|\$\{)[\[(\"]*\"?(DREAMLAB_[A-Z_]+)")
    for path in files:
        found |= set(read.findall(path.read_text(encoding="utf-8")))
    assert {"DREAMLAB_THREADS", "DREAMLAB_HASHES", "DREAMLAB_NATIVE_LIBRARY"} <= found
    assert found <= set(VARIABLES) | set(OTHERS)


def test_looking_for_defaults_that_are_not_there_loads_no_model(home: Path) -> None:
    code = "import sys, dreamlab.cli as c\nc.main(['list'])\nsys.exit('pydantic' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True).returncode == 0
