"""Pictures in glTF files: which are read, how large they may be, and what is left where one is not."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import linear_to_srgb, srgb_to_linear
from dreamlab.mesh.io import images
from dreamlab.mesh.io.images import decode_image
from dreamlab.mesh.io.load import load, load_flat
from tests.mesh.gltf_files import QUARTERS, GltfBuilder, albedo, encoded, said, square


def loaded(builder: GltfBuilder, folder: Path, *primitives: dict[str, Any]) -> Mesh:
    builder.mesh(*primitives)
    return load(builder.save(folder / "m.gltf"))


def test_a_lamp_texture_of_another_size_is_added_texel_by_texel() -> None:
    base, lamp = np.zeros((4, 4, 4), np.uint8), np.zeros((2, 2, 4), np.uint8)
    base[..., 3], base[..., 0], lamp[:, 1, 1] = 77, 128, 255
    out = images.lit(base, np.array([0.5, 1, 1]), lamp, np.array([0.0, 1.0, 0.0]))
    red = linear_to_srgb(srgb_to_linear(np.array([128 / 255])) / 2) * 255
    assert (out[..., 0] == round(float(red[0]))).all() and (out[..., 3] == 77).all()
    assert (out[:, 3, 1] == 255).all() and (out[:, 0, 1] == 0).all()


@pytest.mark.parametrize("fallback", [False, True])
def test_webp_is_read_as_trimesh_reads_it(fallback: bool, tmp_path) -> None:
    pixels = np.kron(QUARTERS, np.ones((8, 8, 1), np.uint8))
    builder = GltfBuilder(extensionsUsed=["EXT_texture_webp"])
    spec: dict[str, Any] = {"extensions": {"EXT_texture_webp": {"source": 0}}}
    builder.image(encoded(pixels, "WEBP", lossless=True))
    if fallback:
        spec["source"] = builder.image(encoded(pixels * 0))
    builder.json["textures"] = [spec]
    builder.material(pbrMetallicRoughness={"baseColorTexture": {"index": 0}})
    mesh = loaded(builder, tmp_path, square(builder, material=0))
    other = trimesh.load_mesh(tmp_path / "m.gltf").visual.material.baseColorTexture
    assert (albedo(mesh) == pixels).all() and (np.asarray(other.convert("RGB")) == pixels).all()


def test_a_picture_that_cannot_be_read_gives_way_to_the_next(tmp_path, caplog) -> None:
    builder = GltfBuilder()
    builder.image(b"RIFF????WEBP no more")
    spec = {"extensions": {"EXT_texture_webp": {"source": 0}}, "source": builder.image(encoded(QUARTERS))}
    builder.json["textures"] = [spec]
    builder.material(pbrMetallicRoughness={"baseColorTexture": {"index": 0}})
    with caplog.at_level(logging.WARNING):
        assert (albedo(loaded(builder, tmp_path, square(builder, material=0))) == QUARTERS).all()
    assert not caplog.records


BAD_PICTURES = {
    "gone": ({"uri": "gone.png"}, "gone.png"),
    "outside": ({"uri": "../secret.png"}, "../secret.png, which is not beside it"),
    "empty": ({"uri": "data:image/png;base64,"}, "image 0 cannot be read"),
    "half": ({"uri": "half.png"}, "half.png cannot be read"),
    "postscript": ({"uri": "page.eps"}, "page.eps cannot be read"),
    "basis": ({}, "a texture in KHR_texture_basisu"),
}


@pytest.mark.parametrize("which", BAD_PICTURES)
def test_a_texture_that_cannot_be_read_leaves_the_shape(which: str, tmp_path, caplog, monkeypatch) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret.png").write_bytes(encoded(QUARTERS))
    (inner / "half.png").write_bytes(encoded(np.random.default_rng(0).integers(0, 256, (64, 64, 3)))[:3000])
    page = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    (inner / "page.eps").write_bytes(page)
    monkeypatch.setattr("subprocess.Popen", None)  # Ghostscript would be a process
    spec, word = BAD_PICTURES[which]
    builder = GltfBuilder(images=[spec])
    builder.json["textures"] = [{"source": 0}]
    if which == "basis":
        builder.json["textures"] = [{"extensions": {"KHR_texture_basisu": {"source": 0}}}]
    builder.material(pbrMetallicRoughness={"baseColorTexture": {"index": 0}, "baseColorFactor": [0, 1, 0, 1]})
    with caplog.at_level(logging.WARNING):
        mesh = loaded(builder, inner, square(builder, material=0))
    assert mesh.colors[0].tolist() == [0, 1, 0]
    assert said(caplog).startswith("m.gltf: left out: ") and word in said(caplog)
    with pytest.raises(InputError, match=r"m\.gltf"):  # where colours are learned from, that is no small loss
        load_flat(inner / "m.gltf")


def test_a_picture_beside_the_file_is_found_under_other_capitals_and_with_spaces(tmp_path) -> None:
    (tmp_path / "Wood Grain.PNG").write_bytes(encoded(QUARTERS))
    builder = GltfBuilder(images=[{"uri": "wood%20grain.png"}], textures=[{"source": 0}])
    builder.material(pbrMetallicRoughness={"baseColorTexture": {"index": 0}})
    assert (albedo(loaded(builder, tmp_path, square(builder, material=0))) == QUARTERS).all()


def test_pictures_that_have_no_colour_are_no_loss_where_only_colours_are_wanted(tmp_path, caplog) -> None:
    builder = GltfBuilder(images=[{"uri": "gone.png"}], textures=[{"source": 0}])
    rough = {"baseColorFactor": [0, 1, 0, 1], "metallicRoughnessTexture": {"index": 0}}
    builder.material(pbrMetallicRoughness=rough, normalTexture={"index": 0})
    with caplog.at_level(logging.WARNING):
        loaded(builder, tmp_path, square(builder, material=0))
    assert "gone.png, which is not beside it" in said(caplog)
    assert load_flat(tmp_path / "m.gltf").face_colors == pytest.approx(np.array([[0, 1, 0]] * 2))


def test_many_missing_pictures_are_counted_and_their_names_move_no_cursor(tmp_path, caplog) -> None:
    builder = GltfBuilder(images=[{"uri": f"\x1b[2J{k}.png"} for k in range(9)])
    builder.json["textures"] = [{"source": k} for k in range(9)]
    parts = []
    for k in range(9):
        builder.material(pbrMetallicRoughness={"baseColorTexture": {"index": k}})
        parts.append(square(builder, material=k))
    with caplog.at_level(logging.WARNING):
        loaded(builder, tmp_path, *parts)
    line = said(caplog)
    assert line.endswith("6 more pictures") and line.isprintable() and "?[2J0.png" in line


@pytest.mark.parametrize("mode", ["P", "L", "LA", "1", "I;16", "CMYK"])
def test_pictures_of_every_mode_are_as_bright_as_they_are(mode: str) -> None:
    grey = np.array([[0, 255], [255, 0]], np.uint8)
    if mode == "I;16":
        image = Image.fromarray(np.array([[0, 40000], [65535, 257]], np.uint16))
        grey = np.array([[0, 156], [255, 1]], np.uint8)
    else:
        image = Image.fromarray(grey).convert("RGB" if mode == "P" else mode)
        image = image.quantize(4) if mode == "P" else image
    out = decode_image(saved(image, "TIFF" if mode == "CMYK" else "PNG"), "x").rgba
    assert out.shape == (2, 2, 4) and (out[..., :3] == grey[..., None]).all() and (out[..., 3] == 255).all()


def saved(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def test_a_large_picture_is_halved_and_a_huge_one_is_refused_before_it_is_decoded(monkeypatch) -> None:
    monkeypatch.setattr(images, "MOST_SIDE", 8)
    pixels = np.kron(QUARTERS, np.ones((8, 8, 1), np.uint8))
    half = np.kron(QUARTERS, np.ones((4, 4, 1), np.uint8))
    unseen = np.dstack([pixels, np.zeros((16, 16), np.uint8)])  # of a solid material, say
    for rgba in (pixels, unseen):
        out, smaller = decode_image(encoded(rgba), "x")
        assert smaller == 2 and (out[..., :3] == half).all()
    monkeypatch.setattr(images, "MOST_PIXELS", 255)
    with pytest.raises(InputError, match=r"wood\.png is too large"):
        decode_image(encoded(pixels), "wood.png")


def test_that_a_picture_was_halved_is_said(tmp_path, caplog, monkeypatch) -> None:
    monkeypatch.setattr(images, "MOST_SIDE", 1)
    builder = GltfBuilder()
    builder.material(pbrMetallicRoughness={"baseColorTexture": {"index": builder.texture(QUARTERS)}})
    with caplog.at_level(logging.WARNING):
        loaded(builder, tmp_path, square(builder, material=0))
    assert said(caplog) == "m.gltf: left out: the full size of image 0 (2 times smaller each way)"


def test_a_bomb_of_a_picture_is_refused_by_its_header_alone() -> None:
    header = bytearray(encoded(np.zeros((1, 1), np.uint8)))
    header[16:24] = struct.pack(">II", 60_000, 60_000)
    header[29:33] = struct.pack(">I", zlib.crc32(header[12:29]))
    with pytest.raises(InputError, match="too large"):
        decode_image(bytes(header), "x")


def test_the_same_picture_is_decoded_once(tmp_path, monkeypatch) -> None:
    from dreamlab.mesh.io import gltf_material

    calls = []
    monkeypatch.setattr(
        gltf_material, "decode_image", lambda data, name: calls.append(name) or decode_image(data, name)
    )
    builder = GltfBuilder()
    texture = builder.texture(QUARTERS)
    builder.json["textures"].append({"source": 0})
    for index in (texture, texture + 1):
        builder.material(pbrMetallicRoughness={"baseColorTexture": {"index": index}})
    mesh = loaded(builder, tmp_path, square(builder, material=0), square(builder, material=1))
    assert len(calls) == 1
    assert torch.equal(dict(mesh.textures)["albedo"], torch.from_numpy(QUARTERS))
