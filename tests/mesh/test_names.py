"""What things are called inside files, as other programs read it."""

from __future__ import annotations

import json
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.named_parts import NamedParts
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.names import GODOT, LONGEST, legal_name, prim_name
from dreamlab.run.run_dir import asset_name

# Godot reads the end of a name after "-" or "_", without digits; Unreal the beginning; Windows the whole.
GODOT_READS = re.compile(rf"(?i).*[-_]({'|'.join(GODOT)})\d*|({'|'.join(GODOT)})\d*")
TAKEN = (
    "wooden-wheel",
    "wheel",
    "red_col",
    "ball-convcolonly",
    "wheel2",
    "UCX_ball",
    "ucx_ball",
    "con",
    "LPT1",
)


def document(path: Path) -> dict:
    data = path.read_bytes()
    return json.loads(data[20 : 20 + struct.unpack("<I", data[12:16])[0]])


def names_in(told: dict) -> set[str]:
    """Of nodes, meshes and materials, and of images without what they show."""
    own = {row["name"] for kind in ("nodes", "meshes", "materials") for row in told[kind]}
    return own | {image["name"].rpartition("_")[0] for image in told.get("images", ())}


@given(st.one_of(st.text(), st.sampled_from(TAKEN)))
def test_any_text_becomes_a_name_that_everyone_takes_as_one(text: str) -> None:
    name = legal_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", name) and len(name) <= LONGEST + 12
    assert not GODOT_READS.fullmatch(name) and not re.match(r"(?i)u[cbs][xp]_", name)
    assert legal_name(name) == name
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", prim_name(name))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("red-mushroom", "red-mushroom"),
        ("a b  c", "a-b-c"),
        ("crème brûlée", "creme-brulee"),
        ("wooden-wheel", "wooden-wheel-mesh"),
        ("UCX_ball", "UCX-ball"),
        ("con", "con-mesh"),
        ("", "object"),
    ],
)
def test_what_is_plain_stays_and_what_is_taken_changes(text: str, name: str) -> None:
    assert legal_name(text) == name


def test_names_that_lose_letters_stay_apart() -> None:
    lossy = ["赤い", "きのこ", "🍄", "fungo 🍄", "fungo", "x" * 100, "x" * 101, "a\udcff"]
    assert len({legal_name(text) for text in lossy}) == len(lossy)


@pytest.mark.parametrize(
    ("prompt", "name"),
    [("a red mushroom", "red-mushroom"), ("The  old anvil", "old-anvil"), ("anvil", "anvil"), ("a", "a")],
)
def test_a_prompt_names_its_object_without_the_article(prompt: str, name: str) -> None:
    assert asset_name(prompt) == name


def test_prompts_in_other_scripts_name_different_objects() -> None:
    names = [asset_name(text) for text in ("赤いきのこ", "青いきのこ", "Чайник")]
    assert len(set(names)) == 3 and all(name.startswith("object-") for name in names)
    assert asset_name("une crème brûlée") == "une-creme-brulee"


def test_everything_in_a_glb_is_called_so(textured, tmp_path) -> None:
    write(textured, tmp_path / "mesh.glb", name="red mushroom")
    told = document(tmp_path / "mesh.glb")
    assert names_in(told) == {"red-mushroom"}
    assert [image["name"] for image in told["images"]] == ["red-mushroom_albedo", "red-mushroom_normal"]


def test_two_objects_in_one_project_share_no_name(textured, colored, tmp_path) -> None:
    for name, mesh in (("cup", textured), ("chair", colored)):
        write(mesh, tmp_path / f"{name}.glb")
    one, two = (names_in(document(tmp_path / f"{name}.glb")) for name in ("cup", "chair"))
    assert one and two and not one & two


@pytest.mark.parametrize("kind", ["materials", "meshes"])
def test_parts_have_the_objects_name_before_their_own(kind, cut: Mesh, tmp_path) -> None:
    labels = (cut.colors[cut.faces[:, 0], 0] > 0.5).long().numpy()
    for suffix in ("glb", "obj"):
        write(cut, tmp_path / f"m.{suffix}", name="ball", parts=NamedParts(labels, ("green", "red"), kind))
    told, lines = document(tmp_path / "m.glb"), (tmp_path / "m.obj").read_text().splitlines()
    assert [material["name"] for material in told["materials"]] == ["ball.green", "ball.red"]
    nodes = ["ball"] if kind == "materials" else ["ball-green", "ball-red"]
    assert [node["name"] for node in told["nodes"]] == [mesh["name"] for mesh in told["meshes"]] == nodes
    assert [line for line in lines if line[:2] == "o "] == ["o ball-green", "o ball-red"]
    assert [line for line in lines if line[:6] == "usemtl"] == ["usemtl ball.green", "usemtl ball.red"]


def test_an_obj_and_its_materials_are_called_so(textured, tmp_path) -> None:
    write(textured, tmp_path / "mesh.obj", name="red-mushroom")
    assert "\no red-mushroom\n" in (tmp_path / "mesh.obj").read_text()
    assert "usemtl red-mushroom\n" in (tmp_path / "mesh.obj").read_text()
    assert (tmp_path / "mesh.mtl").read_text().startswith("newmtl red-mushroom\n")
    shown = trimesh.load_scene(tmp_path / "mesh.obj", process=False).to_geometry()
    assert shown.visual.material.name == "red-mushroom"


def test_3mf_and_stl_say_the_name(colored, tmp_path) -> None:
    write(colored, tmp_path / "m.3mf", name="red mushroom")
    with zipfile.ZipFile(tmp_path / "m.3mf") as archive:
        assert 'name="red-mushroom"' in archive.read("3D/3dmodel.model").decode()
    write(colored, tmp_path / "m.stl", name="x" * 300)
    header = (tmp_path / "m.stl").read_bytes()[:84]
    assert header.startswith(b"dreamlab, millimetres, Z up: xxx")
    assert np.frombuffer(header, "<u4", 1, 80)[0] == len(colored.faces)


def test_usd_prims_and_pictures_are_called_so(textured, tmp_path) -> None:
    pytest.importorskip("pxr", reason="usd-core is not installed: USDZ is not tested")
    from pxr import Usd

    write(textured, tmp_path / "m.usdz", name="3d-printed-cup")
    stage = Usd.Stage.Open(str(tmp_path / "m.usdz"))
    name = "_3d_printed_cup"
    assert stage.GetDefaultPrim().GetPath() == f"/{name}"
    assert {str(p.GetPath()) for p in stage.GetDefaultPrim().GetChildren()} == {
        f"/{name}/{name}_mesh", f"/{name}/{name}_material",
    }  # fmt: skip
    with zipfile.ZipFile(tmp_path / "m.usdz") as archive:
        assert any(entry.endswith(f"{name}_albedo.png") for entry in archive.namelist())
