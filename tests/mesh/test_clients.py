"""Programs that people open meshes with read what we write. Each is skipped, aloud, where it is not
installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dreamlab.core.types import Material, Mesh
from dreamlab.mesh.geometry.named_parts import NamedParts
from dreamlab.mesh.geometry.shape import place
from dreamlab.mesh.io.export import write
from dreamlab.mesh.repaint import solid_coat
from dreamlab.mesh.retexture import retexture
from dreamlab.mesh.surface.clean import solidity
from dreamlab.run.game import write_game
from dreamlab.stages.protocol import SurfaceMesh

VALIDATE = """
const validator = require("gltf-validator"), fs = require("fs");
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])), { maxIssues: 50 })
  .then((report) => console.log(JSON.stringify(report.issues)));
"""


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (apt-get install {package})")
    return found


def node_modules() -> str:
    """A folder with gltf-validator in it: NODE_PATH, the project's own, or npm's global one."""
    npm, node = program("npm", "npm"), program("node", "nodejs")
    everywhere = subprocess.run([npm, "root", "-g"], capture_output=True, text=True).stdout.strip()
    own = Path(__file__).parents[2] / "node_modules"
    for folder in (*os.environ.get("NODE_PATH", "").split(os.pathsep), str(own), everywhere):
        if folder and (Path(folder) / "gltf-validator").is_dir() and node:
            return folder
    pytest.skip("gltf-validator is not installed (npm install -g gltf-validator)")


@pytest.fixture(params=["colored", "textured", "cut"])
def mesh(request) -> Mesh:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("name", ["ball", "ball 🍄"])
def test_khronos_validator_finds_nothing_to_say(mesh: Mesh, name: str, tmp_path) -> None:
    folder = node_modules()
    write(mesh, tmp_path / f"{name}.glb")
    done = subprocess.run(
        ["node", "-e", VALIDATE, str(tmp_path / f"{name}.glb")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NODE_PATH": folder},
    )
    issues = json.loads(done.stdout)
    assert issues["messages"] == []
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0)


@pytest.mark.parametrize("kind", ["materials", "meshes"])
def test_khronos_validator_finds_nothing_to_say_of_parts(kind, cut: Mesh, tmp_path) -> None:
    folder = node_modules()
    labels = (cut.colors[cut.faces[:, 0], 0] > 0.5).long().numpy()
    write(cut, tmp_path / "m.glb", parts=NamedParts(labels, ("green", "red"), kind))
    done = subprocess.run(
        ["node", "-e", VALIDATE, str(tmp_path / "m.glb")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NODE_PATH": folder},
    )
    assert json.loads(done.stdout)["messages"] == []


@pytest.mark.parametrize("how", [Material(unlit=True), Material(transmission=0.9, roughness=0.05)])
def test_khronos_validator_knows_the_materials_of_styles(how: Material, textured: Mesh, tmp_path) -> None:
    folder = node_modules()
    write(replace(textured, material=how), tmp_path / "m.glb")
    assert issues_of(tmp_path / "m.glb", folder)["messages"] == []


@pytest.mark.parametrize("style", ["wood", "glass"])
def test_khronos_validator_accepts_a_retextured_file(style, textured: Mesh, tmp_path) -> None:
    folder = node_modules()
    write(textured, tmp_path / "m.glb")
    retexture(tmp_path / "m.glb", tmp_path / "o.glb", lambda pieces: solid_coat(style, pieces), 64)
    assert issues_of(tmp_path / "o.glb", folder)["messages"] == []


def issues_of(path: Path, folder: str) -> dict[str, Any]:
    done = subprocess.run(
        ["node", "-e", VALIDATE, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NODE_PATH": folder},
    )
    return json.loads(done.stdout)


def test_khronos_validator_accepts_draco(mesh: Mesh, tmp_path) -> None:
    pytest.importorskip("DracoPy", reason="DracoPy is not installed (pip install 'dreamlab[draco]')")
    folder = node_modules()
    write(mesh, tmp_path / "m.glb", compression="draco")
    done = subprocess.run(
        ["node", "-e", VALIDATE, str(tmp_path / "m.glb")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NODE_PATH": folder},
    )
    issues = json.loads(done.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


def test_khronos_validator_does_find_faults(colored: Mesh, tmp_path) -> None:
    """The test above can fail: a GLB with a broken accessor is reported."""
    folder = node_modules()
    write(colored, tmp_path / "m.glb")
    data = (tmp_path / "m.glb").read_bytes().replace(b'"VEC4"', b'"VEC2"')
    (tmp_path / "m.glb").write_bytes(data)
    done = subprocess.run(
        ["node", "-e", VALIDATE, str(tmp_path / "m.glb")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NODE_PATH": folder},
    )
    assert json.loads(done.stdout)["numErrors"] > 0


@pytest.mark.parametrize("kind", ["glb", "obj", "ply", "stl", "3mf"])
def test_assimp_reads_every_format(kind: str, mesh: Mesh, tmp_path) -> None:
    assimp = program("assimp", "assimp-utils")
    write(mesh, tmp_path / f"ball.{kind}")
    done = subprocess.run([assimp, "info", str(tmp_path / f"ball.{kind}")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    faces = re.search(r"Faces:\s+(\d+)", done.stdout)
    assert faces and int(faces[1]) == len(mesh.faces)
    low, high = (re.search(rf"{word} point\s+\(([-\d. ]+)\)", done.stdout) for word in ("Minimum", "Maximum"))
    assert low and high
    scale = 1000 if kind in ("stl", "3mf") else 1
    extent = float(high[1].split()[1]) - float(low[1].split()[1])
    assert extent / scale == pytest.approx(
        float(mesh.vertices[:, 1].max() - mesh.vertices[:, 1].min()), rel=0.01
    )
    if kind == "obj" and mesh.textures:
        assert "ball_albedo.png" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["stl", "3mf"])
def test_prusa_slicer_finds_a_solid_of_the_right_size(kind: str, colored: Mesh, tmp_path) -> None:
    slicer = program("prusa-slicer", "prusa-slicer")
    small = place(colored, size=0.05, origin="base")
    write(small, tmp_path / f"ball.{kind}")
    done = subprocess.run([slicer, "--info", str(tmp_path / f"ball.{kind}")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "manifold = yes" in done.stdout
    size = float(re.search(r"size_z = ([\d.]+)", done.stdout)[1])
    volume = float(re.search(r"volume = ([\d.]+)", done.stdout)[1])
    assert size == pytest.approx(50, rel=0.02)
    assert volume / 1e9 == pytest.approx(solidity(small).volume, rel=1e-3)
    done = subprocess.run(
        [slicer, "--export-gcode", str(tmp_path / f"ball.{kind}"), "-o", str(tmp_path / "ball.gcode")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ball.gcode").stat().st_size > 10_000


GODOT = """
extends SceneTree
func walk(n, depth):
\tvar more = ""
\tif n is MeshInstance: more = str(n.mesh.surface_get_array_index_len(0) / 3)
\tif n is CollisionShape: more = n.shape.get_class()
\tprint("NODE ", depth, " ", n.name, " ", n.get_class(), " ", more)
\tfor c in n.get_children(): walk(c, depth + 1)
func _init():
\twalk(load("res://cup.glb").instance(), 0)
\tquit()
"""


@pytest.mark.slow
def test_godot_makes_bodies_of_the_hulls_and_a_mesh_of_the_object(textured: Mesh, tmp_path) -> None:
    godot = program("godot3-server", "godot3-server")
    write_game(SurfaceMesh(textured), "godot", tmp_path / "cup", "cup", levels=1, hulls=2)
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(tmp_path / "cup" / "cup.glb", project)
    (project / "project.godot").write_text("config_version=4\n")
    (project / "show.gd").write_text(GODOT)
    for options in (["-e", "-q"], ["-s", "show.gd"]):
        done = subprocess.run([godot, "--path", str(project), *options], capture_output=True, text=True)
    nodes = [line.split()[2:] for line in done.stdout.splitlines() if line.startswith("NODE")]
    assert ["cup", "MeshInstance", str(len(textured.faces))] in nodes
    bodies = [name for name, kind, *_ in nodes if kind == "StaticBody"]
    shapes = [more for _, kind, *more in nodes if kind == "CollisionShape"]
    hulls = json.loads((tmp_path / "cup" / "budget.json").read_text())["collision"]["hulls"]
    assert bodies == [f"cup-hull-{k:02d}" for k in range(1, hulls + 1)]
    assert shapes == [["ConvexPolygonShape"]] * hulls


@pytest.mark.parametrize("engine", ["unity", "unreal", "godot", "web"])
def test_khronos_validator_finds_no_fault_in_engines_folders(engine, textured: Mesh, tmp_path) -> None:
    """Of meshopt it says that it does not know it, and so that nothing uses its buffer."""
    folder = node_modules()
    write_game(SurfaceMesh(textured), engine, tmp_path / "cup", "cup", levels=2, hulls=1)
    for path in (tmp_path / "cup").glob("*.glb"):
        done = subprocess.run(
            ["node", "-e", VALIDATE, str(path)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "NODE_PATH": folder},
        )
        codes = {message["code"] for message in json.loads(done.stdout)["messages"]}
        assert codes <= ({"UNSUPPORTED_EXTENSION", "UNUSED_OBJECT"} if engine == "web" else set())
