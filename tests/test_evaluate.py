"""dreamlab evaluate: objects whose answers are known, what is kept, what is passed over, what is written."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from known import small_config

from dreamlab.cli import main
from dreamlab.cli.evaluate_table import PAGE, TERMINAL
from dreamlab.core.errors import DreamlabError, InputError, UnavailableError
from dreamlab.core.types import Mesh
from dreamlab.evaluate import clip_scores, score, shipped_judge
from dreamlab.evaluate.axes import GPTEVAL3D, MATE_3D
from dreamlab.evaluate.surface_views import flat_mesh
from dreamlab.mesh.io.export import write
from dreamlab.run import evaluating
from dreamlab.run.evaluation import Evaluation, read_evaluation
from dreamlab.run.evaluation_table import table_of
from dreamlab.run.run_dir import RunDir
from dreamlab.run.score_card import score_card, score_of_glb
from dreamlab.run.summary import rewrite_report, write_summary
from dreamlab.studio import shapes
from dreamlab.views.figures import FIGURES

COLORS = {color.word: color for color in shapes.COLORS}
MADE = (
    ("a red car", 0, "car", "red"),
    ("a red car", 1, "car", "red"),
    ("a blue mushroom", 0, "duck", "blue"),
)
"""Prompt, seed, and the noun and colour of the object in the place of what a run would make."""


def thing(noun: str, color: str, seed: int = 0) -> Mesh:
    shape = shapes.make(np.random.default_rng((1, 5, seed)), noun, COLORS[color])
    return flat_mesh(shape.vertices, shape.faces, shape.face_colors)


def finished_run(root: Path, prompt: str, seed: int, noun: str, color: str) -> RunDir:
    """A run's folder with the files of a finished one, and another object in it."""
    config = small_config(prompt=prompt, seed=seed)
    run = RunDir.create(root, config, {"arguments": ["run", prompt, "--preset", "fast"]})
    write(thing(noun, color, seed), run.path / "mesh.glb")
    files = {"glb": run.path / "mesh.glb"}
    write_summary(config, run, files, {"shape": 2.0, "shape.prior": 1.5}, {"faces": 12.0}, [])
    return run


@pytest.fixture(scope="module")
def three_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cars that are cars, and a duck that should be a mushroom."""
    root = tmp_path_factory.mktemp("runs") / "outputs"
    for prompt, seed, noun, color in MADE:
        finished_run(root, prompt, seed, noun, color)
    return root


@pytest.fixture(scope="module")
def evaluated_runs(three_runs: Path) -> Path:
    """The same, each with its evaluation."""
    root = three_runs.with_name("evaluated")
    shutil.copytree(three_runs, root)
    kept = shipped_judge.read_judge()
    for path in sorted(root.iterdir()):
        assert evaluating.evaluated(evaluating.subject_of_run(RunDir(path)), kept)[1]
    return root


@pytest.fixture
def fresh_home(three_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the runs, where nothing can be fetched and no CLIP is."""
    return furnished(three_runs, tmp_path, monkeypatch)


@pytest.fixture
def home(evaluated_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, of runs that were evaluated before."""
    return furnished(evaluated_runs, tmp_path, monkeypatch)


def furnished(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(runs, tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def none(name: str = clip_scores.USUAL) -> clip_scores.Clip:
        raise UnavailableError(f"CLIP {name} is not on this machine", mend="Fetch it")

    monkeypatch.setattr(clip_scores, "find_clip", none)
    return tmp_path


def command(*arguments: str) -> int:
    try:
        return main(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)


def events(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_walk_of_a_user(fresh_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("evaluate", "--to", "page.html", "--csv", "table.csv") == 0
    told = capsys.readouterr()
    assert "the judge alone looks. Fetch it" in told.err
    lines = {line.split()[0]: line for line in told.out.splitlines() if line[:2] == "00"}
    shares = [float(line.split()[1]) for line in lines.values()]
    assert min(shares[:2]) > 0.7 and shares[2] == 0
    assert lines["0003-a-blue-mushroom"].rstrip().endswith("blue duck")
    with open("table.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["prompt"] for row in rows] == [prompt for prompt, *_ in MADE]
    assert float(rows[0]["r_precision"]) == 1
    assert [row["seed"] for row in rows] == ["0", "1", "0"] and float(rows[0]["seconds"]) == 2
    assert float(rows[0]["diversity"]) > 0.3 and rows[2]["diversity"] == ""
    assert float(rows[0]["peak_mb"]) > 10
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp;base64,") == 3 and "taken for" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)


def test_what_was_measured_is_not_measured_again_unless_told_or_changed(
    fresh_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("evaluate", "--json") == 0
    first = [event for event in events(capsys.readouterr().out) if event["event"] == "evaluated"]
    assert [event["measured_now"] for event in first] == [True] * 3
    calls = []
    real = score.score_mesh
    monkeypatch.setattr(score, "score_mesh", lambda *args: calls.append(args[1]) or real(*args))
    assert command("evaluate", "--json") == 0
    second = [event for event in events(capsys.readouterr().out) if event["event"] == "evaluated"]
    assert not calls and [event["figures"] for event in second] == [event["figures"] for event in first]
    write(thing("mushroom", "blue"), Path("outputs/0003-a-blue-mushroom/mesh.glb"))
    assert command("evaluate", "3", "--json") == 0 and calls == ["a blue mushroom"]
    (now,) = (event for event in events(capsys.readouterr().out) if event["event"] == "evaluated")
    assert now["figures"]["noun"] > 0.8
    assert command("evaluate", "1", "--force", "--quiet") == 0 and calls == ["a blue mushroom", "a red car"]


def test_a_call_that_was_stopped_goes_on_where_it_was(
    fresh_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = score.score_mesh, []

    def stopped_at_the_second(mesh: Mesh, prompt: str, judge: object) -> score.Score:
        calls.append(prompt)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(mesh, prompt, judge)  # type: ignore[arg-type]

    monkeypatch.setattr(score, "score_mesh", stopped_at_the_second)
    assert command("evaluate", "--quiet") == 130
    assert command("evaluate", "--quiet") == 0 and len(calls) == 4


def test_damaged_and_unfinished_runs_are_told_and_passed_over(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("outputs/0001-a-red-car/mesh.glb").write_bytes(b"glTF, cut")
    Path("outputs/0002-a-red-car/config.yaml").write_text("prompt: [")
    assert command("evaluate") == 0
    told = capsys.readouterr()
    assert "0001-a-red-car is passed over" in told.err and "0002-a-red-car is passed over" in told.err
    assert "0003-a-blue-mushroom" in told.out and "0001" not in told.out
    Path("outputs/0003-a-blue-mushroom/mesh.glb").unlink()
    assert command("evaluate") == 2
    told = capsys.readouterr()
    assert "dreamlab resume 0003-a-blue-mushroom" in told.err and "nothing could be evaluated" in told.err


def test_a_damaged_record_is_measured_anew(home: Path) -> None:
    record = Path("outputs/0001-a-red-car/evaluation.json")
    record.write_text('{"format": "dreamlab-evaluation-1", "mesh"')
    assert command("evaluate", "1", "--quiet") == 0
    assert isinstance(read_evaluation(record), Evaluation)


def test_the_report_of_a_run_shows_its_score(home: Path) -> None:
    report = Path("outputs/0001-a-red-car/report.html")
    assert "taken for: car" in report.read_text() and "names 88% of nouns" in report.read_text()
    os.utime(report, (1, 1))
    report.write_text("an older one")
    os.utime(report, (1, 1))
    assert command("evaluate", "1", "--quiet") == 0
    assert "taken for: car" in report.read_text()


def test_a_run_does_not_fail_because_it_cannot_be_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(path: Path | None = None) -> shipped_judge.KeptJudge:
        raise UnavailableError("the judge's weights are not there")

    monkeypatch.setattr(shipped_judge, "read_judge", none)
    run = finished_run(tmp_path, "a red car", 0, "car", "red")
    text = (run.path / "report.html").read_text()
    assert "none: the judge&#x27;s weights are not there." in text and "`dreamlab evaluate`" in text


def test_a_report_without_its_summary_is_left_as_it_is(home: Path) -> None:
    run = RunDir(Path("outputs/0001-a-red-car"))
    for text in ("", "[]", '{"seconds": 1}', '{"files": {"gone.glb": ""}, "seconds": {}, "measures": {}}'):
        (run.path / "summary.json").write_text(text)
        assert rewrite_report(run, {}) is None
    assert evaluating.cost_of(run) == {"seconds": 0}
    (run.path / "summary.json").write_text("[1]")
    assert evaluating.cost_of(run) == {} == evaluating.cost_of(None)


def test_the_card_says_what_was_not_asked_for_and_how_it_failed() -> None:
    card = score_card({"agreement": 1.0}, {"noun_taken_for": "car", "collapse": "flat"}, {})
    assert "taken for: car" in card["as a thing"] and card["collapsed"] == "flat"
    assert "in colour" not in card and "the judge itself" not in card


def test_mesh_files_say_what_they_should_be(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(thing("mushroom", "green"), home / "fungus.glb")
    assert command("evaluate", "fungus.glb") == 2
    assert "it is not known what fungus.glb should be" in capsys.readouterr().err
    assert command("evaluate", "fungus.glb", "--prompt", "a green mushroom") == 0
    assert "green mushroom" in capsys.readouterr().out and Path("fungus.glb.evaluation.json").is_file()
    Path("fungus.txt").write_text("\na green mushroom\n")
    assert command("evaluate", "fungus.glb", "--json") == 0
    (event,) = (e for e in events(capsys.readouterr().out) if e["event"] == "evaluated")
    assert event["prompt"] == "a green mushroom" and not event["measured_now"]
    Path("folder").mkdir()
    for name in ("fungus.glb", "fungus.txt"):
        shutil.copy(name, "folder")
    write(thing("car", "red"), home / "folder" / "car.glb")
    assert command("evaluate", "folder") == 0
    told = capsys.readouterr()
    assert "car.glb is passed over" in told.err and "fungus.glb" in told.out
    Path("empty").mkdir()
    assert command("evaluate", "empty") == 2 and "neither runs nor meshes" in capsys.readouterr().err


def test_the_same_mesh_by_two_names_is_one_row(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        command("evaluate", "1", "outputs/0001-a-red-car", "outputs/0001-a-red-car/mesh.glb", "--json") == 0
    )
    assert events(capsys.readouterr().out)[-1]["objects"] == 1


def test_a_list_gives_the_kinds_the_candidates_and_what_is_missing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("list.yaml").write_text(
        yaml.safe_dump({"cars": ["A red car."], "mushrooms": ["a blue mushroom", "a blue duck"]})
    )
    assert command("evaluate", "--prompts", "list.yaml", "--json") == 0
    done = events(capsys.readouterr().out)[-1]
    assert [(g["name"], g["rows"]) for g in done["groups"]] == [("all", 3), ("cars", 2), ("mushrooms", 1)]
    assert done["missing"] == ["a blue duck"] and done["groups"][1]["means"]["noun"] > 0.7
    assert done["groups"][1]["means"]["r_precision"] > 0.7 and done["groups"][2]["means"]["r_precision"] == 0
    assert command("evaluate", "1", "--prompts", "toys") == 0
    assert "prompts of toys have no object" in capsys.readouterr().out


def test_clip_is_used_where_it_is_named_and_an_error_where_it_is_not_there(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("evaluate", "--clip", "l14") == 2
    assert "is not on this machine" in capsys.readouterr().err

    class Reads:
        """Sees how red a picture is, and reads how red a prompt is."""

        identity, asked = "reads-red", 0

        def images(self, pictures: np.ndarray) -> torch.Tensor:
            Reads.asked += 1
            shown = pictures[pictures.min(-1) < 200].reshape(-1, 3).astype(float).mean(0)
            red = float(shown[0] > shown[2])
            return torch.tensor([[red, 1 - red]] * len(pictures))

        def texts(self, prompts: list[str]) -> torch.Tensor:
            return torch.tensor([[1.0, 0.0] if "red" in prompt else [0.0, 1.0] for prompt in prompts])

    monkeypatch.setattr(clip_scores, "find_clip", lambda name="b32": Reads())
    both = ("evaluate", "1", "3", "--quiet")
    assert command(*both, "--clip", "some/clip", "--csv", "clip.csv") == 0
    with open("clip.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["clip_similarity"]) for row in rows] == [1, 1]
    assert [float(row["clip_r_precision"]) for row in rows] == [1, 1] and Reads.asked == 2
    assert command(*both) == 0 and Reads.asked == 2
    Path("list.txt").write_text("A red car.\na blue mushroom\na blue duck\n")
    assert command(*both, "--prompts", "list.txt", "--csv", "clip.csv") == 0 and Reads.asked == 4
    with open("clip.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["clip_r_precision"]) for row in rows] == [1, 0.5]  # two blue things fit alike
    assert command(*both, "--clip", "off") == 0 and Reads.asked == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evaluate", "--to", "page.pdf"), "expected a name ending in .html"),
        (("evaluate", "--csv", "table.html"), "expected a name ending in .csv"),
        (("evaluate", "--to", "no/where.html"), "no folder no"),
        (("evaluate", "--prompts", "t3bench"), "is not shipped"),
        (("evaluate", "nothing"), "there is no run 'nothing'"),
        (("evaluate", "--judge", "none.safetensors"), "the judge's weights are not there"),
    ],
)
def test_a_mistake_is_told_before_anything_is_measured(
    fresh_home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert command(*arguments) == 2
    assert said in capsys.readouterr().err and not list(fresh_home.glob("outputs/*/evaluation.json"))


@pytest.mark.parametrize(("width", "heads"), [(60, 3), (80, 6), (120, 8)])
def test_the_table_fits_the_terminal(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, heads: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert command("evaluate") == 0
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= width
    shown = [head for _, head, _ in TERMINAL if f" {head} " in told.splitlines()[0] + " "]
    assert len(shown) >= heads


def test_names_and_prompts_from_elsewhere_are_only_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(thing("car", "red"), tmp_path / "[red]car.glb")
    hostile = "=1+1 <script>alert(1)</script>\x1b[31m"
    options = ("--to", "page.html", "--csv", "t.csv", "--clip", "off")
    assert command("evaluate", "[red]car.glb", "--prompt", hostile, *options) == 0
    assert "\x1b" not in capsys.readouterr().out
    page = Path("page.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert "'=1+1" in Path("t.csv").read_text(encoding="utf-8")


def test_every_figure_has_a_name_and_axes_name_known_figures(home: Path) -> None:
    kept = shipped_judge.read_judge()
    subject = evaluating.subject_of_run(RunDir(Path("outputs/0001-a-red-car")))
    evaluation, _ = evaluating.evaluated(subject, kept)
    (row,) = table_of([(subject, evaluation)], kept.judge.nouns).rows
    assert set(row.figures) <= set(FIGURES)
    assert {column.key for column in PAGE if not column.words} <= set(FIGURES)
    assert {figure for axis in (*GPTEVAL3D, *MATE_3D) for figure in axis.figures} <= set(FIGURES)


def test_a_mesh_that_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    broken = thing("car", "red")
    broken.vertices[0] = float("nan")
    with pytest.raises(InputError, match="no numbers"):
        score.score_mesh(broken, "a red car", shipped_judge.read_judge().judge)
    assert "none:" in score_of_glb(tmp_path / "none.glb", "a red car")["score"]
    with pytest.raises(DreamlabError):
        evaluating.subject_of_run(RunDir(tmp_path))
