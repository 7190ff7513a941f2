from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dreamlab.core.errors import InputError
from dreamlab.mesh.geometry.color import srgb_to_linear
from dreamlab.mesh.io.gltf_file import GltfFile
from dreamlab.mesh.io.load import load
from dreamlab.mesh.material_words import Finish
from dreamlab.mesh.repaint import Coat, solid_coat
from dreamlab.mesh.retexture import Retextured, retexture
from dreamlab.mesh.texture.layout import fault_of
from dreamlab.mesh.texture.solids import in_solid
from tests.mesh.gltf_files import QUARTERS, UBYTE, GltfBuilder, albedo, cube, encoded, square

SIDE = 64


def figure(folder: Path, suffix: str = ".glb") -> Path:
    """Two squares below a turned node, one of them skinned, morphed and animated, of a material each, with
    textures and a normal map."""
    builder = GltfBuilder()
    color = builder.texture(QUARTERS)
    bumps = builder.texture(np.full((2, 2, 3), [128, 128, 255], np.uint8))
    first = builder.material(
        name="cloth",
        doubleSided=True,
        pbrMetallicRoughness={"baseColorTexture": {"index": color}},
        normalTexture={"index": bumps},
    )
    second = builder.material(name="skin", pbrMetallicRoughness={"baseColorFactor": [0.2, 0.1, 0.1, 1.0]})
    moved = {"POSITION": builder.rows([[0, 0, 0.5]] * 4, min=[0, 0, 0.5], max=[0, 0, 0.5])}
    bound = square(builder, material=first, targets=[moved])
    bound["attributes"]["JOINTS_0"] = builder.rows([[0, 1, 0, 0]] * 4, UBYTE)
    bound["attributes"]["WEIGHTS_0"] = builder.rows([[0.75, 0.25, 0, 0]] * 4)
    still = square(builder, material=second)
    still["attributes"]["COLOR_0"] = builder.rows([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
    builder.mesh(bound, name="coat", weights=[0.0])
    builder.mesh(still, name="face")
    matrices = builder.rows(np.tile(np.eye(4).reshape(-1), (2, 1)))
    times, turns = builder.rows([0.0, 1.0], min=[0.0], max=[1.0]), builder.rows([[0, 0, 0, 1]] * 2)
    builder.json |= {
        "skins": [{"joints": [2, 3], "inverseBindMatrices": matrices}],
        "nodes": [
            {"name": "top", "children": [1, 4, 2], "rotation": [0, 0.6, 0, 0.8]},
            {"name": "coat", "mesh": 0, "skin": 0},
            {"name": "hip", "children": [3], "translation": [0, 1, 0]},
            {"name": "knee"},
            {"name": "face", "mesh": 1, "translation": [5, 0, 0], "extras": {"id": 7}},
        ],
        "animations": [
            {
                "channels": [{"sampler": 0, "target": {"node": 3, "path": "rotation"}}],
                "samplers": [{"input": times, "output": turns}],
            }
        ],
    }
    return builder.save(folder / f"figure{suffix}")


def in_wood(source: Path, name: str = "out") -> Retextured:
    target = source.with_name(f"{name}.{'obj' if source.suffix == '.obj' else 'glb'}")
    return retexture(source, target, lambda pieces: solid_coat("wood", pieces), SIDE)


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_all_but_the_colours_of_a_gltf_file_stays_to_the_bit(suffix: str, tmp_path) -> None:
    source = figure(tmp_path, suffix)
    before_bytes = source.read_bytes()
    (target,), changed = in_wood(source)
    assert changed == [] and source.read_bytes() == before_bytes
    before, after = GltfFile(source), GltfFile(target)
    for key in ("nodes", "skins", "animations", "accessors", "scenes", "asset"):
        assert before.json[key] == after.json[key], key
    for index in range(len(before.json["accessors"])):
        assert before.rows(index).tobytes() == after.rows(index).tobytes()
    for old, new in zip(before.json["meshes"], after.json["meshes"], strict=True):
        assert {**old, "primitives": 0} == {**new, "primitives": 0}
        (one,), (other,) = old["primitives"], new["primitives"]
        attributes = {name: n for name, n in one["attributes"].items() if name != "COLOR_0"}
        assert {**one, "attributes": attributes} == other


def test_each_material_keeps_its_name_and_maps_and_has_one_image(tmp_path) -> None:
    (target,), _ = in_wood(figure(tmp_path))
    after = GltfFile(target)
    first, second = after.json["materials"]
    assert first["name"] == "cloth" and first["doubleSided"] and second["name"] == "skin"
    for row in (first, second):
        surface = row["pbrMetallicRoughness"]
        assert (surface["metallicFactor"], surface["roughnessFactor"]) == (0.0, 0.7)
        assert "baseColorFactor" not in surface
    slots = [row["pbrMetallicRoughness"]["baseColorTexture"]["index"] for row in (first, second)]
    slots.append(first["normalTexture"]["index"])
    assert sorted(slots) == [0, 1, 2] and len(after.json["images"]) == 3  # the old colours are gone


def test_the_image_has_the_material_where_the_surface_is(tmp_path) -> None:
    """Painted with the places themselves, the texture says where each texel lies in the scene."""
    builder = GltfBuilder()
    builder.mesh(square(builder))
    source = builder.save(tmp_path / "m.glb")
    retexture(source, tmp_path / "o.glb", lambda _: Coat(lambda x, normal, own: (x + 1) / 2, Finish()), SIDE)
    image = albedo(load(tmp_path / "o.glb")) / 255
    middle = (np.arange(SIDE) + 0.5) / SIDE
    assert (
        np.abs(image[..., 0] - middle).max() < 0.01
        and np.abs(image[..., 1] - middle[::-1, None]).max() < 0.01
    )


def test_the_own_colours_shade_the_material_texture_and_corners_alike(tmp_path) -> None:
    seen = []

    def spy(x: np.ndarray, normal: np.ndarray, own: np.ndarray) -> np.ndarray:
        seen.append((x, own))
        return own

    retexture(figure(tmp_path), tmp_path / "o.glb", lambda _: Coat(spy, Finish()), SIDE)
    (_, cloth), (_, skin) = seen
    assert len(np.unique((cloth * 255).round(), axis=0)) > 4 and cloth.max() > 0.95
    assert np.abs(srgb_to_linear(skin).max(0) - [0.2, 0.1, 0.1]).max() < 0.02


def test_bytes_of_dropped_pictures_go_and_all_others_stay(tmp_path) -> None:
    builder = GltfBuilder()
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3))
    view = builder.view(encoded(noise))
    builder.json["images"] = [{"bufferView": view, "mimeType": "image/png"}]
    builder.json["textures"] = [{"source": 0}]
    surface = {"baseColorTexture": {"index": 0}}
    builder.mesh(square(builder, material=builder.material(pbrMetallicRoughness=surface)))
    source = builder.save(tmp_path / "m.glb")
    retexture(source, tmp_path / "o.glb", lambda _: Coat(lambda x, normal, own: 0 * own, Finish()), SIDE)
    before, after = GltfFile(source), GltfFile(tmp_path / "o.glb")
    assert (tmp_path / "o.glb").stat().st_size < source.stat().st_size / 10
    for index in range(len(before.json["accessors"])):
        assert before.rows(index).tobytes() == after.rows(index).tobytes()
    assert (albedo(load(tmp_path / "o.glb")) == 0).all()


# ---- layouts that cannot hold an image ----


def test_faces_that_overlap_get_new_coordinates_and_carry_all_along(tmp_path) -> None:
    builder = GltfBuilder()
    moved = {"POSITION": builder.rows(np.arange(12).reshape(4, 3))}
    one = square(builder, [[0, 0], [1, 0], [0, 0], [1, 0]], targets=[moved])
    one["attributes"]["JOINTS_0"] = builder.rows(np.arange(16).reshape(4, 4), UBYTE)
    one["attributes"]["WEIGHTS_0"] = builder.rows([[1, 0, 0, 0]] * 4)
    builder.mesh(one)
    source = builder.save(tmp_path / "m.glb")
    (target,), (said,) = in_wood(source)
    assert said == "the texture coordinates of a material without a name, which have no room for some faces"
    before, after = GltfFile(source), GltfFile(target)
    (old,), (new,) = (f.json["meshes"][0]["primitives"] for f in (before, after))
    rows = before.rows(old["attributes"]["POSITION"])
    picked = after.rows(new["attributes"]["POSITION"])
    source_row = [(rows == row).all(1).argmax() for row in picked]
    for name in ("NORMAL", "JOINTS_0", "WEIGHTS_0"):
        there = before.rows(old["attributes"][name])[source_row]
        assert (after.rows(new["attributes"][name]) == there).all(), name
    target_rows = before.rows(old["targets"][0]["POSITION"])[source_row]
    assert (after.rows(new["targets"][0]["POSITION"]) == target_rows).all()
    corners = picked[after.rows(new["indices"])[:, 0]].reshape(-1, 3, 3)
    assert (corners == rows[before.rows(old["indices"])[:, 0]].reshape(-1, 3, 3)).all()


@pytest.mark.parametrize("color", [False, True])
def test_a_mesh_without_coordinates_gets_some(color: bool, tmp_path) -> None:
    builder = GltfBuilder()
    shape = cube(builder)
    if color:
        shape["attributes"]["COLOR_0"] = builder.rows([[0.5, 0.5, 0.5]] * 8)
    builder.mesh(shape)
    (target,), (said,) = in_wood(builder.save(tmp_path / "m.glb"))
    assert said.endswith("which are not there")
    mesh = load(target)
    assert (
        mesh.colors is None
        and fault_of(mesh.uv.numpy()[mesh.faces], mesh.vertices.numpy()[mesh.faces]) is None
    )
    assert mesh.vertices.abs().max() == 1 and len(mesh.faces) == 12


CORNERS = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]], [[1, 0, 0], [1, 1, 0], [0, 1, 0]]])


@pytest.mark.parametrize(
    ("uv", "fault"),
    [
        (CORNERS[..., :2], None),
        (CORNERS[[0, 0], :, :2], "overlap"),
        (CORNERS[..., :2] + 0.5, "reach beyond the image"),
        (CORNERS[..., :2] * np.nan, "reach beyond the image"),
        (CORNERS[..., :2] * [1, 0], "have no room for some faces"),
        (None, "are not there"),
    ],
)
def test_what_is_wrong_with_a_layout_is_said(uv, fault) -> None:
    assert fault_of(uv, CORNERS) == fault


# ---- other formats ----

OBJ = """# by hand
mtllib old.mtl
o plate
v -1 -1 0.1234567890123 1 0.5 0
v 1 -1 0 0 1 0
v 1 1 0 0 0 1
v -1 1 0 1 1 1
vt 0 0
vt 1 0.000000001
vt 1 1
vt 0 1
usemtl red
f 1/1 2/2 3/3 4/4
"""


def test_lines_of_an_obj_stay_as_they_are(tmp_path) -> None:
    source = tmp_path / "plate.obj"
    source.write_text(OBJ)
    (tmp_path / "old.mtl").write_text("newmtl red\nKd 1 0 0\n")
    (target, *others), changed = in_wood(source)
    assert changed == [] and sorted(p.name for p in others) == ["out.mtl", "out_albedo.png"]
    lines = target.read_text().splitlines()
    for line in OBJ.splitlines():
        kept = " ".join(line.split()[:4]) if line.startswith("v ") else line
        assert kept in lines or line.startswith("mtllib")
    mesh = load(target)
    assert albedo(mesh).shape[:2] == (SIDE, SIDE) and mesh.colors is None


def test_an_obj_without_coordinates_and_an_stl_get_new_ones(tmp_path) -> None:
    import trimesh

    for kind in ("obj", "stl"):
        source = tmp_path / f"box.{kind}"
        trimesh.creation.box((1, 2, 3)).export(source)
        (target, *_), (said,) = in_wood(source, f"out-{kind}")
        assert said == "its texture coordinates, which are not there" and albedo(load(target)).std() > 5


# ---- the command ----


def command(*arguments: str) -> int:
    from dreamlab.cli import main

    return main(list(arguments))


def test_the_command_writes_beside_the_mesh_and_never_over_it(tmp_path, capsys) -> None:
    source = figure(tmp_path)
    before = source.read_bytes()
    style = ("texture", str(source), "--style", "gold", "--pixels", "32")
    assert command(*style, "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["files"]["glb"].endswith("figure-gold.glb")
    assert load(tmp_path / "figure-gold.glb").material.metallic == 1
    assert command(*style, "--to", str(source)) == 2 and "would be replaced" in capsys.readouterr().err
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["gone.glb", "--style", "wood"], "there is no file gone.glb"),
        (["1", "--style", "wood"], "1 is no mesh file"),
        (["m.glb", "--style", "wood", "--pixels", "1"], "--pixels cannot be used; expected 16 to 8192"),
        (["m.glb", "--style", "wood", "--to", "m.stl"], "one file of one format"),
        (["m.glb", "--style", "wood"], "m.glb"),
    ],
)
def test_a_mistake_is_one_plain_line(arguments, line, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.glb").write_bytes(b"glTF\x02\x00\x00\x00 and no more")
    assert command("texture", *arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and line in said.err


def test_packed_corners_that_need_new_coordinates_are_refused(tmp_path) -> None:
    pytest.importorskip("DracoPy", reason="DracoPy is not installed (pip install 'dreamlab[draco]')")
    import torch

    from dreamlab.core.types import Mesh
    from dreamlab.mesh.io.export import write

    write(Mesh(torch.eye(3), torch.tensor([[0, 1, 2]])), tmp_path / "m.glb", compression="draco")
    with pytest.raises(InputError, match="Draco"):
        in_wood(tmp_path / "m.glb")


def test_the_grain_runs_on_from_part_to_part(tmp_path) -> None:
    """Two squares of two materials side by side are one board."""
    builder = GltfBuilder()
    builder.mesh(square(builder), square(builder, at=2.0, material=builder.material(name="other")))
    target = in_wood(builder.save(tmp_path / "m.glb")).files[0]
    board = GltfFile(target)
    images = [np.asarray(picture(board.view(one["bufferView"]))) for one in board.json["images"]]
    box, height = np.array([[-1.0, -1, 0], [3, 1, 0]]), 1 - (np.arange(SIDE) + 0.5) / SIDE * 2
    for column, x in ((images[0][:, -1], 1 - 1 / SIDE), (images[1][:, 0], 1 + 1 / SIDE)):
        edge = np.stack([np.full(SIDE, x), height, np.zeros(SIDE)], 1)
        assert np.abs(column / 255 - in_solid("wood", box, edge, np.ones((SIDE, 3)))).max() < 0.01


def picture(data: bytes):
    import io

    from PIL import Image

    return Image.open(io.BytesIO(data))
