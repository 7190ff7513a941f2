"""One prompt by every guidance method: what is ordered, what is told, and that nothing is made twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import torch

from dreamlab.core.types import Mesh
from dreamlab.guidance import GuidanceConfig
from dreamlab.mesh.io.export import write
from dreamlab.run.resolve import resolve
from dreamlab.studio.shapes import COLORS

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import compare_guidance as script

SCRIPTS = Path(script.__file__).parent


def line(folder: Path, *more: str) -> list[str]:
    return [str(folder / "out" / "all.png"), "--runs", str(folder / "runs"), *more]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A stand-in for the process: a tetrahedron with its figures, a failure for csd."""
    made: list[list[str]] = []

    def run(output: list[str], **_: Any) -> SimpleNamespace:
        made.append(output)
        home = Path(output[output.index("--out") + 1]) / "0001-thing"
        home.mkdir()
        Path(output[2]).write_text(str(300 * 2**20))
        if "guidance.kind=csd" in output:
            failed = {"event": "error", "message": "the volume | is empty", "exit_code": 2}
            return SimpleNamespace(returncode=2, stdout=json.dumps(failed) + "\n")
        corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        faces = torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
        write(Mesh(corners, faces, colors=torch.full((4, 3), 0.5)), home / "mesh.glb")
        (home / "summary.json").write_text('{"measures": {"silhouette_iou": 0.98765, "faces": 4}}')
        (home / "metrics.jsonl").write_text('{"step": 1, "residual": 9}\n{"step": 7, "residual": 0.25}\n')
        done = {"event": "finished", "files": {"glb": str(home / "mesh.glb")}, "seconds": {"optimise": 1}}
        return SimpleNamespace(returncode=0, stdout=json.dumps(done) + "\n")

    monkeypatch.setattr(subprocess, "run", run)
    return made


def test_every_method_is_compared_or_said_to_be_left_out() -> None:
    union = get_args(get_args(GuidanceConfig)[0])
    kinds = {config.model_fields["kind"].default for config in union}
    assert set(script.METHODS) | set(script.LEFT_OUT) == kinds == set(script.KINDS)


@pytest.mark.slow
def test_every_order_is_a_config_that_resolves(tmp_path: Path, calls: list[list[str]]) -> None:
    assert script.main(line(tmp_path, "--steps", "7")) == 0
    assert len(calls) == len(script.METHODS)
    kinds = []
    for output in calls:
        sets = [output[i + 1] for i, part in enumerate(output) if part == "--set"]
        config = resolve(output[4], preset=output[output.index("--preset") + 1], overrides=sets)
        kinds.append(config.guidance.kind)
        assert (
            config.stages[0].steps == 7 and config.stages[-1].frames == 0 and config.prior.kind == "embedded"
        )
        plain = resolve(output[4], preset=output[output.index("--preset") + 1])
        assert (config.cfg, config.noise, config.prior) == (plain.cfg, plain.noise, plain.prior)
    assert kinds == list(script.METHODS)


def test_figures_failures_and_a_tile_for_each_are_written_and_nothing_is_made_twice(
    tmp_path: Path, calls: list[list[str]]
) -> None:
    for _ in range(2):
        assert script.main(line(tmp_path, "--methods", "sds, csd")) == 0
    assert len(calls) == 2
    picture = tmp_path / "out" / "all.png"
    sds, csd = json.loads(picture.with_suffix(".json").read_text())["methods"]
    assert (sds["method"], sds["steps"], sds["residual"], sds["silhouette_iou"]) == ("sds", 7, 0.25, 0.9877)
    assert (
        sds["peak_mb"] == 300 and sds["seconds"]["optimise"] == 1 and csd["failure"].startswith("the volume")
    )
    table = picture.with_suffix(".md").read_text().splitlines()
    assert table[2].count("|") == table[4].count("|") == table[5].count("|") == 7
    assert table[4].startswith("| sds | 0.988 | 0.250 | 7 |") and "failed: the volume / is empty" in table[5]
    assert picture.stat().st_size > 1000


def test_the_judge_is_asked_about_the_prompts_own_words(
    tmp_path: Path, calls: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def answer(judge: Any, pictures: Any, prompts: Any) -> Any:
        asked.extend(prompts)
        return {}, [{"noun": "mug", "color": "red"} if shown is not None else {} for shown in pictures]

    monkeypatch.setattr(script, "judge_of", lambda config, kept: None)
    monkeypatch.setattr(script, "name_objects", answer)
    judged = ["--methods", "sds,csd", "--judge", str(tmp_path / "j"), "--nouns", "car,mug"]
    assert script.main(line(tmp_path, "--prompt", "a red mug", *judged)) == 0
    assert {(q.noun, COLORS[q.color].word) for q in asked} == {(1, "red")}
    picture = tmp_path / "out" / "all.png"
    sds, csd = json.loads(picture.with_suffix(".json").read_text())["methods"]
    assert sds["noun_right"] and sds["color_right"] and not csd["noun_right"] and csd["named_noun"] is None
    assert "| sds | red mug |" in picture.with_suffix(".md").read_text()
    assert script.main(line(tmp_path, "--prompt", "a red cathedral", *judged)) == 2


@pytest.mark.parametrize("name", ["dds", "sdss"])
def test_a_method_that_cannot_be_compared_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(line(tmp_path, "--methods", name)) == 2
    assert f"{name} cannot be compared" in capsys.readouterr().err


def test_a_measured_run_notes_the_higher_of_its_peaks(tmp_path: Path) -> None:
    note = tmp_path / "peak.txt"
    command = [sys.executable, str(SCRIPTS / "measured_run.py"), str(note), "--version"]
    assert subprocess.run(command, capture_output=True).returncode == 0
    first = int(note.read_text())
    assert first > 2**20
    note.write_text(str(first + 2**40))
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert int(note.read_text()) == first + 2**40
