"""Triangles of glTF files, however they are told: strips, copies, poses, what is sparse or compressed."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.topology import face_normals
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.load import load, load_flat
from dreamlab.mesh.surface.clean import solidity
from tests.mesh.gltf_files import FLOAT, UBYTE, USHORT, GltfBuilder, cube, saved, triangle

QUARTER = [0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)]  # a turn of 90 degrees about z, as glTF writes it


def bounds(mesh: Mesh) -> list[list[float]]:
    used = mesh.vertices[mesh.faces.unique()]
    return [used.amin(0).round(decimals=4).tolist(), used.amax(0).round(decimals=4).tolist()]


# ---- ways to tell triangles ----


@pytest.mark.parametrize("mode", [5, 6])
@pytest.mark.parametrize("count", [3, 4, 7])
def test_strips_and_fans_are_the_triangles_that_trimesh_reads(mode: int, count: int, tmp_path) -> None:
    around = np.linspace(0, np.pi, count)
    ring = np.stack([np.cos(around), np.sin(around), 0 * around], 1)
    zigzag = np.array([[k // 2, k % 2, 0] for k in range(count)])
    builder = GltfBuilder()
    builder.mesh({"attributes": {"POSITION": builder.rows(zigzag if mode == 5 else ring)}, "mode": mode})
    mesh = load(saved(builder, tmp_path))
    other = trimesh.load_mesh(tmp_path / "m.gltf", process=False)
    normals, area = face_normals(mesh.vertices.double().numpy(), mesh.faces.numpy())
    assert len(mesh.faces) == count - 2
    if mode == 5:  # trimesh 5.2 reads fans as strips
        assert area.sum() == pytest.approx(other.area)
        assert np.abs(normals - [0, 0, -1]).max() < 1e-6 and np.allclose(other.face_normals, normals)
    else:
        assert area.sum() == pytest.approx(0.5 * (count - 1) * np.sin(np.pi / (count - 1)), rel=1e-5)
        assert np.abs(normals - [0, 0, 1]).max() < 1e-6


def test_a_strip_is_sewn_together_with_triangles_that_are_not_there(tmp_path) -> None:
    builder = GltfBuilder()
    corners = builder.rows([[x, y, 0] for x in (0, 1, 5, 6) for y in (0, 1)])
    index = builder.rows([0, 1, 2, 3, 3, 4, 4, 5, 6, 7], USHORT)
    builder.mesh({"attributes": {"POSITION": corners}, "indices": index, "mode": 5})
    assert sorted(map(sorted, load_flat(saved(builder, tmp_path)).faces.tolist())) == [
        [0, 1, 2],
        [1, 2, 3],
        [4, 5, 6],
        [5, 6, 7],
    ]


def test_points_and_lines_beside_triangles_are_told(tmp_path, caplog) -> None:
    builder = GltfBuilder()
    first = triangle(builder)
    builder.mesh(first, {**first, "mode": 1})
    with caplog.at_level(logging.WARNING):
        assert len(load(saved(builder, tmp_path)).faces) == 1
    assert [r.getMessage() for r in caplog.records] == ["m.gltf: left out: points and lines"]


def test_corners_that_make_no_whole_triangle_are_left_over(tmp_path) -> None:
    builder = GltfBuilder()
    builder.mesh({**triangle(builder), "indices": builder.rows([0, 1, 2, 0, 1], USHORT)})
    assert load_flat(saved(builder, tmp_path)).faces.tolist() == [[0, 1, 2]]


# ---- normals ----


def test_without_normals_every_face_is_flat_and_with_them_it_is_as_they_say(tmp_path) -> None:
    builder, smooth = GltfBuilder(), GltfBuilder()
    builder.mesh(cube(builder))
    smooth.mesh(cube(smooth, normals=True))
    flat, round_ = load(saved(builder, tmp_path)), load(saved(smooth, tmp_path, "n.gltf"))
    own = face_normals(flat.vertices.double().numpy(), flat.faces.numpy())[0]
    assert np.abs(flat.normals.numpy()[flat.faces.numpy()] - own[:, None]).max() < 1e-6
    assert solidity(flat).watertight and solidity(flat).volume == pytest.approx(8)
    assert torch.allclose(round_.normals, round_.vertices / 3**0.5) and len(round_.vertices) == 8
    write(flat, tmp_path / "back.glb")
    assert torch.allclose(load(tmp_path / "back.glb").normals, flat.normals, atol=1e-6)


@pytest.mark.parametrize("scale", [[2, 3, 4], [-1, 1, 1], [1, -2, -3], [1e-7, 1e-7, 1e-7], [1, 1, 0]])
def test_normals_stay_at_right_angles_whatever_a_node_does(scale: list[float], tmp_path) -> None:
    """Mirrored, stretched or pressed flat; and a mirrored cube is no cube turned inside out."""
    builder = GltfBuilder()
    builder.mesh(triangle(builder))
    builder.json["nodes"] = [{"mesh": 0, "scale": scale, "rotation": QUARTER}]
    mesh = load(saved(builder, tmp_path))
    facing = face_normals(mesh.vertices.double().numpy() / abs(scale[0]), mesh.faces.numpy())[0]
    assert np.allclose(mesh.normals.numpy(), facing[0], atol=1e-6)


# ---- nodes ----


def test_a_node_of_scale_zero_hides_itself_alone(tmp_path) -> None:
    builder = GltfBuilder()
    builder.mesh(cube(builder))
    hidden = [{"mesh": 0, "scale": [0, 0, 0], "translation": [9, 9, 9]}, {"mesh": 0, "scale": [1, 0, 0]}]
    builder.json["nodes"] = [{"mesh": 0}, *hidden, {"mesh": 0, "translation": [5, 0, 0], "scale": [1, 1, 0]}]
    mesh = load(saved(builder, tmp_path))
    assert len(mesh.faces) == 24 and bounds(mesh) == [[-1, -1, -1], [6, 1, 1]]


def test_what_is_marked_as_hidden_is_not_shown_nor_is_what_hangs_below_it(tmp_path) -> None:
    builder = GltfBuilder()
    builder.mesh(triangle(builder))
    hidden = {"extensions": {"KHR_node_visibility": {"visible": False}}}
    builder.json["nodes"] = [{"mesh": 0}, {"mesh": 0, "children": [2], **hidden}, {"mesh": 0}]
    assert len(load(saved(builder, tmp_path)).faces) == 1


def test_without_scenes_each_node_is_shown_once(tmp_path) -> None:
    builder = GltfBuilder(scenes=[])
    builder.mesh(triangle(builder))
    parent = {"children": [0], "translation": [0, 5, 0]}
    builder.json["nodes"] = [{"mesh": 0, "translation": [3, 0, 0]}, parent]
    mesh = load(saved(builder, tmp_path))
    assert len(mesh.faces) == 1 and bounds(mesh) == [[3, 5, 0], [4, 6, 0]]


def test_deep_skeletons_are_no_rings(tmp_path) -> None:
    builder = GltfBuilder()
    builder.mesh(triangle(builder))
    chain = [{"children": [k + 1], "translation": [0, 0, 1]} for k in range(300)]
    builder.json["nodes"] = [*chain, {"mesh": 0}]
    assert bounds(load(saved(builder, tmp_path))) == [[0, 0, 300], [1, 1, 300]]


def test_instances_are_all_there_each_where_it_is(tmp_path) -> None:
    builder = GltfBuilder(extensionsRequired=["EXT_mesh_gpu_instancing"])
    builder.mesh(cube(builder))
    attributes = {
        "TRANSLATION": builder.rows([[0, 0, 0], [10, 0, 0], [20, 0, 0]]),
        "ROTATION": builder.rows([[0, 0, 0, 1], QUARTER, [0, 0, 0, 1]]),
        "SCALE": builder.rows([[1, 1, 1], [3, 1, 1], [0, 0, 0]]),
    }
    spec = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
    builder.json["nodes"] = [{"mesh": 0, "translation": [0, 7, 0], "extensions": spec}]
    mesh = load(saved(builder, tmp_path))
    assert len(mesh.faces) == 24  # the third has no size
    second = mesh.vertices[mesh.vertices[:, 0] > 5]
    assert second.amin(0).tolist() == pytest.approx([9, 4, -1]) and second.amax(0).tolist() == pytest.approx(
        [11, 10, 1]
    )


# ---- skins and morph targets ----


def skinned(builder: GltfBuilder, **node) -> None:
    """A triangle bound half to a joint at rest and half to one that is moved by (0, 6, 0); its third corner
    to the second alone, with weights that are no shares of one."""
    primitive = triangle(builder)
    primitive["attributes"] |= {
        "JOINTS_0": builder.rows([[0, 1, 0, 0]] * 3, UBYTE),
        "WEIGHTS_0": builder.rows([[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 3, 0, 0]]),
    }
    builder.mesh(primitive)
    inverse = [np.eye(4), np.eye(4)]
    inverse[1] = inverse[1].copy()
    inverse[1][:3, 3] = [-1, 0, 0]  # bound at x = 1
    columns = builder.rows([m.T.reshape(16) for m in inverse])
    builder.json["skins"] = [{"joints": [1, 2], "inverseBindMatrices": columns}]
    joints = [{"translation": [0, 0, 0]}, {"translation": [1, 6, 0]}]
    builder.json["nodes"] = [{"mesh": 0, "skin": 0, **node}, *joints]


@pytest.mark.parametrize("node", [{}, {"scale": [100, 100, 100]}, {"scale": [0, 0, 0]}])
def test_a_skin_is_posed_by_its_joints_and_not_by_its_node(node: dict, tmp_path) -> None:
    builder = GltfBuilder()
    skinned(builder, **node)
    assert load(saved(builder, tmp_path)).vertices.tolist() == [[0, 3, 0], [1, 3, 0], [0, 7, 0]]


def test_a_joint_that_turns_turns_normals_too(tmp_path) -> None:
    builder = GltfBuilder()
    skinned(builder)
    turn = {"rotation": [0, np.sqrt(0.5), 0, np.sqrt(0.5)]}  # a quarter about y: +z becomes +x
    builder.json["nodes"] = [builder.json["nodes"][0], turn, turn]
    mesh = load(saved(builder, tmp_path))
    assert torch.allclose(mesh.normals, torch.tensor([1.0, 0, 0]).expand(3, 3), atol=1e-6)


def test_morph_targets_count_by_the_meshs_weights_and_the_nodes_come_first(tmp_path) -> None:
    builder = GltfBuilder()
    primitive = triangle(builder)
    primitive["targets"] = [
        {"POSITION": builder.rows([[0, 0, 8]] * 3)},
        {"POSITION": builder.sparse(3, [2], [[0, 5, 0]])},
    ]
    builder.mesh(primitive, weights=[0.25, 0.0])
    builder.json["nodes"] = [{"mesh": 0}, {"mesh": 0, "weights": [0.0, 1.0], "translation": [7, 0, 0]}]
    mesh = load(saved(builder, tmp_path))
    assert mesh.vertices.tolist() == [[0, 0, 2], [1, 0, 2], [0, 1, 2], [7, 0, 0], [8, 0, 0], [7, 6, 0]]


# ---- accessors ----


def test_sparse_rows_replace_those_of_their_view(tmp_path) -> None:
    builder = GltfBuilder()
    primitive = triangle(builder)
    view = builder.json["accessors"][primitive["attributes"]["POSITION"]]["bufferView"]
    primitive["attributes"]["POSITION"] = builder.sparse(3, [0], [[-9, 0, 0]], bufferView=view)
    builder.mesh(primitive)
    assert load(saved(builder, tmp_path)).vertices.tolist() == [[-9, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_quantised_positions_are_numbers_or_shares_as_they_say(tmp_path) -> None:
    builder = GltfBuilder(extensionsRequired=["KHR_mesh_quantization"])
    corners = [[0, 0, 0], [32767, 0, 0], [0, -32767, 0]]
    for normalized in (True, False):
        builder.mesh({"attributes": {"POSITION": builder.rows(corners, np.int16, normalized=normalized)}})
    builder.json["nodes"] = [{"mesh": 0}, {"mesh": 1, "scale": [1 / 32767] * 3, "translation": [0, 0, 4]}]
    mesh = load(saved(builder, tmp_path))
    assert bounds(mesh) == [[0, -1, 0], [1, 0, 4]]


def test_rows_that_lie_among_others_are_found_by_their_stride(tmp_path) -> None:
    builder = GltfBuilder()
    rows = np.zeros((3, 6), FLOAT)
    rows[:, :3], rows[:, 3:] = [[0, 0, 0], [2, 0, 0], [0, 2, 0]], 77
    view = builder.view(rows.tobytes(), byteStride=24)
    accessor = {"bufferView": view, "componentType": 5126, "count": 3, "type": "VEC3"}
    builder.json["accessors"].append(accessor)
    builder.mesh({"attributes": {"POSITION": 0}})
    assert bounds(load(saved(builder, tmp_path))) == [[0, 0, 0], [2, 2, 0]]
