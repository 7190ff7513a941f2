"""`dreamlab studio` as it is typed: each job does its work, and refuses in one line with exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from dreamlab.cli import main
from dreamlab.evaluate import classifier as judging
from dreamlab.evaluate.prompts import MeasureConfig
from dreamlab.priors.embedded.prior import read_vocabulary

TINY = {"channels": [16, 16, 16], "embedding": 32, "head": 16, "light_field": [16, 1]}
CONFIG = {"network": TINY, "batch": {"images": 4, "views": [4]}, "mean_first": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus of two nouns and a training of two steps, typed as a user would."""
    home = tmp_path_factory.mktemp("studio")
    (home / "config.json").write_text(json.dumps(CONFIG))
    corpus, training = str(home / "corpus"), str(home / "training")
    assert (
        main(("studio", "gather", corpus, "--nouns", "banana,car", "--per-noun", "2", "--scenes", "1")) == 0
    )
    line = ("studio", "train", corpus, training, "--config", str(home / "config.json"), "--steps")
    assert main((*line, "1")) == 0 and main((*line, "2")) == 0
    return home


def test_a_training_that_is_called_again_goes_on(trained: Path) -> None:
    vocabulary = read_vocabulary(trained / "training" / "embedded.safetensors")
    assert vocabulary is not None and vocabulary.steps == 2 and {"banana", "car"} <= set(vocabulary.nouns)


def test_a_sheet_is_a_picture_of_eight_sides(trained: Path, tmp_path: Path) -> None:
    picture, weights = tmp_path / "sheet.png", trained / "training" / "embedded.safetensors"
    assert main(("studio", "sheet", str(weights), str(picture), "a red car", "--quiet")) == 0
    with Image.open(picture) as image:
        assert image.width == 4 * image.height  # eight views, above their relative depth


@pytest.mark.slow
def test_measuring_asks_for_the_nouns_that_are_named(
    trained: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quick(config: MeasureConfig, kept: Path | None = None) -> judging.Judge:
        """A judge of fewer objects: two nouns as unlike as these need no more."""
        return taught(config.model_copy(update={"judge_objects": 12}), kept)

    taught = judging.judge_of
    monkeypatch.setattr(judging, "judge_of", quick)
    weights = str(trained / "training" / "embedded.safetensors")
    line = (
        "studio",
        "measure",
        weights,
        "--prompts",
        "1",
        "--scenes",
        "1",
        "--nouns",
        "banana,table",
        "--json",
    )
    assert main(line) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])["figures"]
    assert figures["noun_ceiling"] > 0.5 and len(figures["loss_by_level"]) == 10
    assert {figures["binding"], figures["binding_mean"]} <= {0.0, 1.0} and figures["binding_ceiling"] == 1


def test_unknown_nouns_and_missing_folders_are_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    weights = str(trained / "training" / "embedded.safetensors")
    assert main(("studio", "measure", weights, "--nouns", "banan")) == 2
    assert "banana" in capsys.readouterr().err
    assert main(("studio", "train", str(tmp_path / "nothing"), str(tmp_path / "out"))) == 2
    assert "studio gather" in capsys.readouterr().err
    assert main(("studio", "gather", str(tmp_path / "c"), "--folder", str(tmp_path / "nowhere"))) == 2
    assert "no such folder" in capsys.readouterr().err


def test_scenes_of_a_noun_that_has_no_company_are_refused_with_the_mend(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    alone = ("studio", "gather", str(tmp_path / "c"), "--nouns", "mug", "--per-noun", "1")
    assert main(alone) == 2
    output = capsys.readouterr().err
    assert "mug" in output and "--scenes 0" in output and not (tmp_path / "c").exists()
    assert main((*alone, "--scenes", "0")) == 0
