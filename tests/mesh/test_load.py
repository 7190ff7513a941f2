from __future__ import annotations

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.core.errors import DamagedError, InputError, UnavailableError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import vertex_colors
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.load import load
from dreamlab.mesh.surface.clean import solidity

COLORED = ["glb", "obj", "ply"]
RED = [0.8, 0.1, 0.1]


@pytest.mark.parametrize("kind", ["glb", "obj", "ply", "stl", "3mf"])
@pytest.mark.parametrize("which", ["colored", "textured"])
def test_what_was_written_comes_back(kind: str, which: str, request, tmp_path) -> None:
    mesh = request.getfixturevalue(which)
    path = tmp_path / f"a ball 🍄.{kind}"
    write(mesh, path)
    back = load(path)
    assert solidity(back).watertight
    assert solidity(back).volume == pytest.approx(solidity(mesh).volume, rel=1e-4)
    assert torch.allclose(back.vertices.amin(0), mesh.vertices.amin(0), atol=1e-4)
    assert torch.allclose(back.vertices.amax(0), mesh.vertices.amax(0), atol=1e-4)
    assert back.normals is not None
    out = (back.normals * back.vertices).sum(-1)[back.faces] > 0
    corners = back.vertices[back.faces]
    area = (corners[:, 1] - corners[:, 0]).cross(corners[:, 2] - corners[:, 0], dim=-1).norm(dim=-1)
    assert area[~out.all(1)].sum() < 1e-3 * area.sum()  # flat slivers may look anywhere


@pytest.mark.parametrize("source", ["glb", "obj", "ply", "stl", "3mf", "off"])
@pytest.mark.parametrize("target", ["glb", "obj", "ply", "stl", "3mf", "usdz", "splat.ply"])
def test_any_format_becomes_any_other(source: str, target: str, colored, tmp_path) -> None:
    """With the same size and the same side up, and colours where the source has them."""
    if target == "usdz":
        pytest.importorskip("pxr", reason="usd-core is not installed: USDZ is not tested")
    tall = replace(colored, vertices=colored.vertices * torch.tensor([0.2, 1.0, 0.5]), normals=None)
    if source == "off":
        trimesh.Trimesh(tall.vertices, tall.faces, process=False).export(tmp_path / "one.off")
    else:
        write(tall, tmp_path / f"one.{source}")
    write(load(tmp_path / f"one.{source}"), tmp_path / f"two.{target}")
    if target in ("usdz", "splat.ply"):  # which are read by others: see test_export
        assert (tmp_path / f"two.{target}").stat().st_size > 10_000
        return
    back = load(tmp_path / f"two.{target}")
    assert len(back.faces) == len(tall.faces)
    extent = back.vertices.amax(0) - back.vertices.amin(0)
    assert torch.allclose(extent, tall.vertices.amax(0) - tall.vertices.amin(0), atol=1e-4)
    if {source, target} <= set(COLORED):
        assert np.abs(np.median(vertex_colors(back)[back.vertices[:, 0] > 0.02], 0) - RED).max() < 0.015


@pytest.mark.parametrize("kind", COLORED)
@pytest.mark.parametrize("which", ["colored", "textured"])
def test_colours_survive_the_round_trip(kind: str, which: str, request, tmp_path) -> None:
    mesh = request.getfixturevalue(which)
    write(mesh, tmp_path / f"m.{kind}")
    back = load(tmp_path / f"m.{kind}")
    colors = vertex_colors(back)
    right, left = back.vertices[:, 0] > 0.1, back.vertices[:, 0] < -0.1
    assert np.abs(np.median(colors[right], 0) - [0.8, 0.1, 0.1]).max() < 0.015
    assert np.abs(np.median(colors[left], 0) - [0.05, 0.3, 0.05]).max() < 0.015


def test_glb_comes_back_with_both_textures_to_the_bit(textured, tmp_path) -> None:
    write(textured, tmp_path / "m.glb")
    back = load(tmp_path / "m.glb")
    assert [name for name, _ in back.textures] == ["albedo", "normal"]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(back.textures, textured.textures, strict=True))
    assert torch.equal(back.faces, textured.faces)
    assert torch.allclose(back.uv, textured.uv, atol=1e-6)


def test_exporting_what_was_loaded_gives_the_same_glb(colored, tmp_path) -> None:
    write(colored, tmp_path / "m.glb")
    write(load(tmp_path / "m.glb"), tmp_path / "n.glb")
    one, two = load(tmp_path / "m.glb"), load(tmp_path / "n.glb")
    assert torch.equal(one.vertices, two.vertices) and torch.allclose(one.colors, two.colors, atol=1e-4)


def test_trimeshs_own_glb_with_transforms_is_read(tmp_path) -> None:
    scene = trimesh.Scene()
    turn = trimesh.transformations.rotation_matrix(0.7, (1, 2, 3), (0.1, 0, 0))
    for k, color in enumerate(([255, 0, 0, 255], [0, 0, 255, 255])):
        box = trimesh.creation.box((0.2, 0.4, 0.6))
        box.visual.vertex_colors = color
        scene.add_geometry(box, transform=trimesh.transformations.translation_matrix((k, 0, 0)) @ turn)
    scene.export(tmp_path / "m.glb")
    back = load(tmp_path / "m.glb")
    whole = scene.to_geometry()
    assert np.allclose(np.stack([back.vertices.amin(0), back.vertices.amax(0)]), whole.bounds, atol=1e-5)
    assert solidity(back).volume == pytest.approx(whole.volume, rel=1e-5)
    near = back.vertices[:, 0] < 0.5
    assert back.colors[near].mean(0).tolist() == pytest.approx([1, 0, 0], abs=1e-5)


def test_obj_from_elsewhere_with_polygons(tmp_path) -> None:
    (tmp_path / "m.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n")
    assert len(load(tmp_path / "m.obj").faces) == 2


# ---- bad input ----


def test_files_that_are_not_there_or_not_meshes(tmp_path) -> None:
    with pytest.raises(InputError, match="nothing there"):
        load(tmp_path / "m.glb")
    with pytest.raises(InputError, match="a folder"):
        load(tmp_path)
    (tmp_path / "m.blend").write_bytes(b"x")
    with pytest.raises(InputError, match=r"\.glb"):
        load(tmp_path / "m.blend")


@pytest.mark.parametrize("kind", ["glb", "gltf", "obj", "ply", "stl", "3mf", "off"])
@pytest.mark.parametrize("data", [b"", b"\x00\xff\x13rubbish" * 40], ids=["empty", "noise"])
def test_rubbish_is_refused_with_a_plain_line(kind: str, data: bytes, tmp_path) -> None:
    (tmp_path / f"m.{kind}").write_bytes(data)
    with pytest.raises((DamagedError, InputError)) as caught:
        load(tmp_path / f"m.{kind}")
    assert f"m.{kind}" in str(caught.value) and "Traceback" not in str(caught.value)


@pytest.mark.parametrize("kind", ["glb", "ply", "stl", "3mf"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_files_that_were_cut_off_are_damaged(kind: str, share: float, colored, tmp_path) -> None:
    write(colored, tmp_path / f"m.{kind}")
    data = (tmp_path / f"m.{kind}").read_bytes()
    (tmp_path / f"m.{kind}").write_bytes(data[: int(len(data) * share)])
    with pytest.raises((DamagedError, InputError), match=f"m.{kind}"):
        load(tmp_path / f"m.{kind}")


def test_a_changed_glb_never_gives_a_traceback(colored, tmp_path) -> None:
    """Whatever single bytes change, the mesh loads or a DreamlabError tells why not."""
    write(colored, tmp_path / "m.glb")
    data = (tmp_path / "m.glb").read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        changed = bytearray(data)
        for at in generator.integers(0, 2000, 3):
            changed[at] = generator.integers(0, 256)
        (tmp_path / "n.glb").write_bytes(changed)
        try:
            load(tmp_path / "n.glb")
        except (DamagedError, InputError, UnavailableError):
            refused += 1
    assert refused > 10


def test_points_without_faces_are_refused(tmp_path) -> None:
    trimesh.PointCloud(np.random.default_rng(0).random((10, 3))).export(tmp_path / "m.ply")
    with pytest.raises(InputError, match="no triangles"):
        load(tmp_path / "m.ply")
    (tmp_path / "m.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\n")
    with pytest.raises((InputError, DamagedError)):
        load(tmp_path / "m.obj")


def gltf(tmp_path, **changes) -> None:
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
            {"bufferView": 0, "componentType": 5125, "count": 3, "type": "SCALAR", "byteOffset": 36},
        ],
        "bufferViews": [{"buffer": 0, "byteLength": 48}],
        "buffers": [{"byteLength": 48, "uri": "data%20file.bin"}],
        **changes,
    }
    (tmp_path / "m.gltf").write_text(json.dumps(document))
    (tmp_path / "data file.bin").write_bytes(struct.pack("<9f3I", 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 2))


def test_gltf_with_its_buffer_beside_it(tmp_path) -> None:
    gltf(tmp_path)
    mesh = load(tmp_path / "m.gltf")
    assert mesh.faces.tolist() == [[0, 1, 2]] and mesh.vertices[2].tolist() == [0, 1, 0]


def test_gltf_cannot_reach_outside_its_folder(tmp_path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(48))
    (tmp_path / "inner").mkdir()
    gltf(tmp_path / "inner", buffers=[{"byteLength": 48, "uri": "../secret.bin"}])
    with pytest.raises(InputError, match="not beside it"):
        load(tmp_path / "inner" / "m.gltf")


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": [{"mesh": 0, "children": [0]}]},
        {"bufferViews": [{"buffer": 0, "byteOffset": 40, "byteLength": 48}]},
        {"meshes": []},
        {"scenes": [{"nodes": [7]}]},
    ],
)
def test_gltf_that_contradicts_itself_is_damaged(tmp_path, changes) -> None:
    gltf(tmp_path, **changes)
    with pytest.raises(DamagedError, match=r"m\.gltf"):
        load(tmp_path / "m.gltf")


def test_faces_that_name_missing_corners_are_damage(tmp_path) -> None:
    gltf(tmp_path)
    (tmp_path / "data file.bin").write_bytes(struct.pack("<9f3I", 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 9))
    with pytest.raises(DamagedError, match="not there"):
        load(tmp_path / "m.gltf")


def test_nan_corners_are_damage(tmp_path) -> None:
    mesh = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, torch.nan]]), torch.tensor([[0, 1, 2]]))
    gltf(tmp_path)
    (tmp_path / "data file.bin").write_bytes(mesh.vertices.numpy().tobytes() + struct.pack("<3I", 0, 1, 2))
    with pytest.raises(DamagedError, match="not finite"):
        load(tmp_path / "m.gltf")
