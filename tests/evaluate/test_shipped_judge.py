"""The judge that is shipped: what it says of itself holds on objects of our own choosing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "scripts"))
import train_judge as script

from dreamlab.core.errors import DamagedError, UnavailableError
from dreamlab.core.types import Mesh
from dreamlab.evaluate.classifier import Judge, Prediction
from dreamlab.evaluate.looks import flat_mesh, looks_of
from dreamlab.evaluate.prompts import render_shape
from dreamlab.evaluate.score import score_by_judge, score_mesh
from dreamlab.evaluate.shipped_judge import SHIPPED, KeptJudge, read_judge, write_judge
from dreamlab.evaluate.surface_views import flat_mesh as faceted
from dreamlab.studio import shapes

COLORS = {color.word: color for color in shapes.COLORS}


@pytest.fixture(scope="module")
def kept() -> KeptJudge:
    return read_judge()


def real(noun: str, color: str, seed: int = 3) -> Mesh:
    shape = shapes.make(np.random.default_rng((1, seed)), noun, COLORS[color])
    return faceted(shape.vertices, shape.faces, shape.face_colors)


def test_it_knows_every_noun_and_is_small() -> None:
    assert SHIPPED.stat().st_size < 3e6 and set(read_judge().judge.nouns) == set(shapes.NOUNS)


def test_it_is_right_as_often_as_it_says_of_itself(kept: KeptJudge) -> None:
    lot = np.random.default_rng(8).choice(len(shapes.NOUNS), 40, replace=False)
    x, noun, color = script.fresh([shapes.NOUNS[i] for i in lot], 1, 77)
    seen = kept.judge.look(x, "color")
    named = seen.noun.argmax(1).view(40, -1) == torch.from_numpy(lot)[noun][:, None]
    colored = seen.color.argmax(1).view(40, -1) == color[:, None]
    assert float(named.float().mean()) == pytest.approx(kept.measured["noun_view"], abs=0.1)
    assert float(colored.float().mean()) == pytest.approx(kept.measured["color_view"], abs=0.1)
    sure = seen.noun.amax(1).mean()
    assert float(sure) == pytest.approx(float(named.float().mean()), abs=0.1)  # no surer than it is right


def test_real_objects_score_well_for_their_prompt_and_badly_for_another(kept: KeptJudge) -> None:
    right = score_mesh(real("car", "red"), "a red car", kept.judge)
    assert right.figures["noun"] > 0.8 and right.figures["color"] > 0.8 and right.figures["noun_rank"] == 1
    assert right.words["noun_taken_for"] == "car" and right.words["color_taken_for"] == "red"
    assert right.figures["best_region"] > 0.8 and right.figures["janus"] < 0.3
    assert right.figures["noun_low"] <= right.figures["noun_sure"] <= right.figures["noun_high"]
    wrong = score_by_judge(real("car", "red"), "a blue mushroom", kept.judge)
    assert wrong.figures["noun"] == wrong.figures["color"] == 0 and wrong.figures["noun_rank"] > 1


def test_what_was_not_asked_for_or_is_not_known_is_not_scored(kept: KeptJudge) -> None:
    mesh = real("car", "red")
    assert "color" not in score_by_judge(mesh, "a car", kept.judge).figures
    strange = score_by_judge(mesh, "a thingummy", kept.judge)
    assert set(strange.figures) == {"agreement"} and strange.words["noun_taken_for"] == "car"
    assert "noun" not in score_by_judge(mesh, "a red car on a blue table", kept.judge).figures
    assert "janus" not in score_mesh(real("table", "red"), "a red table", kept.judge).figures


def test_a_mesh_looks_as_the_generators_pictures_do() -> None:
    shape = shapes.make(np.random.default_rng((1, 3)), "duck", COLORS["yellow"])
    flat = flat_mesh(faceted(shape.vertices, shape.faces, shape.face_colors))
    # framed anew: generators fill the unit sphere about another centre
    moved = shapes.Shape(**{**vars(shape), "vertices": flat.vertices, "faces": flat.faces})
    assert torch.allclose(
        looks_of(real("duck", "yellow")).judged, render_shape(moved, script.around()), atol=0.02
    )


def test_a_judge_is_written_and_read_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(1)
    judge = Judge(("car", "mug")).eval()
    write_judge(judge, tmp_path / "judge.safetensors", {"objects": 1}, {"noun": 0.5})
    kept = read_judge(tmp_path / "judge.safetensors")
    x = torch.randn(3, 5, 64, 64)
    assert torch.allclose(kept.judge.look(x).noun, judge.look(x).noun, atol=1e-2)
    assert kept.measured == {"noun": 0.5} and kept.judge.nouns == ("car", "mug")


def test_what_is_no_judge_is_refused_with_the_way_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="train_judge"):
        read_judge(tmp_path / "none.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(SHIPPED.read_bytes()[:1000])
    with pytest.raises(DamagedError, match="cannot be read as a judge"):
        read_judge(tmp_path / "cut.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors", metadata={"judge": json.dumps({})})
    with pytest.raises(DamagedError, match="no judge of this version"):
        read_judge(tmp_path / "other.safetensors")


def test_calibration_is_nought_for_a_judge_that_is_right_as_often_as_it_says() -> None:
    found = torch.tensor([[0.75, 0.25]] * 400)
    assert script.calibration(found, torch.tensor([0, 0, 0, 1] * 100)) == pytest.approx(0, abs=1e-6)
    assert script.calibration(found, torch.zeros(400, dtype=torch.long)) == pytest.approx(0.25)


def test_a_doubtful_judge_is_made_as_sure_as_it_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Judge(("car", "mug"))
    logits = torch.tensor([[0.5, 0.0]] * 8 + [[0.0, 0.5]] * 8)
    colors = torch.zeros(16, len(shapes.COLORS))
    monkeypatch.setattr(judge, "look", lambda x, channels: Prediction(logits.softmax(1), colors.softmax(1)))
    before = judge.noun.weight.clone()
    right = (torch.zeros(16, 1), torch.tensor([0, 1]), torch.tensor([0, 0]))
    monkeypatch.setattr(script, "fresh", lambda nouns, objects, seed: right)
    temperature, _ = script.calibrate(judge, 1)
    assert temperature == pytest.approx(0.3) and torch.allclose(judge.noun.weight, before / 0.3)


def test_the_script_trains_measures_and_keeps_a_judge(tmp_path: Path, capsys) -> None:
    out = tmp_path / "judge.safetensors"
    options = [
        "--nouns",
        "apple,table",
        "--objects",
        "6",
        "--epochs",
        "4",
        "--measured",
        "2",
        "--out",
        str(out),
    ]
    assert script.main(options) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["nouns"] == 2 and told["objects_measured"] == 4
    assert read_judge(out).measured["noun"] == told["noun"] >= 0.75
    assert script.main(["--nouns", "apple,table", "--objects", "2", "--epochs", "1", "--measured", "1",
                        "--out", str(tmp_path / "no" / "where.safetensors")]) == 2  # fmt: skip
    assert "could not write" in capsys.readouterr().err
