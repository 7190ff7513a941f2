"""`dreamlab edit "add a hat"`: a part is made by itself and put to the object, which stays as it was."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch
import trimesh
from known import Balls

from dreamlab.batch.scene import Given, put_to, write_scene
from dreamlab.cli import edit_part, main
from dreamlab.mesh.geometry.shape import place
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.gltf_file import GltfFile
from dreamlab.mesh.io.load import load
from dreamlab.mesh.scene_words import Group
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from tests.batch.test_scene import finished
from tests.batch.toys import tiny_file
from tests.test_given import two_halves


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """Four wide, and not at the origin."""
    shape = trimesh.creation.box((4, 2, 2))
    shape.apply_translation((10, 5, 0))
    return write(two_halves(shape), tmp_path / "box.glb", name="box")[0]


@pytest.mark.parametrize("suffix", ["glb", "obj"])
def test_a_part_is_put_to_the_object_where_that_lies(suffix: str, box: Path, tmp_path: Path) -> None:
    source = box if suffix == "glb" else write(load(box), tmp_path / "other.obj")[0]
    whole, run = load(source), finished(tmp_path, "a red mug", (1, 1, 1), 0.2)
    given = Given(source, "a box")
    part = place(load(run.path / "mesh.glb"), size=0.5, origin="base")
    member, notes = put_to(given, whole, Group(("a red mug",), "left"), part)
    assert not notes and member.at[0] < 10 - 2 - 0.25  # beyond the box's left side
    assert member.at[1] == pytest.approx(4) and member.at[2] == pytest.approx(0, abs=1e-6)
    files = write_scene(
        tmp_path, "a box with a red mug", [member], [run], ("glb", "stl"), frames=0, size=64, given=given
    )
    after = load(files["glb"])
    assert torch.equal(after.vertices[: len(whole.vertices)], whole.vertices)
    assert len(after.faces) == len(whole.faces) + 12
    assert "red-mug" in trimesh.load(files["glb"]).graph.nodes_geometry
    facts = json.loads(files["scene"].read_text())
    assert facts["onto"] == {"prompt": "a box", "file": str(source)}
    assert [thing["name"] for thing in facts["things"]] == ["red-mug"]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edits whose parts take a second."""
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": Balls())
    path, usual = tiny_file(tmp_path, expand="off"), edit_part._fill_in

    def fill_in(args: argparse.Namespace) -> None:
        usual(args)
        args.config = path

    monkeypatch.setattr(edit_part, "_fill_in", fill_in)


def test_an_edit_adds_a_part_and_the_same_command_makes_nothing_twice(
    box: Path, tiny: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = GltfFile(box)
    asked = ["edit", str(box), "put a red beach ball on top", "--was", "a box", "--out", str(tmp_path / "o")]
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert "part: a red beach ball, standing on it" in told and "before-after.png" in told
    folder = tmp_path / "o" / "scenes" / "box-and-on-red-beach-ball"
    after = GltfFile(folder / "scene.glb")
    for index in range(len(before.list("accessors"))):
        assert (before.rows(index) == after.rows(index)).all()
    scene = trimesh.load(folder / "scene.glb")
    assert set(scene.graph.nodes_geometry) == {"box", "red-beach-ball"}
    part = scene.geometry[scene.graph["red-beach-ball"][1]]
    at = scene.graph["red-beach-ball"][0][:3, 3]
    assert at[1] + part.bounds[0][1] == pytest.approx(6, abs=1e-3)  # it touches the top
    made = (folder / "scene.glb").read_bytes()
    assert main([*asked, "--quiet"]) == 0
    assert (folder / "scene.glb").read_bytes() == made and len(list(folder.glob("0*"))) == 1
