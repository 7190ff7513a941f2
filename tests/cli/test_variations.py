"""dreamlab run --variations, --pick and --keep: several of a prompt, one of them further, and what stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from known import Balls

from dreamlab.cli.variations import FROZEN
from dreamlab.mesh.io.load import load
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run import pictures
from dreamlab.run.pictures import Suggested
from dreamlab.run.resolve import resolve
from dreamlab.run.run_dir import RunDir
from dreamlab.scenes import HashGridFieldConfig
from tests.batch.toys import tiny_file
from tests.cli.shelf import command, make_run
from tests.test_pictures_run import ball_picture

TINY = ("--config", "tiny.yaml", "--preset", "fast")
FOLDER = Path("outputs/variations/a-red-ball")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": Balls())
    monkeypatch.chdir(tmp_path)
    tiny_file(tmp_path)
    return tmp_path


def planned(*words: str, capsys: pytest.CaptureFixture[str]) -> dict:
    """The settings of a dry run."""
    capsys.readouterr()
    assert command("run", *words, "--dry-run", "--json") == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])["config"]


def test_variations_are_a_batch_and_one_of_them_can_be_gone_on_with(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("run", "a red ball", *TINY, "--seed", "5")
    assert command(*words, "--variations", "2") == 0
    assert "2 of 2 jobs done" in capsys.readouterr().out
    runs = [RunDir(path) for path in sorted(FOLDER.glob("0*"))]
    assert [run.config().seed for run in runs] == [5, 6]
    assert (FOLDER / "contact.webp").is_file() and (FOLDER / "index.html").is_file()
    assert command(*words, "--variations", "2") == 0 and len(list(FOLDER.glob("0*"))) == 2

    for way in (("--pick", "2"), ("--from", f"{FOLDER}#2")):
        config = planned("a red ball", *TINY, *way, capsys=capsys)
        assert Path(config["begin"]) == runs[1].path.resolve()
    assert command("run", "a red ball", *TINY, "--pick", "2", "--quiet") == 0
    assert Path(capsys.readouterr().out.strip()).is_file()


def test_the_other_settings_are_those_of_all_variations(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--bbox", "1x2x1", "--negative", "blue", "--variations", "2", "--export", "glb")
    assert command("run", "ball", *TINY, *words, "--quiet") == 0
    for path in Path("outputs/variations/ball").glob("0*"):
        config = RunDir(path).config()
        assert config.negative_prompt == "blue" and config.stages[-2].bbox == "1x2x1"
        assert not (path / "mesh.obj").exists()


def test_a_dry_run_of_variations_makes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("run", "a red ball", *TINY, "--variations", "3", "--dry-run") == 0
    assert "3 jobs: 0 done, 0 failed, 3 left" in capsys.readouterr().out
    assert not (home / "outputs").exists()


def test_variations_of_a_picture_need_no_words_and_what_it_is_taken_for_is_said(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = Suggested("a red ball", "taken for a ball")
    monkeypatch.setattr(pictures, "suggested_prompt", lambda image: taken)
    ball_picture(home / "ball.png")
    assert command("run", "--image", "ball.png@0", *TINY, "--variations", "2", "--dry-run") == 0
    told = capsys.readouterr().out
    assert "2 jobs: 0 done, 0 failed, 2 left" in told and "taken for a ball" in told
    assert command("run", *TINY, "--variations", "2", "--dry-run") == 2
    assert "--variations wants a prompt" in capsys.readouterr().err


@pytest.mark.parametrize("words, told", [
    (("--variations", "0"), "--variations cannot be used"),
    (("--variations", "2", "--view"), "--view shows one run"),
    (("--pick", "2"), "Make them first"),
    (("--pick", "2", "--from", "1"), "exclude each other"),
    (("--keep", "shape"), "--keep wants something to begin with"),
])  # fmt: skip
def test_what_does_not_go_together_is_said(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("run", "a red ball", *TINY, *words) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("what", ["shape", "colours"])
def test_what_is_kept_stays_and_the_other_changes(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("run", "a red ball", *TINY, "--quiet") == 0
    words = ("a blue ball", "--from", "1", "--keep", what, "--set", "stages.refine.steps=6",
             "--set", "stages.refine.size=16", "--set", "cfg.mean_color=null",
             "--set", "stages.turntable.frames=0",
             "--set", "stages.texture.into=vertices", "--set", "stages.export.formats=[glb]")  # fmt: skip
    assert command("run", *words, "--quiet") == 0
    after = RunDir(Path("outputs/0002-a-blue-ball"))
    config = after.config()
    assert config.begin is not None and config.begin.name == "mesh.glb"
    state = after.restore()[0]
    assert state is not None
    scene = {k.removeprefix("scene."): v for k, v in state.state.items() if k.startswith("scene.")}
    moved = bool((scene["u"] != 0).any())
    painted = any(
        not torch.equal(v, scene["initial_" + k]) for k, v in scene.items() if k.startswith("appearance.")
    )
    assert (moved, painted) == ((False, True) if what == "shape" else (True, False))
    assert len(load(after.path / "mesh.glb").faces) > 100


def test_only_a_finished_run_has_something_to_keep(capsys: pytest.CaptureFixture[str]) -> None:
    make_run(Path("outputs"), finished=False)
    assert command("run", "a red ball", *TINY, "--from", "1", "--keep", "shape") == 2
    assert "has no mesh yet" in capsys.readouterr().err


def test_the_groups_that_are_frozen_are_those_of_the_preset() -> None:
    refine = resolve("a fox", preset="refine", settings={"begin": "fox.glb"})
    assert isinstance(refine.field, HashGridFieldConfig) and refine.stages[0].name == "refine"
    field = refine.field.build(torch.Generator())
    assert {*FROZEN["shape"], *FROZEN["colours"]} == {"geometry", *field.parameter_groups()}
