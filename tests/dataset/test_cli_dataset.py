"""dreamlab dataset, as people call it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from known import red_ball_prior, small_config
from PIL import Image

from dreamlab.batch.jobs import Recipe
from dreamlab.cli import main
from dreamlab.cli.dataset_options import BUFFERS, CAMERAS, DEPTHS, FORMATS, LIGHTS, config_of
from dreamlab.dataset import backgrounds, cameras, formats, lights, record, write
from dreamlab.mesh.io.export import write as write_mesh
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from tests.dataset.solids import box, two_colored

SMALL = ("--size", "32x24", "--views", "3", "--workers", "1")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a mesh and a folder of two."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "meshes").mkdir()
    write_mesh(two_colored(), tmp_path / "tower.glb")
    write_mesh(two_colored(), tmp_path / "meshes" / "tower.glb")
    write_mesh(box(), tmp_path / "meshes" / "box.ply")
    return tmp_path


def command(*arguments: str) -> int:
    """The exit code, however the command ends."""
    try:
        return main(["dataset", *arguments])
    except SystemExit as stop:
        return int(stop.code or 0)


def test_a_mesh_becomes_a_data_set_and_the_same_line_finds_it_done(home: Path, capsys) -> None:
    assert command("tower.glb", "--out", "data", *SMALL, "--quiet") == 0
    assert capsys.readouterr().out == "data\n"
    assert Image.open("data/images/000002.png").size == (32, 24)
    assert Path("data/parts/000002.png").is_file() and not Path("data/instances").exists()
    assert command("tower.glb", "--out", "data", *SMALL, "--json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1] == {"event": "finished", "files": {"dataset": "data"}}
    assert not any(event["event"] == "step" for event in events)


def test_progress_is_told_as_that_of_a_run(home: Path, capsys) -> None:
    assert command("meshes", "--out", "data", *SMALL, "--json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    steps = [event for event in events if event["event"] == "step"]
    assert [(s["stage"], s["step"], s["steps"]) for s in steps] == [
        *(("box", k, 6) for k in (1, 2, 3)),
        *(("tower", k, 6) for k in (4, 5, 6)),
    ]
    assert command("meshes", "--out", "plain", *SMALL) == 0
    out = capsys.readouterr().out
    assert "6 of 2 subjects, nerfstudio" in out and "tower 6/6" in out and " left" in out


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_and_most_options_at_once(home: Path, kind: str) -> None:
    options = ("--format", kind, "--cameras", "orbit", "--elevation", "0,30", "--distance", "1,1.5")
    looks = ("--lights", "sun:10,80", "--background", "gradient:navy,#fff", "--samples", "1")
    scenes = ("--objects", "2", "--scenes", "2", "--scale", "20cm", "--depth-unit", "0.1mm")
    rest = ("--buffers", "mask,instances", "--split", "0.5,0,0.5", "--seed", "4", "--fovy", "50")
    assert command("meshes", "--out", "data", *SMALL, *options, *looks, *scenes, *rest, "--quiet") == 0
    settings = json.loads(Path("data/dataset.json").read_text())["settings"]
    assert settings["format"]["kind"] == kind and settings["size"] == [24, 32]
    assert settings["cameras"] == {"kind": "orbit", "elevation": [0, 30], "distance": [1, 1.5]}
    assert settings["lights"] == {"kind": "sun", "azimuth": 10, "elevation": 80}
    assert settings["background"]["colors"] == [[0, 0, 128], [255, 255, 255]]
    assert (settings["scale"], settings["depth_unit"]) == (0.2, 0.0001)
    lines = [json.loads(line) for line in Path("data/metadata.jsonl").read_text().splitlines()]
    assert len(lines) == 6 and {"mask", "instances"} <= set(lines[0]["files"])
    assert ("depth" in lines[0]["files"]) == (kind == "bop")


def test_the_words_of_the_command_are_those_of_the_settings() -> None:
    """--help loads no model, so they are written twice."""

    def kinds(union: object) -> set[str]:
        return {c.model_fields["kind"].default for c in union.__args__[0].__args__}  # type: ignore[attr-defined]

    assert set(FORMATS) == kinds(formats.FormatConfig)
    assert {*CAMERAS, "keyframes"} == kinds(cameras.CamerasConfig)
    assert set(LIGHTS) == kinds(lights.LightsConfig)
    assert kinds(backgrounds.BackgroundConfig) == {"transparent", "color", "gradient", "images"}
    assert set(BUFFERS) == set(record.Buffer.__args__)
    assert set(DEPTHS) == {"png", "exr"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--format bob", "unknown format 'bob'; expected one of nerfstudio, blender, coco, bop"),
        ("--cameras sphare", "got 'sphare'. The nearest is sphere"),
        ("--cameras none.json", "none.json cannot be read as a path of cameras"),
        ("--cameras sphere --elevation 10", "is the lowest and the highest; expected two angles"),
        ("--elevation 40,20", "elevation must be two rising angles"),
        ("--turns 3", "--turns is for --cameras spiral"),
        ("--distance 1,2,3", "--distance cannot be used; expected 1 to 2 numbers"),
        ("--lights moon", "--lights cannot be used; expected three-point, sun"),
        ("--lights headlight:1,2", "--lights headlight has no angles"),
        ("--background grean", "expected transparent, gradient, a CSS colour"),
        ("--background meshes", "holds no pictures for backgrounds"),
        ("--background gradient:red", "--background gradient has two colours"),
        ("--buffers depht", "--buffers cannot be used"),
        ("--depth tiff", "--depth cannot be used; expected png, exr"),
        ("--depth-unit 1q", "the size cannot be read"),
        ("--split 0.5,0.5", "--split cannot be used; expected 3 numbers"),
        (
            "--split 0.5,0.5,0.5",
            "--split cannot be used; expected split must be three shares that add up to 1",
        ),
        ("--size big", "--size cannot be used; expected 512, or 640x480"),
        ("--size 4", "--size cannot be used"),
        ("--views 0", "--views cannot be used"),
        ("--workers 0", "--workers cannot be used"),
        ("--scenes 3", "--scenes is for scenes of several objects. Add --objects 2"),
        ("--seed -1", "--seed cannot be used"),
    ],
)
def test_mistakes_are_told_in_one_line(home: Path, capsys, options: str, message: str) -> None:
    assert command("tower.glb", "--out", "data", *options.split()) == 2
    out, error = capsys.readouterr()
    assert message in error and error.count("\n") == 1 and out == ""
    assert not Path("data").exists()


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("towr.glb", "there is no file towr.glb. The nearest is tower.glb"),
        ("no/where", "there is no no/where; expected a run, a mesh file"),
        ("latest", "there are no runs in outputs"),
        ("empty", "empty holds no meshes; expected files ending in .glb"),
        ("none.txt", "none.txt cannot be read; expected a prompt a line, got No such file"),
        ("blank.txt", "blank.txt holds no prompts"),
        ("broken.glb", "broken.glb"),
    ],
)
def test_subjects_that_are_not_there(home: Path, capsys, subject: str, message: str) -> None:
    Path("empty").mkdir()
    Path("blank.txt").write_text("\n# nothing\n")
    Path("broken.glb").write_bytes(b"glTF")
    assert command(subject, "--out", "data", *SMALL) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_other_settings_in_the_same_folder_are_refused(home: Path, capsys) -> None:
    assert command("tower.glb", "--out", "data", *SMALL) == 0
    assert command("tower.glb", "--out", "data", *SMALL, "--seed", "1") == 2
    assert "settings.seed is 0 there, 1 here. Choose another --out" in capsys.readouterr().err


def test_ctrl_c_stops_after_a_view_and_the_same_line_goes_on(home: Path, capsys, monkeypatch) -> None:
    add = write.DatasetFolder.add

    def interrupting(self, view) -> None:
        add(self, view)
        if len(self.records) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(write.DatasetFolder, "add", interrupting)
    assert command("tower.glb", "--out", "data", *SMALL) == 130
    assert "stopped; the same command goes on" in capsys.readouterr().out
    assert len(Path("data/metadata.jsonl").read_text().splitlines()) == 1
    assert command("tower.glb", "--out", "data", *SMALL) == 0
    assert "3 of 1 subject, nerfstudio; 1 are there already" in capsys.readouterr().out
    assert len(Path("data/metadata.jsonl").read_text().splitlines()) == 3


# ---- runs and prompts ----


@pytest.fixture
def prior(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every preset is a tiny run of a prior that knows one ball."""
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    monkeypatch.setattr(Recipe, "config", lambda self, prompt, seed=None: small_config(prompt=prompt))


def test_prompts_become_runs_and_runs_pictures_with_their_captions(home: Path, prior, capsys) -> None:
    """Runs that are there are not made again; a run by its number is the same subject, whose parts are its
    palette where that is asked for."""
    Path("prompts.txt").write_text("a red ball\n\n# not this\na ball\na red ball\n")
    assert command("prompts.txt", "--out", "data", *SMALL, "--quiet") == 0
    runs = sorted(p.name for p in Path("outputs").iterdir())
    assert runs == ["0001-a-red-ball", "0002-a-ball"]
    records = [json.loads(line) for line in Path("data/metadata.jsonl").read_text().splitlines()]
    assert [r["text"] for r in records] == ["a red ball"] * 3 + ["a ball"] * 3
    assert Path("data/a-red-ball/transforms.json").is_file() and Path("data/a-ball/transforms.json").is_file()
    assert command("prompts.txt", "--out", "data", *SMALL, "--quiet") == 0
    assert sorted(p.name for p in Path("outputs").iterdir()) == runs
    capsys.readouterr()
    assert command("1", "--out", "one", *SMALL, "--lights", "none", "--quiet") == 0
    red = np.asarray(Image.open("one/images/000001.png"))
    assert (red[..., 3] == 255).mean() > 0.1 and red[red[..., 3] == 255][:, 0].mean() > 150
    assert command("1", "--out", "parts", *SMALL, "--palette-parts", "--quiet") == 0
    record = json.loads(Path("parts/metadata.jsonl").read_text().splitlines()[0])
    assert record["part_names"]
    assert np.asarray(Image.open(Path("parts") / record["files"]["parts"])).max() == len(record["part_names"])


def test_options_become_settings_without_running_anything() -> None:
    from dreamlab.cli import _parser

    args = _parser().parse_args(["dataset", "a.glb", "--out", "x"])
    config = config_of(args)
    assert config == type(config)()  # the command's defaults are the settings'
