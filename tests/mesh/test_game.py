"""Levels of detail, collision hulls and the folder for an engine, against closed forms and other readers."""

from __future__ import annotations

import json
import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.cli import main
from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.core.types import Mesh
from dreamlab.evaluate.level_fidelity import Original
from dreamlab.mesh.game.budget import budget_of
from dreamlab.mesh.game.engines import files_for
from dreamlab.mesh.game.hulls import CORNERS, convex_hulls, hull_of
from dreamlab.mesh.game.levels import levels_of, with_power_of_two
from dreamlab.mesh.game.soundness import soundness
from dreamlab.mesh.geometry.named_parts import NamedParts
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.load import load
from dreamlab.run.game import SUMMARY, write_game
from dreamlab.stages.protocol import SurfaceMesh


def mesh_of(*shapes: trimesh.Trimesh) -> Mesh:
    whole = trimesh.util.concatenate(list(shapes))
    return Mesh(torch.from_numpy(np.array(whole.vertices)).float(), torch.from_numpy(np.array(whole.faces)))


def moved(shape: trimesh.Trimesh, *by: float) -> trimesh.Trimesh:
    shape.apply_translation(by)
    return shape


def bracket() -> Mesh:
    """An L of two boxes as one closed solid: its convex hull is half as large again as it is itself."""
    outline = np.array([[0, 0], [3, 0], [3, 1], [1, 1], [1, 3], [0, 3]])
    corners = np.concatenate([np.c_[outline, np.zeros(6)], np.c_[outline, np.ones(6)]])
    cap = [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]]
    faces = [[a, c, b] for a, b, c in cap] + [[a + 6, b + 6, c + 6] for a, b, c in cap]
    for k in range(6):
        m = (k + 1) % 6
        faces += [[k, m, m + 6], [k, m + 6, k + 6]]
    return Mesh(torch.from_numpy(corners).float(), torch.tensor(faces))


def document(path: Path) -> dict:
    data = path.read_bytes()
    return json.loads(data[20 : 20 + struct.unpack("<I", data[12:16])[0]])


def solid_of(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), process=False)


# ---- hulls ----


def test_a_hull_is_closed_convex_wound_outward_and_of_few_corners() -> None:
    ball = trimesh.creation.icosphere(4)
    hull = solid_of(hull_of(np.asarray(ball.vertices)))
    assert hull.is_watertight and hull.is_convex and hull.volume > 0
    assert len(hull.vertices) <= CORNERS
    assert hull.volume > 0.8 * ball.volume


@pytest.mark.parametrize("flat", [(1, 1, 0), (1, 0, 0), (0, 0, 0)])
def test_what_has_no_volume_gets_a_little_thickness(flat) -> None:
    points = np.random.default_rng(0).normal(size=(20, 3)) * flat
    hull = solid_of(hull_of(points))
    assert hull.is_watertight and hull.volume > 0
    assert np.allclose(
        hull.extents, np.ptp(points, axis=0), atol=0.02 * max(np.ptp(points, axis=0).max(), 1e-7)
    )


def test_each_part_has_its_hull_and_too_many_have_one_together() -> None:
    boxes = [moved(trimesh.creation.box((1, 1, 1)), 3 * k, 0, 0) for k in range(3)]
    three = convex_hulls(mesh_of(*boxes), 3, "parts")
    assert len(three.meshes) == 3 and three.covered == 1 and three.volume == pytest.approx(1)
    one = convex_hulls(mesh_of(*boxes), 2, "parts")
    assert len(one.meshes) == 1 and one.volume == pytest.approx(7 / 3)


def test_hollows_are_filled_without_coacd_and_cut_open_with_it() -> None:
    filled = convex_hulls(bracket(), 8, "parts")
    assert filled.volume == pytest.approx(7 / 5)
    pytest.importorskip("coacd", reason="coacd is not installed (pip install 'dreamlab[hulls]')")
    cut = convex_hulls(bracket(), 8)
    assert cut.method == "coacd" and 1 < len(cut.meshes) <= 8
    assert cut.covered > 0.98 and cut.volume == pytest.approx(1, abs=0.05)
    for hull in cut.meshes:
        assert solid_of(hull).is_convex and solid_of(hull).is_watertight and len(hull.vertices) <= CORNERS
    again = convex_hulls(bracket(), 8)
    assert all(torch.equal(a.vertices, b.vertices) for a, b in zip(cut.meshes, again.meshes, strict=True))


def test_without_coacd_it_is_said_and_asked_for_by_name_refused(monkeypatch, caplog) -> None:
    monkeypatch.setitem(sys.modules, "coacd", None)
    assert convex_hulls(bracket()).method == "parts"
    assert "dreamlab[hulls]" in caplog.text
    with pytest.raises(UnavailableError, match=r"dreamlab\[hulls\]"):
        convex_hulls(bracket(), method="coacd")


def test_a_mesh_without_an_area_has_no_hull() -> None:
    with pytest.raises(InputError, match="no area"):
        convex_hulls(Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]])))


# ---- soundness ----


def test_euler_number_and_pinched_corners_are_those_of_the_shape() -> None:
    ball, ring = trimesh.creation.icosphere(2), trimesh.creation.torus(1, 0.3)
    for shapes, euler in (([ball], 2), ([ring], 0), ([ball, moved(ring, 3, 0, 0)], 2)):
        found = soundness(mesh_of(*shapes))
        assert found.edge_manifold and (found.euler_number, found.pinched_corners) == (euler, 0)


def test_two_solids_that_touch_in_a_point_are_closed_and_pinched_there() -> None:
    two = mesh_of(trimesh.creation.box((1, 1, 1)), moved(trimesh.creation.box((1, 1, 1)), 1, 1, 1))
    found = soundness(two)
    assert found.edge_manifold and found.pinched_corners == 1 and found.euler_number == 3


def test_a_sheet_is_open_and_not_pinched() -> None:
    found = soundness(Mesh(torch.eye(3), torch.tensor([[0, 1, 2]])))
    assert not found.edge_manifold and (found.pinched_corners, found.euler_number) == (0, 1)


def test_islands_are_counted_by_the_texture_not_by_doubled_corners(textured) -> None:
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    uv = corners[:, :2] * 0.5
    image = (("albedo", torch.zeros(4, 4, 3, dtype=torch.uint8)),)
    whole = Mesh(corners, torch.tensor([[0, 1, 2], [3, 4, 5]]), uv=uv, textures=image)
    found = soundness(whole)  # corners doubled, as at a sharp edge, but one square in the texture
    assert (found.uv_islands, found.uv_crumbs, found.uv_used) == (1, 1, 0.25)
    apart = soundness(replace(whole, uv=uv + torch.tensor([0.0, 0, 0, 0.4, 0.4, 0.4])[:, None]))
    assert apart.uv_islands == 2
    assert soundness(replace(whole, textures=())).uv_islands == 0
    assert 0.3 < soundness(textured).uv_used < 1 and soundness(textured).uv_islands > 1


# ---- levels ----


def test_levels_have_half_the_faces_and_textures_each_and_look_ever_less_like_the_first(textured) -> None:
    levels = levels_of(textured, 3)
    faces = [len(level.faces) for level in levels]
    assert faces[0] == len(textured.faces)
    assert all(0.8 * faces[0] / 2**k < count <= faces[0] / 2**k for k, count in enumerate(faces) if k)
    assert [max(image.shape[0] for _, image in level.textures) for level in levels] == [256, 128, 64]
    original = Original.of(textured)
    alike = [original.likeness(level) for level in levels]
    assert alike[0].silhouette == 1 and alike[0].psnr == 99
    assert 1 > alike[1].silhouette > alike[2].silhouette > 0.95
    assert alike[1].psnr > alike[2].psnr > 15


def test_a_level_has_no_kind_of_texture_that_the_mesh_has_not(textured) -> None:
    plain = replace(textured, textures=textured.textures[:1])
    assert [name for name, _ in plain.textures] == ["albedo"]
    assert [name for name, _ in levels_of(plain, 2)[1].textures] == ["albedo"]


def test_levels_end_where_an_object_would_be_a_lump(caplog) -> None:
    levels = levels_of(mesh_of(trimesh.creation.icosphere(1)), 5)  # 80 faces
    assert len(levels) == 1 and "levels of detail end at 0" in caplog.text


def test_likeness_does_not_depend_on_size_or_place(colored) -> None:
    small = levels_of(colored, 2)[1]
    far, away = (replace(mesh, vertices=mesh.vertices * 0.01 + 0.5) for mesh in (small, colored))
    near = Original.of(colored).likeness(small).silhouette
    assert Original.of(away).likeness(far).silhouette == pytest.approx(near, abs=2e-3)


def test_textures_have_sides_of_powers_of_two(textured) -> None:
    image = torch.arange(100 * 300 * 3).reshape(100, 300, 3).to(torch.uint8)
    odd = with_power_of_two(replace(textured, textures=(("albedo", image),)))
    assert dict(odd.textures)["albedo"].shape == (128, 256, 3)
    kept = with_power_of_two(textured)
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(kept.textures, textured.textures, strict=True))


def test_a_budget_counts_what_the_gpu_draws(textured, cut) -> None:
    found = budget_of(textured)
    assert (found.faces, found.vertices, found.draw_calls) == (len(textured.faces), len(textured.vertices), 1)
    assert found.textures == ((256, 256), (256, 256)) and found.texture_bytes == 2 * (256 * 256 * 4 * 4 // 3)
    labels = (cut.colors[cut.faces[:, 0], 0] > 0.5).long().numpy()
    assert budget_of(cut, NamedParts(labels, ("a", "b"))).draw_calls == 2


# ---- files ----


def test_names_are_those_that_each_engine_looks_for(colored) -> None:
    hull = hull_of(colored.vertices.double().numpy())
    named = {
        engine: {
            file.stem: [item.name for item in file.objects]
            for file in files_for(engine, "cup", [colored] * 2, [hull] * 2)
        }
        for engine in ("unity", "unreal", "godot", "web")
    }
    assert named == {
        "unity": {"cup": ["cup_LOD0", "cup_LOD1"], "cup_collision": ["cup_collision_01", "cup_collision_02"]},
        "unreal": {"cup": ["cup", "UCX_cup_01", "UCX_cup_02"], "cup_LOD1": ["cup_LOD1"]},
        "godot": {
            "cup": ["cup", "cup-hull-01-convcolonly", "cup-hull-02-convcolonly"],
            "cup_LOD1": ["cup_LOD1"],
        },
        "web": {
            "cup": ["cup"],
            "cup_LOD1": ["cup_LOD1"],
            "cup_collision": ["cup_collision_01", "cup_collision_02"],
        },
    }


@pytest.mark.parametrize("engine", ["unity", "unreal", "godot", "web"])
def test_a_folder_holds_what_its_budget_says(engine, textured, tmp_path) -> None:
    made_by = {"prompt": "a red cup", "seed": 3}
    asset = write_game(
        SurfaceMesh(textured), engine, tmp_path / "out", "red cup", levels=2, hulls=1, made_by=made_by
    )
    told = json.loads((tmp_path / "out" / SUMMARY).read_text())
    assert told == json.loads(json.dumps(asset.summary)) and told["name"] == "red-cup"
    there = {path.name: path.stat().st_size for path in (tmp_path / "out").iterdir() if path.name != SUMMARY}
    assert there == told["files"]
    assert [row["level"] for row in told["levels"]] == [0, 1] and told["levels"][1]["silhouette"] > 0.97
    for path in (tmp_path / "out").glob("*.glb"):
        assert document(path)["asset"]["extras"] == made_by
    main_file = document(tmp_path / "out" / "red-cup.glb")
    shown = [m for m in main_file["meshes"] if m["primitives"][0].get("material") is not None]
    faces = sum(
        main_file["accessors"][p["indices"]]["count"] // 3 for m in shown[:1] for p in m["primitives"]
    )
    assert faces == told["levels"][0]["faces"]
    hulls = [node["name"] for node in main_file["nodes"] if "mesh" in node]
    assert len(hulls) == {"unity": 2, "unreal": 2, "godot": 2, "web": 1}[engine]
    if engine == "unity":
        root = main_file["nodes"][main_file["scenes"][0]["nodes"][0]]
        assert root["name"] == "red-cup" and len(root["children"]) == 2
    if engine == "web":
        assert {"EXT_texture_webp", "EXT_meshopt_compression"} <= set(main_file["extensionsRequired"])


def test_the_second_export_replaces_the_first_and_leaves_nothing_of_it(colored, tmp_path) -> None:
    scene, folder = SurfaceMesh(colored), tmp_path / "out"
    write_game(scene, "unreal", folder, "cup", levels=3, hulls=1)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_game(scene, "unreal", folder, "cup", levels=3, hulls=1)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    write_game(scene, "unreal", folder, "cup", levels=1, hulls=0)
    assert {path.name for path in folder.iterdir()} == {"cup.glb", SUMMARY}


@pytest.mark.parametrize("name", ["mine.txt", "mine.glb", SUMMARY])
def test_a_folder_with_anything_else_in_it_is_left_alone(name, colored, tmp_path) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        write_game(SurfaceMesh(colored), "godot", tmp_path, "cup", levels=1, hulls=0)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_web_without_meshopt_is_said(colored, tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setitem(sys.modules, "meshopt", None)
    asset = write_game(SurfaceMesh(colored), "web", tmp_path / "out", "cup", levels=1, hulls=0)
    assert asset.summary["compression"] == "none" and "dreamlab[meshopt]" in caplog.text


# ---- the command ----


def test_the_command_stands_a_known_thing_in_its_size_on_its_base(colored, tmp_path, capsys) -> None:
    write(colored, tmp_path / "blue-mug.glb")
    assert (
        main(["export", str(tmp_path / "blue-mug.glb"), "--game", "godot", "--lods", "2", "--hulls", "1"])
        == 0
    )
    told = capsys.readouterr().out
    assert "LOD1" in told and "silhouettes match to 0.9" in told and "1 collision hulls" in told
    mesh = load(tmp_path / "blue-mug-godot" / "blue-mug_LOD1.glb")
    assert float(mesh.vertices[:, 1].min()) == pytest.approx(0, abs=2e-3)
    assert float((mesh.vertices.amax(0) - mesh.vertices.amin(0)).max()) == pytest.approx(0.11, rel=0.03)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--lods", "2"], "--lods is for games"),
        (["--game", "web", "--lods", "9"], "1 to 8"),
        (["--game", "web", "--hulls", "-1"], "0 to 64"),
        (["--game", "web", "--format", "obj"], "--game decides what --format does"),
        (["--game", "web", "--draco"], "--game decides what --draco does"),
        (["--game", "web", "--to", "x.glb"], "writes a folder"),
        (["--game", "gamemaker"], "one of unity, unreal, godot, web"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_line(options, words, colored, tmp_path, capsys) -> None:
    write(colored, tmp_path / "m.glb")
    try:
        assert main(["export", str(tmp_path / "m.glb"), *options]) == 2
    except SystemExit as exit:
        assert exit.code == 2
    assert words in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["m.glb"]
