from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
import yaml
from known import red_ball_prior, small_values
from PIL import Image

from dreamlab import __version__
from dreamlab.cli import COMMANDS, _parser, main
from dreamlab.mesh.io.load import load
from dreamlab.priors.diffusers.source import PretrainedConfig
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.priors.embedded.vocabulary import Vocabulary, limits
from dreamlab.run.config import RunConfig

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
import settings_reference

HERE = Path(__file__).parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(HERE.parent)}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with small.yaml, and the known prior in the place of the embedded one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    values = small_values()
    del values["prompt"]
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def command(*arguments: str) -> int:
    """The exit code, however the command ends."""
    try:
        return main(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)


def events(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


# ---- the walk of a user ----


def bounds(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    from dreamlab.mesh.io.load import load

    vertices = load(path).vertices
    return vertices.amin(0), vertices.amax(0)


def test_run_resume_export_render_walk(
    home: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert command("run", "a red ball", "--config", "small.yaml", "--quiet") == 0
    mesh = Path(capsys.readouterr().out.strip())
    assert mesh == Path("outputs/0001-a-red-ball/mesh.glb") and mesh.is_file()

    before = mesh.read_bytes()
    assert command("resume", "--quiet") == 0
    assert mesh.read_bytes() == before
    capsys.readouterr()

    assert (
        command(
            "export", "1", "--format", "stl,ply", "--faces", "120", "--to", "out", "--name", "ball", "--json"
        )
        == 0
    )
    (finished,) = events(capsys.readouterr().out)
    assert finished["files"] == {"stl": "out/ball.stl", "ply": "out/ball.ply"}

    recolored = ("export", "1", "--palette", "on", "--to", "out", "--quiet", "--recolor")
    assert command(*recolored, "pink = #2266cc") == 0 and (home / "out" / "mesh.glb").is_file()
    capsys.readouterr()
    parts = ("export", "1", "--palette", "on", "--to", "out", "--quiet", "--parts", "materials")
    assert command(*parts) == 0 and b'"name":"red-ball.pink"' in (home / "out" / "mesh.glb").read_bytes()
    capsys.readouterr()
    assert command(*parts, "--texture", "64") == 2
    assert "Take --texture away" in capsys.readouterr().err
    style = ("export", "1", "--style", "low-poly", "--to", "out", "--name", "low", "--quiet")
    assert command(*style, "--faces", "100") == 0
    assert len(load(home / "out" / "low.glb").vertices) <= 300
    capsys.readouterr()
    assert command(*style, "--texture", "64") == 2
    assert "--style low-poly has no texture" in capsys.readouterr().err
    assert command("export", "1", "--style", "voxel", "--faces", "100") == 2
    assert "--faces and --style voxel exclude each other" in capsys.readouterr().err
    assert command("export", "1", "--bbox", "1x2x1", "--to", "out", "--name", "tall", "--quiet") == 0
    low, high = bounds(home / "out" / "tall.glb")
    assert torch.allclose((high - low) / (high - low).max(), torch.tensor([0.5, 1, 0.5]), atol=1e-3)
    capsys.readouterr()
    assert command("export", "1", "--bbox", "taller, much wider", "--to", "out", "--name", "tall") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == ["note: taller: 1.4 times along its height",
                        "note: much wider: 1.96 times along its width"]  # fmt: skip
    low, high = bounds(home / "out" / "tall.glb")
    before = [b - a for a, b in zip(*bounds(home / "out" / "low.glb"), strict=True)]
    assert (high - low)[1] > 1.3 * before[1] and (high - low)[0] > 1.8 * before[0]
    assert command(*recolored, "green=navy") == 2
    assert "the object has no green; expected one of pink #" in capsys.readouterr().err
    assert command(*recolored, "navy") == 2
    assert "OLD=NEW, such as red=navy" in capsys.readouterr().err

    assert command("export", str(mesh), "--format", "obj", "--to", "converted", "--quiet") == 0
    assert (home / "converted" / "mesh.obj").is_file()
    for style in ("voxel", "low-poly"):
        made = ("export", str(mesh), "--style", style, "--format", "obj", "--to", "out", "--name", style)
        assert command(*made, "--quiet") == 0
    squares = [line for line in (home / "out" / "voxel.obj").read_text().splitlines() if line[:2] == "f "]
    assert {len(line.split()) for line in squares} == {5}

    capsys.readouterr()
    still = ("render", "latest", "--to", "still.png", "--size", "32", "--renderer", "native", "--quiet")
    assert command(*still) == 0 and (home / "still.png").is_file()
    film = ("render", str(mesh), "--to", "film.webp", "--size", "32", "--frames", "3", "--renderer", "native")
    assert command(*film) == 0 and (home / "film.webp").is_file()
    sheet = ("render", str(mesh), "--sheet", "2", "--style", "all", "--size", "32", "--renderer", "native")
    assert command(*sheet) == 0 and Image.open(mesh.parent / "sheet.png").mode == "RGB"
    assert command(*sheet, "--transparent") == 0 and Image.open(mesh.parent / "sheet.png").mode == "RGBA"

    small = ("export", str(mesh), "--faces", "100", "--size", "30cm", "--origin", "base", "--to", "small")
    assert command(*small) == 0
    low, high = bounds(home / "small" / "mesh.glb")
    assert float((high - low).max()) == pytest.approx(0.3, rel=1e-4)
    assert float(low[1]) == pytest.approx(0, abs=1e-5)

    assert command("export", str(mesh), "--faces", "100000", "--format", "stl", "--to", "many") == 0
    assert "100000 faces were asked for; the surface has" in caplog.text


def test_json_tells_the_whole_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("run", "a red ball", "--config", "small.yaml", "--json") == 0
    rows = events(capsys.readouterr().out)
    assert [row["step"] for row in rows if row["event"] == "step"] == list(range(1, 13))
    assert rows[-1]["event"] == "finished" and Path(rows[-1]["files"]["glb"]).is_file()


def test_options_reach_the_config(home: Path) -> None:
    options = ("--seed", "9", "--negative", "blur", "--export", "ply", "--device", "cpu", "--out", "runs",
               "--size", "30cm", "--style", "low-poly", "--bbox", "1x1x2")  # fmt: skip
    assert (
        command(
            "run", "a red ball", "--config", "small.yaml", "--set", "stages.0.steps=2", "--quiet", *options
        )
        == 0
    )
    config = yaml.safe_load((home / "runs/0001-a-red-ball/config.yaml").read_text())
    assert config["seed"] == 9 and config["negative_prompt"] == "blur" and config["stages"][0]["steps"] == 2
    assert config["stages"][-3]["into"] == "faces" and config["stages"][-4]["faces"] == 500
    assert config["stages"][-2]["formats"] == ["ply"] and config["stages"][-2]["bbox"] == "1x1x2"
    assert config["device"] == "cpu"
    low, high = bounds(home / "runs/0001-a-red-ball/mesh.ply")
    assert float((high - low).max()) == pytest.approx(0.3, rel=1e-4)


@pytest.mark.parametrize("prompt", ["🍄", "../../etc/passwd", "-"])
def test_unusual_prompts_get_a_safe_folder_inside_the_output_folder(home: Path, prompt: str) -> None:
    assert command("run", prompt, "--config", "small.yaml", "--set", "stages.0.steps=1", "--quiet") == 0
    (run,) = (home / "outputs").iterdir()
    assert (run / "mesh.glb").is_file() and yaml.safe_load((run / "config.yaml").read_text())[
        "prompt"
    ] == prompt


def test_a_dry_run_tells_settings_and_cost_and_writes_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("run", "a red ball", "--config", "small.yaml", "--dry-run") == 0
    output = capsys.readouterr().out
    assert yaml.safe_load(output)["prompt"] == "a red ball"
    assert "# steps: 12" in output and "# rendered images: 48" in output and "timed steps" in output
    assert [p.name for p in home.iterdir()] == ["small.yaml"]


def test_words_that_the_prior_never_learned_are_said_before_the_start_and_known_ones_are_not(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prior = red_ball_prior()
    known = Vocabulary(images=64_000, nouns={"ball": (900, 0)}, colors=("red",))
    prior.limits = lambda prompt: limits(known, prompt)  # type: ignore[attr-defined]
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": prior)
    for prompt, said in (("a red ball", False), ("a red bell", True)):
        assert command("run", prompt, "--config", "small.yaml", "--json") == 0
        rows = events(capsys.readouterr().out)
        first_step = next(n for n, row in enumerate(rows) if row["event"] == "step")
        notes = [row["text"] for row in rows[:first_step] if row["event"] == "note"]
        assert any("none with 'bell'" in note and "--prior" in note for note in notes) is said
        assert command("run", prompt, "--config", "small.yaml", "--dry-run") == 0
        assert ("# note: of its 64000 training images" in capsys.readouterr().out) is said
        assert command("run", prompt, "--config", "small.yaml", "--dry-run", "--json") == 0
        assert bool(events(capsys.readouterr().out)[0]["notes"]) is said


def test_a_dry_run_says_why_it_cannot_tell_the_time(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    missing = str(home / "none.safetensors")
    config = str(home / "small.yaml")
    assert (
        command(
            "run", "a ball", "--config", config, "--set", f"prior.weights={missing}", "--dry-run", "--json"
        )
        == 0
    )
    (output,) = events(capsys.readouterr().out)
    assert output["cost"]["steps"] == 12 and output["cost"]["optimisation"].startswith("unknown: ")


# ---- mistakes ----

MISTAKES = [
    (["run", ""], "the prompt is empty"),
    (["run", "x" * 10_000], "too long"),
    (["run", "a\x1b[2Jb"], "cannot be shown"),
    (["run", "a cat", "--preset", "fsat"], "The nearest is fast"),
    (["run", "a cat", "--set", "guidence.weighting=noise"], "The nearest is guidance"),
    (["run", "a cat", "--set", "seed=many"], "seed cannot be used"),
    (["run", "a cat", "--set", "seed"], "key=value"),
    (["run", "a cat", "--config", "gone.yaml"], "gone.yaml"),
    (["run", "a cat", "--config", "bad.yaml"], "not valid YAML"),
    (["run", "a cat", "--device", "cuda:97"], "cuda:97"),
    (["run", "a cat", "--device", "toaster"], "toaster"),
    (["run", "a cat", "--seed", "-1"], "seed"),
    (["run", "a cat", "--seed", "one"], "invalid int value"),
    (["run", "a cat", "--export", "fbx"], "fbx"),
    (["run", "a cat", "--size", "lots"], "the size cannot be read"),
    (["run", "a cat", "--out", "/dev/null/runs"], "cannot make a run folder"),
    (["run", "a cat", "--presett", "fast"], "The nearest is --preset"),
    (["run"], "PROMPT"),
    (["rnu", "a cat"], "The nearest is run"),
    (["resume"], "no runs"),
    (["resume", "77"], "no run '77'"),
    (["export", "77"], "no run '77'"),
    (["export", "broken.glb"], "broken.glb"),
    (["export", "bad.yaml"], "bad.yaml"),
    (["export", "broken.glb", "--resolution", "64"], "--resolution needs a run"),
    (["export", "broken.glb", "--lighting", "--recolor", "red=navy"], "--lighting and --recolor need a run"),
    (["export", "broken.glb", "--recolor", "red"], "needs a run"),
    (["export", "broken.glb", "--style", "toon"], "needs a run"),
    (["export", "broken.glb", "--style", "wood"], "dreamlab texture broken.glb --style wood"),
    (["export", "broken.glb", "--bbox", "1x2"], "the proportions cannot be read"),
    (["export", "broken.glb", "--size", "lots"], "the size cannot be read"),
    (["export", "broken.glb", "--origin", "bse"], "The nearest is base"),
    (["export", "broken.glb", "--to", "/dev/null/x"], "--to /dev/null/x cannot be made"),
    (["render", "broken.glb"], "broken.glb"),
    (["render", "broken.glb", "--size", "1"], "--size"),
    (["render", "broken.glb", "--style", "clya"], "The nearest is clay"),
    (["render", "broken.glb", "--style", "lit,clay"], "Add --sheet"),
    (["render", "broken.glb", "--sheet", "0"], "--sheet"),
]


@pytest.mark.parametrize(
    ("arguments", "output"),
    MISTAKES,
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_mistake_gets_one_clear_line_and_exit_code_2(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], output: str
) -> None:
    (home / "bad.yaml").write_text("a: [1, 2")
    (home / "broken.glb").write_bytes(b"glTF\x02\x00\x00\x00 and no more")
    assert command(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and captured.err.startswith("dreamlab: ")
    assert output in captured.err, captured.err
    assert not (home / "outputs").exists() or not list((home / "outputs").iterdir())


@pytest.mark.slow  # which is how long the hub's own tries take
def test_a_hub_name_without_a_hub_is_refused_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("run", "a cat", "--config", "small.yaml", "--prior", "nobody/such-a-model-anywhere")
    assert command(*arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_damaged_weights_are_told_by_name(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    weights = home / "w.safetensors"
    weights.write_bytes(b"not weights")
    arguments = (
        "run",
        "a cat",
        "--config",
        str(home / "small.yaml"),
        "--out",
        str(home),
        "--prior",
        str(weights),
    )
    assert command(*arguments, "--quiet") == 2
    assert "w.safetensors is damaged" in capsys.readouterr().err


def test_a_damaged_run_is_told_by_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = home / "outputs" / "0001-x"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("prompt: [")
    assert command("resume", "1") == 2
    assert "config.yaml is not valid YAML" in capsys.readouterr().err


def test_a_mistake_is_json_too_when_asked_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("run", " ", "--json") == 2
    (row,) = events(capsys.readouterr().out)
    assert row["event"] == "error" and row["exit_code"] == 2 and "empty" in row["message"]


def test_debug_shows_the_traceback(home: Path) -> None:
    with pytest.raises(Exception, match="empty"):
        main(["run", " ", "--debug"])


def test_a_bug_is_called_one(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, device: str = "cpu") -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(EmbeddedPriorConfig, "build", broken)
    assert command("run", "a cat", "--config", "small.yaml", "--quiet") == 1
    line = capsys.readouterr().err
    assert "bug in dreamlab: ZeroDivisionError: of all things" in line and line.count("\n") == 1


def test_a_full_disk_is_told_as_the_system_tells_it(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamlab.run.run_dir import RunDir

    def full(self: RunDir, row: dict) -> None:
        raise OSError(28, "No space left on device", "metrics.jsonl")

    monkeypatch.setattr(RunDir, "log_metrics", full)
    assert command("run", "a cat", "--config", "small.yaml", "--quiet") == 2
    assert capsys.readouterr().err == "dreamlab: metrics.jsonl: No space left on device\n"


# ---- looking around ----


@pytest.mark.parametrize("name", [module.__name__.rpartition(".")[2] for module in COMMANDS])
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(name, "--help") == 0
    assert "usage: dreamlab " + name in capsys.readouterr().out


# Options that set one setting, and which.
SETTINGS = {
    "run": {
        "prompt": "prompt",
        "--prior": "prior",
        "--lora": "prior.lora",
        "--vram": "prior.vram",
        "--negative": "negative_prompt",
        "--from": "begin",
        "--image": "images",
        "--seed": "seed",
        "--device": "device",
        "--export": "stages.export.formats",
        "--size": "stages.export.size",
    },
    "export": {
        "--format": "stages.export.formats",
        "--faces": "stages.simplify.faces",
        "--texture": "stages.texture.resolution",
        "--size": "stages.export.size",
        "--origin": "stages.export.origin",
        "--lighting": "stages.texture.lighting",
        "--resolution": "stages.extract.resolution",
        "--recolor": "stages.texture.recolor",
        "--recolour": "stages.texture.recolor",
    },
}


def subparser(name: str) -> argparse.ArgumentParser:
    commands = next(a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    return commands.choices[name]


@pytest.mark.parametrize(
    ("name", "option", "path"), [(n, o, p) for n, options in SETTINGS.items() for o, p in options.items()]
)
def test_an_option_is_explained_as_the_setting_that_it_sets(name: str, option: str, path: str) -> None:
    """What stands before the first semicolon of the setting's description; --help cannot load the models."""
    *above, key = path.split(".")
    model = RunConfig
    if above[:1] == ["stages"]:
        kinds = settings_reference.members(RunConfig.model_fields["stages"].annotation)
        model = next(kind for kind in kinds if kind.model_fields["kind"].default == above[1])
    elif above == ["prior"]:
        model = PretrainedConfig
    description = settings_reference.described(model, key, model.model_fields[key])
    (action,) = [a for a in subparser(name)._actions if option in (a.dest, *a.option_strings)]
    wanted = description.split(";")[0].rstrip(".")
    assert wanted and (action.help or "").startswith(wanted)


@pytest.mark.parametrize("name", ["run", "resume", "export", "dataset"])
def test_the_examples_of_the_help_can_be_parsed(name: str) -> None:
    title, *lines = (subparser(name).epilog or "").splitlines()
    assert title == "examples:" and 2 <= len(lines) <= 4
    for line in lines:
        dreamlab, *arguments = shlex.split(line)
        assert dreamlab == "dreamlab" and _parser().parse_args(arguments).command == name


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--version") == 0
    first, second = capsys.readouterr().out.splitlines()
    commit = r"( \(commit [0-9a-f]{12}(, changed since)?\))?"
    assert re.fullmatch(re.escape(f"dreamlab {__version__}") + commit, first)
    assert second == f"python {platform.python_version()}, torch {metadata.version('torch')}"


def test_doctor_tells_every_finding(capsys: pytest.CaptureFixture[str]) -> None:
    code = command("doctor", "--json")
    (row,) = events(capsys.readouterr().out)
    states = {finding["name"]: finding["state"] for finding in row["findings"]}
    assert {
        "python",
        "packages",
        "processor",
        "CUDA",
        "kernels",
        "embedded prior",
        "pictures",
        "disk",
    } <= set(states)
    assert states["python"] == "ok" and states["packages"] == "ok"
    assert code == (1 if "broken" in states.values() else 0)


def test_doctor_reports_what_is_broken_instead_of_breaking(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamlab.run import doctor

    def broken() -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(doctor, "_kernels", broken)
    monkeypatch.setattr(doctor, "_version", lambda name: "")
    assert command("doctor", "--json") == 1
    (row,) = events(capsys.readouterr().out)
    found = {finding["name"]: finding for finding in row["findings"]}
    assert found["kernels"]["state"] == "broken" and "no such luck" in found["kernels"]["detail"]
    assert "not installed: torch" in found["packages"]["detail"]


def test_priors_lists_the_embedded_one_with_its_place_and_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("priors", "--json") == 0
    (row,) = events(capsys.readouterr().out)
    embedded = next(prior for prior in row["priors"] if prior["name"] == "embedded")
    assert embedded["usable"] in ("yes", "no") and embedded["where"] and embedded["licence"]


@pytest.mark.parametrize("width", [50, 80, 160])
def test_priors_breaks_no_word_however_narrow_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert command("priors") == 0
    out = capsys.readouterr().out
    for words in ("embedded", "parameters", "CreativeML OpenRAIL-M" if width < 100 else "download"):
        assert words in out
    assert max(map(len, out.splitlines())) <= max(width, 100)


@pytest.mark.parametrize("rest", [(), ("--preset", "fast")])
def test_a_prompt_without_quotes_is_said_to_want_them(
    rest: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("run", "a", "red", "mushroom", *rest) == 2
    assert 'in quotes: dreamlab run "a red mushroom"' in capsys.readouterr().err


def test_an_unknown_option_is_not_taken_for_a_word_of_the_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("run", "a mushroom", "--presett", "fast") == 2
    told = capsys.readouterr().err
    assert "unknown argument '--presett'" in told and "--preset" in told.partition("argument")[2]


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert command() == 2
    told = capsys.readouterr()
    assert told.out == "" and all(module.__name__.rpartition(".")[2] in told.err for module in COMMANDS)


# ---- real processes ----


def process(
    *arguments: str, cwd: Path, strike: str = "NONE", step: int = 0
) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(HERE / "run_known.py"), strike, str(step), *arguments]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True, timeout=300, env=ENVIRONMENT)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, dreamlab.cli as c\n"
        "try: c.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'rich', 'yaml', 'diffusers'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=HERE.parent)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    home = tmp_path_factory.mktemp("uninterrupted")
    write_small(home)
    done = process("run", "a red ball", "--config", "small.yaml", "--json", cwd=home)
    assert done.returncode == 0, done.stderr
    return files(home)


def write_small(home: Path) -> None:
    values = small_values(threads=1)  # of its own, whatever runs of other tests are alive
    del values["prompt"]
    (home / "small.yaml").write_text(yaml.safe_dump(values))


def files(home: Path) -> dict[str, bytes]:
    run = home / "outputs" / "0001-a-red-ball"
    return {name: (run / name).read_bytes() for name in ("mesh.glb", "metrics.jsonl")}


@pytest.mark.parametrize(
    ("strike", "code"),
    [
        ("INT", 130),
        pytest.param("TERM", 143, marks=pytest.mark.slow),
        pytest.param("HUP", 129, marks=pytest.mark.slow),
        ("KILL", -9),
    ],
)
def test_a_run_that_is_stopped_and_resumed_ends_in_the_same_bytes(
    tmp_path: Path, uninterrupted: dict[str, bytes], strike: str, code: int
) -> None:
    write_small(tmp_path)
    first = process(
        "run", "a red ball", "--config", "small.yaml", "--json", cwd=tmp_path, strike=strike, step=5
    )
    assert first.returncode == code, first.stderr
    saved = sorted(p.name for p in (tmp_path / "outputs/0001-a-red-ball/checkpoints").iterdir())
    assert saved[-1] == (
        "000003" if strike == "KILL" else "000005"
    )  # saved every third step, and when asked to stop
    second = process("resume", "--json", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert files(tmp_path) == uninterrupted


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    write_small(tmp_path)
    run = f"{sys.executable} {HERE / 'run_known.py'} NONE 0 run"
    line = f"{run} 'a red ball' --config small.yaml --json | head -n 1"
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=300, env=ENVIRONMENT
    )
    assert done.stderr == "" and json.loads(done.stdout)["event"] == "begun"
