"""Textures as PNG, JPEG and WebP, and geometry in meshopt's bitstream, read back."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from scipy.spatial import KDTree

from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.core.types import Material, Mesh
from dreamlab.mesh.io.encode import encoded
from dreamlab.mesh.io.export import targets, write
from dreamlab.mesh.io.load import load

MIME = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


def parts_of(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def picture(told: dict, binary: bytes, index: int) -> np.ndarray:
    view = told["bufferViews"][told["images"][index]["bufferView"]]
    return np.asarray(Image.open(io.BytesIO(binary[view["byteOffset"] :][: view["byteLength"]])))


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_glb_has_textures_of_the_kind_asked_for_and_no_worse_than_they_may_be(
    kind, textured, tmp_path
) -> None:
    write(textured, tmp_path / "m.glb", textures=kind)
    told, binary = parts_of(tmp_path / "m.glb")
    assert {image["mimeType"] for image in told["images"]} == {MIME[kind]}
    assert ("EXT_texture_webp" in told.get("extensionsRequired", [])) == (kind == "webp")
    for index, (name, worst) in enumerate((("albedo", 30.0), ("normal", 35.0))):
        texture = dict(textured.textures)[name].numpy()
        error = ((picture(told, binary, index).astype(float) - texture) ** 2).mean()
        exact = kind == "png" or (kind == "webp" and name == "normal")
        assert error == 0 if exact else 10 * np.log10(255**2 / error) > worst
    again = load(tmp_path / "m.glb")
    assert len(again.faces) == len(textured.faces) and len(again.textures) == 2


def test_lossy_kinds_are_smaller_and_png_is_as_small_as_it_gets(textured, tmp_path) -> None:
    sizes = {}
    for kind in MIME:
        write(textured, tmp_path / f"{kind}.glb", textures=kind)
        sizes[kind] = (tmp_path / f"{kind}.glb").stat().st_size
    assert sizes["webp"] < sizes["png"] and sizes["jpeg"] < sizes["png"]
    image, plain = dict(textured.textures)["normal"].numpy(), io.BytesIO()
    Image.fromarray(image).save(plain, "png")
    assert len(encoded(image)[0]) <= len(plain.getvalue())


def test_alpha_is_never_lost_to_jpeg(textured, tmp_path) -> None:
    image = dict(textured.textures)["albedo"]
    alpha = torch.full_like(image[..., :1], 100)
    leaf = replace(
        textured, textures=(("albedo", torch.cat([image, alpha], -1)),), material=Material(alpha="blend")
    )
    write(leaf, tmp_path / "m.glb", textures="jpeg")
    told, binary = parts_of(tmp_path / "m.glb")
    assert told["images"][0]["mimeType"] == "image/png" and (picture(told, binary, 0)[..., 3] == 100).all()


def test_an_obj_has_its_normal_map_where_blender_and_three_js_look_for_it(textured, tmp_path) -> None:
    written = write(textured, tmp_path / "m.obj", textures="jpeg")
    assert set(written) <= set(targets(tmp_path / "m.obj"))
    lines = (tmp_path / "m.mtl").read_text().splitlines()
    assert "map_Kd m_albedo.jpg" in lines and "norm m_normal.jpg" in lines
    assert "map_Bump -bm 1 m_normal.jpg" in lines
    shown = trimesh.load_scene(tmp_path / "m.obj").to_geometry()
    assert shown.visual.material.image.size == (256, 256)


def test_a_normal_map_that_is_named_twice_is_read_without_a_word(textured, tmp_path, caplog, recwarn) -> None:
    write(textured, tmp_path / "m.obj")
    assert [name for name, _ in load(tmp_path / "m.obj").textures] == ["albedo", "normal"]
    assert "bumps" not in caplog.text + "".join(str(w.message) for w in recwarn)


@pytest.mark.parametrize("suffix", ["obj", "usdz"])
def test_webp_where_no_reader_knows_it_is_refused(suffix, textured, tmp_path) -> None:
    with pytest.raises(InputError, match="no WebP"):
        write(textured, tmp_path / f"m.{suffix}", textures="webp")
    assert list(tmp_path.iterdir()) == []


# ---- meshopt ----


@pytest.mark.parametrize("which", ["textured", "colored"])
def test_meshopt_geometry_reads_back_on_its_grid(which, request, tmp_path) -> None:
    pytest.importorskip("meshopt", reason="meshopt is not installed (pip install 'dreamlab[meshopt]')")
    mesh: Mesh = request.getfixturevalue(which)
    write(mesh, tmp_path / "plain.glb")
    write(mesh, tmp_path / "m.glb", compression="meshopt")
    again = load(tmp_path / "m.glb")
    assert len(again.faces) == len(mesh.faces)
    middle, wanted = (m.vertices[m.faces].mean(1) for m in (again, mesh))
    distance, near = KDTree(wanted).query(middle)
    assert distance.max() < float(mesh.vertices.abs().max()) * 2**-13
    assert len(np.unique(near)) == len(mesh.faces)
    turned = torch.linalg.cross(
        *(again.vertices[again.faces[:, k]] - again.vertices[again.faces[:, 0]] for k in (1, 2))
    )
    assert (torch.einsum("fi,fi->f", turned, again.normals[again.faces[:, 0]]) > 0).float().mean() > 0.99
    (one, _), (two, _) = (parts_of(tmp_path / f"{name}.glb") for name in ("plain", "m"))
    texture = sum(one["bufferViews"][i["bufferView"]]["byteLength"] for i in one.get("images", ()))
    assert two["buffers"][0]["byteLength"] - texture < 0.5 * (one["buffers"][0]["byteLength"] - texture)


def test_meshopt_keeps_a_closed_surface_closed(textured, tmp_path) -> None:
    pytest.importorskip("meshopt", reason="meshopt is not installed (pip install 'dreamlab[meshopt]')")
    write(textured, tmp_path / "m.glb", compression="meshopt")
    mesh = load(tmp_path / "m.glb")
    solid = trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), process=False)
    solid.merge_vertices(merge_tex=True, merge_norm=True)
    assert solid.is_watertight and solid.volume > 0


def test_meshopt_without_its_package_is_said_plainly(colored, tmp_path, monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "meshopt", None)
    with pytest.raises(UnavailableError, match=r"dreamlab\[meshopt\]"):
        write(colored, tmp_path / "m.glb", compression="meshopt")
    assert list(tmp_path.iterdir()) == []
