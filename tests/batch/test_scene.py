"""A scene: its things are jobs of a batch, their meshes are put together, and the same command goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import trimesh
from known import Balls, small_config

from dreamlab.batch.jobs import Recipe
from dreamlab.batch.scene import arranged, in_scene, scene_jobs, sizes_of, write_scene
from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.load import load
from dreamlab.mesh.scene_words import read_scene
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run.machine import environment
from dreamlab.run.run_dir import RunDir
from tests.batch.toys import tiny_file
from tests.cli.shelf import command


def finished(root: Path, prompt: str, sides: tuple[float, float, float], color: float) -> RunDir:
    """A run whose mesh is a box of one colour."""
    run = RunDir.create(root, small_config(prompt=prompt), environment())
    shape = trimesh.creation.box(sides)
    vertices = torch.from_numpy(shape.vertices.copy()).float()
    colors = torch.full_like(vertices, color)
    write(Mesh(vertices, torch.from_numpy(shape.faces.copy()).long(), colors=colors), run.path / "mesh.glb")
    return run


def test_things_have_seeds_that_follow_each_other(tmp_path: Path) -> None:
    groups = read_scene("a chair and a chair beside a table")
    jobs = scene_jobs(groups, Recipe("fast"), 7, tmp_path)
    assert [(job.prompt, job.seed) for job in jobs] == [("a chair", 7), ("a chair", 8), ("a table", 9)]
    assert len({job.key for job in jobs}) == 3


def test_sizes_are_real_ones_unless_others_are_given() -> None:
    things = ("a red cat", "a blue table")
    usual = sizes_of(things)
    assert 0.2 < usual[0] < usual[1] < 3
    assert sizes_of(things, {"cat": "2m"}) == [2.0, usual[1]]
    assert sizes_of(things, {"alike": ""}) == [1.0, 1.0]
    assert sizes_of(("a gizmo", "a cat"), {"gizmo": "5cm"})[0] == 0.05
    with pytest.raises(InputError, match="--size alike"):
        sizes_of(("a gizmo", "a cat"))
    with pytest.raises(InputError, match="no thing is called so"):
        sizes_of(things, {"dog": "2m"})


def test_the_files_have_a_node_for_each_thing_where_it_stands(tmp_path: Path) -> None:
    prompt = "a cat and a cat on a table"
    runs = [
        finished(tmp_path, "a cat", (1, 1, 2), 0.9),
        finished(tmp_path, "a cat", (1, 1, 1), 0.5),
        finished(tmp_path, "a table", (2, 1, 1), 0.1),
    ]
    members, notes = arranged(read_scene(prompt), runs, [0.4, 0.2, 2.0])
    assert not notes and [member.name for member in members] == ["cat", "cat-2", "table"]
    files = write_scene(tmp_path, prompt, members, runs, ("glb", "obj", "stl"), frames=2, size=64)
    assert set(files) == {"glb", "obj", "stl", "still", "mp4", "webp", "scene"}
    assert all(path.stat().st_size > 100 for path in files.values())

    scene = trimesh.load(files["glb"])
    assert set(scene.graph.nodes_geometry) == {"cat", "cat-2", "table"}
    for member in members:
        matrix, _ = scene.graph[member.name]
        assert matrix[:3, 3] == pytest.approx(member.at)
        own = scene.geometry[scene.graph[member.name][1]].bounds
        assert own[0][1] == pytest.approx(0, abs=1e-6) and own[:, 0].sum() == pytest.approx(0, abs=1e-6)
    top, sides = in_scene(members[2]).vertices[:, 1].max(), [0.4, 0.2]
    for member, side in zip(members[:2], sides, strict=True):
        there = in_scene(member).vertices
        assert float(there[:, 1].min()) == pytest.approx(float(top), abs=1e-4)
        assert float((there.amax(0) - there.amin(0)).max()) == pytest.approx(side)

    names = [line[2:] for line in files["obj"].read_text().splitlines() if line.startswith("o ")]
    assert [name.removeprefix("cat-and-a-cat-on-a-table-") for name in names] == ["cat", "cat-2", "table"]
    whole = load(files["obj"])
    assert len(whole.faces) == 36 and whole.colors is not None
    facts = json.loads(files["scene"].read_text())
    assert [thing["run"] for thing in facts["things"]] == [run.path.name for run in runs]
    assert facts["things"][2]["sides"] == pytest.approx([2, 1, 1])


# ---- at the shell ----


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": Balls())
    monkeypatch.chdir(tmp_path)
    tiny_file(tmp_path, expand="off")
    return tmp_path


SCENE = ("scene", "a red ball on a blue ball", "--config", "tiny.yaml", "--preset", "fast", "--frames", "0",
         "--size", "red=10cm", "--size", "blue=30cm")  # fmt: skip


def test_a_scene_is_made_and_the_same_command_makes_nothing_twice(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*SCENE) == 0
    folder = home / "outputs" / "scenes" / "a-red-ball-on-a-blue-ball"
    told = capsys.readouterr().out
    assert "2 of 2 jobs done" in told and "scene.glb" in told
    scene = trimesh.load(folder / "scene.glb")
    low, high = scene.bounds
    assert set(scene.graph.nodes_geometry) == {"red-ball", "blue-ball"}
    assert low[1] == pytest.approx(0, abs=1e-5) and 0.3 < high[1] < 0.42
    before = (folder / "scene.glb").read_bytes()
    (folder / "scene.glb").unlink()
    assert command(*SCENE, "--quiet") == 0
    assert (folder / "scene.glb").read_bytes() == before
    assert sorted(p.name for p in folder.glob("0*")) == ["0001-a-red-ball", "0002-a-blue-ball"]
    assert "outputs/scenes/a-red-ball-on-a-blue-ball/scene.glb" in capsys.readouterr().out.split()


def test_a_dry_run_says_what_is_understood(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(*SCENE, "--dry-run") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["a", "red", "ball", "0.1", "m", "on", "a", "blue", "ball"],
        ["a", "blue", "ball", "0.3", "m"],
    ]
    assert not (home / "outputs").exists()


@pytest.mark.parametrize("words, told", [
    (("scene", "a red ball"), 'Make it with: dreamlab run \'a red ball\''),
    (("scene", "a cat on a gizmo"), "--size alike"),
    (("scene", "a cat on a table", "--size", "cat"), "--size cannot be read"),
    (("scene", "a cat on a table", "--preset", "fast,default"), "a scene has one preset"),
])  # fmt: skip
def test_what_is_no_scene_is_said_plainly(
    home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    assert command(*words) == 2
    assert told in capsys.readouterr().err
