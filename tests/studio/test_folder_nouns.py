"""The nouns of a folder of models: real models of another half reach the ceiling, others do not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from dreamlab.core.errors import InputError
from dreamlab.core.types import Cameras
from dreamlab.evaluate.folder_nouns import LEAST, halves_of, judge_of_folder, measure_folder
from dreamlab.evaluate.prompts import VIEWS, MeasureConfig, Sampler, render_shape
from dreamlab.studio import shapes

MODELS = {"banana": LEAST + 1, "car": LEAST, "snowman": LEAST, "rocket": LEAST - 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of four nouns, without colours; one noun has too few."""
    home = tmp_path_factory.mktemp("models")
    lines = []
    for noun, count in MODELS.items():
        for copy in range(count):
            shape = shapes.make(np.random.default_rng((5, copy)), noun)
            mesh = trimesh.Trimesh(shape.vertices, shape.faces, process=False)
            mesh.export(home / f"{noun}-{copy}.obj")
            lines.append(json.dumps({"file": f"{noun}-{copy}.obj", "captions": [f"a {noun}"]}))
    (home / "captions.jsonl").write_text("\n".join(lines) + "\n")
    return home


def photographs(instead: dict[str, str]) -> Sampler:
    """Real objects, of other nouns where told so."""

    def draw(prompts: Sequence[str], cameras: Cameras, seed: int) -> Tensor:
        out = []
        for first in range(0, len(prompts), VIEWS):
            noun = prompts[first].split(" ", 1)[1]
            shape = shapes.make(np.random.default_rng((6, first)), instead.get(noun, noun))
            out.append(render_shape(shape, cameras[first : first + VIEWS]))
        return torch.cat(out)

    return draw


def test_nouns_with_enough_models_are_asked_and_no_model_is_in_both_halves(folder: Path) -> None:
    halves = halves_of(folder)
    assert tuple(halves) == ("banana", "car", "snowman")
    for noun, (taught, others) in halves.items():
        files = [model.file for model in (*taught, *others)]
        assert len(files) == len(set(files)) == MODELS[noun] and len(taught) >= len(others) >= LEAST // 2


@pytest.mark.slow
def test_real_models_reach_the_ceiling_in_form_and_others_do_not(folder: Path) -> None:
    halves, config = halves_of(folder), MeasureConfig()
    judge = judge_of_folder(halves)
    right = measure_folder(photographs({}), halves, judge, config)
    others = photographs({"banana": "car", "car": "snowman", "snowman": "banana"})
    wrong = measure_folder(others, halves, judge, config)
    assert right["folder_nouns"] == 3 and right["folder_form_noun_ceiling"] > 0.6
    assert right["folder_form_noun_ratio"] > 0.7 and wrong["folder_form_noun_ratio"] < 0.3
    assert wrong["folder_form_noun_ceiling"] == right["folder_form_noun_ceiling"]


def test_a_folder_of_single_models_is_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "one.obj").write_bytes((folder / "car-0.obj").read_bytes())
    (tmp_path / "captions.jsonl").write_text('{"file": "one.obj", "captions": ["a car"]}\n')
    with pytest.raises(InputError, match="too few nouns"):
        halves_of(tmp_path)
