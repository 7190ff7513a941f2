"""Colours of glTF files: factors, corners and textures multiply, wherever the file has its coordinates."""

from __future__ import annotations

import json
import logging
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from dreamlab.core.types import Material, Mesh
from dreamlab.mesh.geometry.color import linear_to_srgb, srgb_to_linear, vertex_colors
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.load import load, load_flat
from tests.mesh.gltf_files import QUARTERS, UBYTE, GltfBuilder, albedo, said, square, triangle

GREY = np.full((4, 4, 3), 128, np.uint8)
MATT = {"metallicFactor": 0.0}


def surface(builder: GltfBuilder, pixels: Any = QUARTERS, **more: Any) -> dict[str, Any]:
    """A pbrMetallicRoughness with these pixels."""
    return {"baseColorTexture": {"index": builder.texture(pixels)}, **MATT, **more}


def loaded(builder: GltfBuilder, folder: Path, *primitives: dict[str, Any]) -> Mesh:
    builder.mesh(*primitives)
    return load(builder.save(folder / "m.gltf"))


def written(mesh: Mesh, folder: Path) -> dict[str, Any]:
    """The JSON of the mesh as our GLB."""
    write(mesh, folder / "out.glb")
    data = (folder / "out.glb").read_bytes()
    return json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])


# ---- what multiplies ----


def test_a_factor_multiplies_the_texture_in_linear_light(tmp_path) -> None:
    builder = GltfBuilder()
    builder.material(pbrMetallicRoughness=surface(builder, GREY, baseColorFactor=[1.0, 0.25, 0.0, 1.0]))
    mesh = loaded(builder, tmp_path, square(builder, material=0))
    green = linear_to_srgb(srgb_to_linear(np.array([128 / 255])) * 0.25)
    assert (albedo(mesh) == [128, round(float(green[0]) * 255), 0]).all()
    assert mesh.colors is None


def test_corner_colours_multiply_the_texture_and_stay_beside_it(tmp_path) -> None:
    builder = GltfBuilder()
    builder.material(pbrMetallicRoughness=surface(builder, GREY))
    first = square(builder, material=0)
    corners = [[1, 0, 0, 1], [0, 1, 0, 1], [1, 1, 1, 1], [0.5, 0.5, 0.5, 1]]
    first["attributes"]["COLOR_0"] = builder.rows(corners)
    mesh = loaded(builder, tmp_path, first)
    wanted = linear_to_srgb(srgb_to_linear(np.array(128 / 255)) * np.array(corners)[:, :3])
    assert (albedo(mesh) == 128).all()
    assert vertex_colors(mesh) == pytest.approx(wanted, abs=1e-6)
    back = load(write(mesh, tmp_path / "back.glb")[0])
    assert (albedo(back) == 128).all() and vertex_colors(back) == pytest.approx(wanted, abs=1e-4)


def test_one_colour_for_all_corners_is_a_factor(tmp_path) -> None:
    builder = GltfBuilder()
    builder.material(pbrMetallicRoughness=surface(builder, np.full((2, 2, 3), 255)))
    first = square(builder, material=0)
    first["attributes"]["COLOR_0"] = builder.rows([[0, 255, 0, 255]] * 4, UBYTE, normalized=True)
    mesh = loaded(builder, tmp_path, first)
    assert mesh.colors is None and (albedo(mesh) == [0, 255, 0]).all()


def test_what_is_flat_agrees_with_what_is_textured(tmp_path) -> None:
    """The two readings of one file, faces of one colour each."""
    builder = GltfBuilder()
    builder.material(
        pbrMetallicRoughness=surface(builder, GREY, baseColorFactor=[0.5, 0.2, 1.0, 1.0]),
        emissiveFactor=[0.1, 0.0, 0.0],
    )
    mesh = loaded(builder, tmp_path, square(builder, material=0))
    flat = load_flat(tmp_path / "m.gltf").face_colors
    assert flat == pytest.approx(np.tile(albedo(mesh)[0, 0] / 255, (2, 1)), abs=1 / 255)


# ---- where it is read ----


def test_a_transform_of_coordinates_is_applied_as_blender_writes_it(tmp_path) -> None:
    """Blender's mapping by 90 degrees and 0.2, as its exporter puts it: u' = 0.2 v - 0.2, v' = 1 - 0.2 u."""
    builder = GltfBuilder(extensionsRequired=["KHR_texture_transform"])
    moved = {"offset": [-0.2, 1.0], "rotation": np.pi / 2, "scale": [0.2, 0.2]}
    texture = {"index": builder.texture(QUARTERS), "extensions": {"KHR_texture_transform": moved}}
    builder.material(pbrMetallicRoughness={"baseColorTexture": texture})
    mesh = loaded(builder, tmp_path, square(builder, [[0, 0], [1, 0], [0, 1], [1, 1]], material=0))
    down = mesh.uv.double().numpy() * [1, -1] + [0, 1]
    assert down == pytest.approx(np.array([[-0.2, 1], [-0.2, 0.8], [0, 1], [0, 0.8]]), abs=1e-6)


@pytest.mark.parametrize("in_transform", [False, True])
def test_other_sets_of_coordinates_are_used(in_transform: bool, tmp_path) -> None:
    builder = GltfBuilder()
    more = {"extensions": {"KHR_texture_transform": {"texCoord": 1}}} if in_transform else {"texCoord": 1}
    builder.material(pbrMetallicRoughness={"baseColorTexture": {"index": builder.texture(QUARTERS), **more}})
    first = square(builder, [[9, 9]] * 4, material=0)
    first["attributes"]["TEXCOORD_1"] = builder.rows([[0, 1], [1, 1], [1, 0], [0, 0]])
    assert loaded(builder, tmp_path, first).uv.tolist() == [[0, 0], [1, 0], [1, 1], [0, 1]]


def test_a_normal_map_that_lies_elsewhere_is_told(tmp_path, caplog) -> None:
    builder = GltfBuilder()
    bumps = {"index": builder.texture(np.full((2, 2, 3), [128, 128, 255])), "texCoord": 1}
    builder.material(pbrMetallicRoughness=surface(builder), normalTexture=bumps)
    first = square(builder, material=0)
    first["attributes"]["TEXCOORD_1"] = first["attributes"]["TEXCOORD_0"]
    with caplog.at_level(logging.WARNING):
        assert [name for name, _ in loaded(builder, tmp_path, first).textures] == ["albedo"]
    assert said(caplog) == "m.gltf: left out: normal map, whose texture coordinates are others"


def test_a_texture_without_coordinates_is_told(tmp_path, caplog) -> None:
    builder = GltfBuilder()
    builder.material(pbrMetallicRoughness=surface(builder, baseColorFactor=[0, 1, 0, 1]))
    with caplog.at_level(logging.WARNING):
        mesh = loaded(builder, tmp_path, triangle(builder, material=0))
    assert mesh.colors[0].tolist() == [0, 1, 0] and not mesh.textures
    assert said(caplog) == "m.gltf: left out: texture without texture coordinates"


# ---- wrap ----

CODES = {"repeat": 10497, "mirror": 33648, "clamp": 33071}


@pytest.mark.parametrize("wrap_t", CODES)
@pytest.mark.parametrize("wrap_s", CODES)
def test_the_wrap_of_a_file_is_kept_from_glb_to_glb(wrap_s: str, wrap_t: str, tmp_path) -> None:
    builder = GltfBuilder()
    sampler = {"wrapS": CODES[wrap_s], "wrapT": CODES[wrap_t], "magFilter": 9728}
    texture = {"baseColorTexture": {"index": builder.texture(QUARTERS, sampler)}}
    builder.material(pbrMetallicRoughness=texture)
    mesh = loaded(builder, tmp_path, square(builder, material=0))
    assert mesh.material.wrap == (wrap_s, wrap_t) and mesh.material.nearest
    kept = written(mesh, tmp_path)["samplers"][0]
    assert {name: kept[name] for name in sampler} == sampler
    assert load(tmp_path / "out.glb").material == mesh.material


def test_without_a_sampler_textures_repeat(tmp_path) -> None:
    builder = GltfBuilder()
    builder.material(pbrMetallicRoughness=surface(builder))
    mesh = loaded(builder, tmp_path, square(builder, material=0))
    assert mesh.material == Material(wrap=("repeat", "repeat"))


def test_our_own_textures_clamp_since_their_charts_never_wrap(textured, tmp_path) -> None:
    sampler = {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}
    document = written(textured, tmp_path)
    assert document["samplers"] == [sampler]
    assert document["materials"][0]["pbrMetallicRoughness"]["metallicFactor"] == 0
    assert load(tmp_path / "out.glb").material == Material()


# ---- alpha, emission, metal ----


def test_what_cuts_out_is_kept_in_glb_and_said_of_the_rest(tmp_path, caplog) -> None:
    pixels = np.full((4, 4, 4), 255, np.uint8)
    pixels[:, 2:, 3] = 0
    builder = GltfBuilder()
    builder.material(
        alphaMode="MASK", alphaCutoff=0.25, doubleSided=True, pbrMetallicRoughness=surface(builder, pixels)
    )
    with caplog.at_level(logging.WARNING):
        mesh = loaded(builder, tmp_path, square(builder, material=0))
    assert said(caplog) == "m.gltf: left out: transparency (but in GLB)"
    document = written(mesh, tmp_path)
    material = document["materials"][0]
    assert (material["alphaMode"], material["alphaCutoff"], material["doubleSided"]) == ("MASK", 0.25, True)
    image = trimesh.load_mesh(tmp_path / "out.glb").visual.material.baseColorTexture
    assert (np.asarray(image) == pixels).all()


@pytest.mark.parametrize(("mode", "alpha"), [("BLEND", 255), ("OPAQUE", 0), ("MASK", 255)])
def test_alpha_that_does_nothing_is_not_told_nor_written(mode: str, alpha: int, tmp_path, caplog) -> None:
    pixels = np.full((4, 4, 4), 255, np.uint8)
    pixels[..., 3] = alpha
    builder = GltfBuilder()
    builder.material(alphaMode=mode, pbrMetallicRoughness=surface(builder, pixels))
    with caplog.at_level(logging.WARNING):
        mesh = loaded(builder, tmp_path, square(builder, material=0))
    assert not caplog.records and albedo(mesh).shape == (4, 4, 3)
    assert "alphaMode" not in written(mesh, tmp_path)["materials"][0]


def test_glass_without_a_texture_becomes_solid_and_that_is_told(tmp_path, caplog) -> None:
    builder = GltfBuilder()
    builder.material(alphaMode="BLEND", pbrMetallicRoughness={"baseColorFactor": [1, 1, 1, 0.2], **MATT})
    with caplog.at_level(logging.WARNING):
        loaded(builder, tmp_path, square(builder, material=0))
    assert said(caplog) == "m.gltf: left out: transparency"


def test_glass_by_its_corners_becomes_solid_and_that_is_told(tmp_path, caplog) -> None:
    builder = GltfBuilder()
    builder.material(alphaMode="BLEND", pbrMetallicRoughness=dict(MATT))
    first = triangle(builder, material=0)
    first["attributes"]["COLOR_0"] = builder.rows([[1, 1, 1, 0.2]] * 3)
    with caplog.at_level(logging.WARNING):
        loaded(builder, tmp_path, first)
    assert said(caplog) == "m.gltf: left out: transparency of corners"


def test_what_glows_is_seen(tmp_path, caplog) -> None:
    builder = GltfBuilder()
    black = {"baseColorFactor": [0, 0, 0, 1], **MATT}
    lamp = {"index": builder.texture(QUARTERS)}
    builder.material(pbrMetallicRoughness=black, emissiveFactor=[1, 1, 1], emissiveTexture=lamp)
    with caplog.at_level(logging.WARNING):
        mesh = loaded(builder, tmp_path, square(builder, material=0))
    assert (albedo(mesh) == QUARTERS).all()
    assert "emission" in said(caplog)


def test_emission_is_added_in_linear_light_and_its_strength_multiplies(tmp_path) -> None:
    builder = GltfBuilder()
    strong = {"KHR_materials_emissive_strength": {"emissiveStrength": 3.0}}
    builder.material(
        pbrMetallicRoughness={"baseColorFactor": [0.1, 0.2, 0.9, 1], **MATT},
        emissiveFactor=[0.1, 0, 0.1],
        extensions=strong,
    )
    mesh = loaded(builder, tmp_path, triangle(builder, material=0))
    wanted = linear_to_srgb(np.array([0.4, 0.2, 1.0]))
    assert mesh.colors[0].tolist() == pytest.approx(wanted.tolist(), abs=1e-6)


def test_specular_glossiness_has_its_colours_and_the_rest_is_told(tmp_path, caplog) -> None:
    builder = GltfBuilder(extensionsUsed=["KHR_materials_pbrSpecularGlossiness"])
    glossy = {
        "diffuseTexture": {"index": builder.texture(QUARTERS)},
        "diffuseFactor": [0, 1, 1, 1],
        "glossinessFactor": 0.25,
    }
    builder.material(extensions={"KHR_materials_pbrSpecularGlossiness": glossy})
    with caplog.at_level(logging.WARNING):
        mesh = loaded(builder, tmp_path, square(builder, material=0))
    assert (albedo(mesh) == QUARTERS * [0, 1, 1]).all()
    assert (mesh.material.metallic, mesh.material.roughness) == (0, 0.75)
    assert said(caplog) == "m.gltf: left out: specular highlights"


def test_metal_and_roughness_are_kept_and_of_their_texture_the_mean(tmp_path, caplog) -> None:
    builder = GltfBuilder()
    shiny = np.zeros((2, 2, 3), np.uint8)
    shiny[0, :, 1], shiny[:, 0, 2] = 255, 255
    rough = {"metallicRoughnessTexture": {"index": builder.texture(shiny)}, "roughnessFactor": 0.5}
    builder.material(pbrMetallicRoughness=rough, occlusionTexture={"index": 0})
    with caplog.at_level(logging.WARNING):
        mesh = loaded(builder, tmp_path, square(builder, material=0))
    assert (mesh.material.metallic, mesh.material.roughness) == (0.5, 0.25)
    kept = written(mesh, tmp_path)["materials"][0]["pbrMetallicRoughness"]
    assert (kept["metallicFactor"], kept["roughnessFactor"]) == (0.5, 0.25)
    line = "m.gltf: left out: metallic-roughness texture (its mean is kept), occlusion texture"
    assert said(caplog) == line


def test_all_that_a_file_says_beside_its_meshes_is_told_in_one_line(tmp_path, caplog) -> None:
    builder = GltfBuilder(animations=[{}], cameras=[{}], extensions={"KHR_lights_punctual": {"lights": []}})
    coat = {"KHR_materials_clearcoat": {"clearcoatFactor": 1}}
    builder.material(extensions=coat)
    with caplog.at_level(logging.WARNING):
        loaded(builder, tmp_path, triangle(builder, material=0))
    assert said(caplog) == "m.gltf: left out: KHR_materials_clearcoat, animation, cameras, lights"
