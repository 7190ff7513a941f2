"""How large things really are, by the prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
import trimesh
from known import small_values

from dreamlab.cli import main
from dreamlab.core.errors import InputError
from dreamlab.mesh.real_sizes import real_size, real_sizes
from dreamlab.priors.embedded.prior import SHIPPED, read_vocabulary
from dreamlab.run.resolve import from_values
from dreamlab.stages import ExportStageConfig


def test_every_noun_that_the_prior_has_learned_has_a_size() -> None:
    vocabulary = read_vocabulary(SHIPPED)
    assert vocabulary is not None and len(vocabulary.learned()) > 200
    assert set(vocabulary.learned()) - set(real_sizes()) == set()
    assert all(0.005 <= metres <= 2000 for metres in real_sizes().values())


@pytest.mark.parametrize(
    ("text", "noun"),
    [
        ("a red mushroom", "mushroom"),
        ("two red mushrooms", "mushroom"),
        ("an old fire truck", "fire truck"),
        ("a mug on a table", "mug"),
        ("A wooden Bow and Arrow on a table", "bow and arrow"),
        ("a bunch of grapes", "bunch of grapes"),
        ("a cat with a wizard hat", "cat"),
        ("red-mushroom", "mushroom"),
        ("butterflies", "butterfly"),
        ("a chair made of mushroom", "chair"),
    ],
)
def test_a_prompt_is_as_large_as_its_last_noun_before_what_only_tells_more(text: str, noun: str) -> None:
    assert real_size(text) == real_sizes()[noun]


@pytest.mark.parametrize("text", ["a zorble", "", "on a table", "a carpet"])
def test_what_is_not_known_is_said_with_the_way_out(text: str) -> None:
    with pytest.raises(InputError, match="--size 30cm"):
        real_size(text)


def test_a_run_says_in_its_config_how_many_metres_real_is() -> None:
    values = small_values(prompt="a blue mug", stages={"export": {"size": "real"}})
    assert from_values(values).last(ExportStageConfig).size == "0.11m"
    with pytest.raises(InputError, match="zorble"):
        from_values(values | {"prompt": "a zorble"})


@pytest.fixture
def mug(tmp_path: Path) -> Path:
    box = trimesh.creation.box((1.0, 2.0, 1.0))
    box.export(tmp_path / "blue-mug.glb")
    return tmp_path / "blue-mug.glb"


def test_export_takes_the_size_from_the_files_name_and_stands_it_on_its_base(mug, tmp_path, capsys) -> None:
    assert main(["export", str(mug), "--size", "real", "--format", "obj", "--to", str(tmp_path / "out")]) == 0
    bounds = trimesh.load_mesh(tmp_path / "out" / "blue-mug.obj").bounds
    assert bounds[1, 1] == pytest.approx(0.11, rel=1e-5) and bounds[0, 1] == pytest.approx(0, abs=1e-7)
    again = ["export", str(mug), "--size", "real", "--origin", "keep", "--to", str(tmp_path / "kept.obj")]
    assert main([*again, "--name", "m"]) == 2  # two names
    assert main(["export", str(mug), "--size", "real", "--name", "zorble"]) == 2
    assert "--size 30cm" in capsys.readouterr().err


@pytest.mark.parametrize("size", [None, "5cm"])
def test_an_stl_of_no_size_says_its_unit(size, mug, tmp_path, capsys, caplog) -> None:
    options = [] if size is None else ["--size", size]
    assert main(["export", str(mug), "--format", "stl", *options, "--to", str(tmp_path / "out")]) == 0
    assert ("longest side for 2000 mm" in caplog.text) == (size is None)
