"""Model files as triangles of one colour each: linear light, what is cut out, every part in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.mesh.geometry.color import linear_to_srgb, srgb_to_linear
from dreamlab.mesh.io.load import load, load_flat
from dreamlab.mesh.io.parts import LEAST_ALPHA, Part, flattened

TRIANGLE = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
UV = np.array([[0.1, 0.1], [0.4, 0.1], [0.1, 0.4]])
FACE = np.array([[0, 1, 2]])


def part(**colors: Any) -> Part:
    return Part(TRIANGLE, FACE, uv=UV, **colors)


def glb(path: Path, *parts: tuple[np.ndarray, PBRMaterial]) -> Path:
    """Written by trimesh: triangles with a material each, the further ones two to the right."""
    scene = trimesh.Scene()
    for i, (uv, material) in enumerate(parts):
        mesh = trimesh.Trimesh(TRIANGLE, FACE, visual=TextureVisuals(uv, material=material), process=False)
        scene.add_geometry(mesh, transform=trimesh.transformations.translation_matrix([2.0 * i, 0, 0]))
    scene.export(path)
    return path


def test_a_face_has_the_mean_of_its_corners_in_linear_light_times_the_factor() -> None:
    corners = np.array([[0.0, 0.3, 0.9], [0.6, 0.3, 0.0], [0.3, 0.3, 0.0]])
    mesh = flattened([part(color=corners, factor=np.array([1.0, 0.5, 0.2, 1.0]))])
    assert mesh.face_colors[0] == pytest.approx(linear_to_srgb(np.array([0.3, 0.15, 0.06])))
    assert flattened([part()]).face_colors == pytest.approx(1.0)


def test_a_texture_is_averaged_in_linear_light_and_multiplies() -> None:
    stripes = np.zeros((8, 8, 4), np.uint8)
    stripes[..., 3], stripes[:, :, 0], stripes[:, 4:, 1] = 255, 128, 255
    across = np.array([[0.0, 0.5], [0.999, 0.4], [0.999, 0.6]])  # three of four samples lie in the right half
    uvs = Part(TRIANGLE, FACE, uv=across, albedo=stripes, color=np.full((3, 3), 0.5))
    red = 0.5 * srgb_to_linear(np.array(128 / 255))
    assert flattened([uvs]).face_colors[0] == pytest.approx(linear_to_srgb(np.array([red, 0.375, 0.0])))


@pytest.mark.parametrize(("alpha", "opaque", "kept"), [(0.3, False, 0), (0.5, False, 1), (0.1, True, 1)])
def test_what_lets_most_light_through_is_left_out_unless_its_material_is_opaque(
    alpha: float, opaque: bool, kept: int
) -> None:
    mesh = flattened([part(factor=np.array([1, 1, 1, alpha]), opaque=opaque)])
    assert len(mesh.faces) == len(mesh.face_colors) == kept


def test_cut_out_leaves_of_a_texture_are_cut_and_the_others_keep_their_corners(tmp_path: Path) -> None:
    pixels = np.full((16, 16, 4), 255, np.uint8)
    pixels[:, 8:, 3] = 0  # the right half is no leaf
    image = Image.fromarray(pixels)
    leaf = PBRMaterial(baseColorTexture=image, alphaMode="MASK", baseColorFactor=[0.0, 1.0, 0.0, 1.0])
    solid = PBRMaterial(baseColorTexture=image, baseColorFactor=[1.0, 0.0, 0.0, 1.0])
    hole = UV + np.array([0.5, 0.0])
    mesh = load_flat(glb(tmp_path / "tree.glb", (hole, leaf), (UV, leaf), (hole, solid)))
    assert mesh.face_colors == pytest.approx(np.array([[0, 1, 0], [1, 0, 0]]))
    assert mesh.vertices[mesh.faces].mean(1)[:, 0] == pytest.approx([2 + 1 / 3, 4 + 1 / 3])
    assert load(tmp_path / "tree.glb").faces.shape == (3, 3)  # a mesh to look at keeps every face


def test_alpha_of_factor_and_texture_multiply() -> None:
    veil = np.full((4, 4, 4), 255, np.uint8)
    veil[..., 3] = 153
    for factor, kept in ((0.6, 0), (0.7, 1)):  # 0.6 * 0.6 = 0.36 and 0.7 * 0.6 = 0.42
        assert (factor * 0.6 >= LEAST_ALPHA) == kept
        veiled = part(albedo=veil, factor=np.array([1, 1, 1, factor]), opaque=False)
        assert len(flattened([veiled]).faces) == kept


def test_an_obj_has_the_colours_of_its_materials_in_both_readings(tmp_path: Path) -> None:
    (tmp_path / "m.mtl").write_text("newmtl leaf\nKd 0.2 0.6 0.4\nnewmtl bark\nKd 0.4 0.2 0.0\n")
    text = "mtllib m.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nusemtl leaf\nf 1 2 3\nusemtl bark\nf 1 2 4\n"
    (tmp_path / "tree.obj").write_text(text)
    wanted = [[0.2, 0.6, 0.4], [0.4, 0.2, 0.0]]
    flat, mesh = load_flat(tmp_path / "tree.obj"), load(tmp_path / "tree.obj")
    assert sorted(flat.face_colors.round(4).tolist()) == wanted
    assert mesh.colors is not None
    assert sorted(mesh.colors[mesh.faces[:, 0]].double().numpy().round(4).tolist()) == wanted


def test_an_obj_without_colours_has_none(tmp_path: Path) -> None:
    (tmp_path / "m.mtl").write_text("newmtl plain\nKa 0 0 0\n")
    (tmp_path / "a.obj").write_text("mtllib m.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl plain\nf 1 2 3\n")
    assert load(tmp_path / "a.obj").colors is None
    assert load_flat(tmp_path / "a.obj").face_colors == pytest.approx(1.0)


def test_a_file_of_points_is_flat_and_empty_and_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\n")
    with pytest.raises((InputError, DamagedError)):
        load(tmp_path / "a.obj")
    with pytest.raises(InputError, match="a file"):
        load_flat(tmp_path / "b.obj")
    assert [len(array) for array in flattened([])] == [0, 0, 0]
