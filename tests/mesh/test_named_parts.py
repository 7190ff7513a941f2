from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from finish import finished
from pydantic import ValidationError
from scipy.spatial import KDTree

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import srgb_to_linear
from dreamlab.mesh.geometry.named_parts import NamedParts, materials_of, split_parts
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.load import load
from dreamlab.mesh.texture.palette import PaletteConfig
from dreamlab.stages import ExtractStageConfig, TextureStageConfig
from tests.mesh.analytic import Solid, sphere

NAMES = ("green", "red")


@pytest.fixture
def labels(cut: Mesh) -> np.ndarray:
    return (cut.colors[cut.faces[:, 0], 0] > 0.5).long().numpy()


def document(path: Path) -> dict:
    data = path.read_bytes()
    return json.loads(data[20 : 20 + struct.unpack("<I", data[12:16])[0]])


def two_balls() -> tuple[Mesh, np.ndarray]:
    """A large and a small ball of one colour, and one between of another, with all corners doubled."""
    balls = [trimesh.creation.icosphere(1, radius) for radius in (0.1, 0.5, 0.3)]
    corners = np.concatenate([ball.triangles + np.array([2.0 * i, 0, 0]) for i, ball in enumerate(balls)])
    count = [len(ball.faces) for ball in balls]
    vertices = torch.from_numpy(corners.reshape(-1, 3)).float()
    colors = torch.eye(3)[torch.tensor([0, 0, 1]).repeat_interleave(torch.tensor(count) * 3)]
    mesh = Mesh(vertices, torch.arange(len(vertices)).reshape(-1, 3), colors=colors)
    return mesh, np.repeat([0, 0, 1], count)


def test_connected_pieces_of_one_material_are_meshes_the_largest_first() -> None:
    mesh, labels = two_balls()
    pieces = split_parts(mesh, NamedParts(labels, ("red", "green"), "meshes"))
    assert [(piece.name, piece.material) for piece in pieces] == [
        ("red-1", "red"), ("red-2", "red"), ("green", "green"),
    ]  # fmt: skip
    middles = [float(piece.mesh.vertices[:, 0].mean().round()) for piece in pieces]
    assert middles == [2, 0, 4]
    assert sum(len(piece.mesh.faces) for piece in pieces) == len(mesh.faces)


def test_a_name_that_no_face_has_makes_no_part() -> None:
    mesh, labels = two_balls()
    for kind in ("materials", "meshes"):
        pieces = split_parts(mesh, NamedParts(labels, ("a", "b", "c"), kind))
        assert {piece.material for piece in pieces} == {"a", "b"}


def test_a_material_has_a_colour_only_if_its_corners_have_one() -> None:
    mesh, labels = two_balls()
    mixed = replace(mesh, colors=mesh.colors.clone())
    mixed.colors[0] = 0.5
    found = materials_of(split_parts(mixed, NamedParts(labels, ("red", "green"), "meshes")))
    assert found["red"] is None and found["green"].tolist() == [0, 1, 0]


@pytest.mark.parametrize("kind", ["materials", "meshes"])
def test_glb_has_named_materials_in_linear_light_and_no_corner_colours(kind, cut, labels, tmp_path) -> None:
    write(cut, tmp_path / "m.glb", parts=NamedParts(labels, NAMES, kind))
    told = document(tmp_path / "m.glb")
    assert [material["name"] for material in told["materials"]] == ["m.green", "m.red"]
    factor = told["materials"][1]["pbrMetallicRoughness"]["baseColorFactor"]
    red = cut.colors[cut.faces[labels == 1][0, 0]].double().numpy()
    assert np.allclose(factor[:3], srgb_to_linear(red), atol=1e-5)
    primitives = [p for m in told["meshes"] for p in m["primitives"]]
    assert len(primitives) == 2 and not any("COLOR_0" in p["attributes"] for p in primitives)
    assert [node["name"] for node in told["nodes"]] == (
        ["m"] if kind == "materials" else ["m-green", "m-red"]
    )


@pytest.mark.parametrize("suffix", ["glb", "obj"])
@pytest.mark.parametrize("kind", ["materials", "meshes"])
def test_parts_read_back_as_the_whole_in_its_colours(suffix, kind, cut, labels, tmp_path) -> None:
    write(cut, tmp_path / f"m.{suffix}", parts=NamedParts(labels, NAMES, kind))
    again = load(tmp_path / f"m.{suffix}")
    assert len(again.faces) == len(cut.faces)
    middle, wanted = (mesh.vertices[mesh.faces].mean(1) for mesh in (again, cut))
    distance, near = KDTree(wanted).query(middle)
    assert distance.max() < 1e-5 and len(np.unique(near)) == len(cut.faces)
    assert (again.colors[again.faces] - cut.colors[cut.faces][near]).abs().max() < 0.01


def test_obj_materials_have_the_colours_where_all_have_one_else_corners_do(cut, labels, tmp_path) -> None:
    write(cut, tmp_path / "flat.obj", parts=NamedParts(labels, NAMES))
    lines = (tmp_path / "flat.obj").read_text().splitlines()
    assert [line for line in lines if line.startswith("usemtl")] == ["usemtl flat.green", "usemtl flat.red"]
    assert all(len(line.split()) == 4 for line in lines if line.startswith("v "))
    assert "Kd 1 1 1" not in (tmp_path / "flat.mtl").read_text()

    mixed = replace(cut, colors=cut.colors.clone())
    mixed.colors[0] = 0.5
    write(mixed, tmp_path / "mixed.obj", parts=NamedParts(labels, NAMES))
    lines = (tmp_path / "mixed.obj").read_text().splitlines()
    assert all(len(line.split()) == 7 for line in lines if line.startswith("v "))
    assert (tmp_path / "mixed.mtl").read_text().count("Kd 1 1 1") == 2


# ---- the stage ----


def halves(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x[:, 1:2] > 0, torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.95, 0.95, 0.95]))


def test_parts_are_flat_colours_of_the_palette() -> None:
    how = TextureStageConfig(
        into="vertices", parts="materials", palette=PaletteConfig(mode="on"), recolor={"red": "navy"}
    )
    mesh, _ = finished(Solid(sphere(0.6), rgb=halves), ExtractStageConfig(resolution=32), how)
    assert len(mesh.colors.unique(dim=0)) == 2
    assert ((mesh.colors - torch.tensor([0, 0, 128 / 255])).abs().max(1).values < 1e-3).any()


def test_parts_of_an_object_without_a_palette_are_refused() -> None:
    how = TextureStageConfig(into="vertices", parts="meshes")
    with pytest.raises(InputError, match=r"no palette.*--palette on"):
        finished(Solid(sphere(0.6), rgb=halves), ExtractStageConfig(resolution=32), how)


def test_parts_beside_an_image_are_refused() -> None:
    with pytest.raises(ValidationError, match="into: vertices or faces"):
        TextureStageConfig(parts="materials")
