from __future__ import annotations

import json
import struct
import sys

import numpy as np
import pytest
import torch

from dreamlab.core.errors import DamagedError, UnavailableError
from dreamlab.mesh.geometry.color import vertex_colors
from dreamlab.mesh.io import draco
from dreamlab.mesh.io.export import check_packages, write
from dreamlab.mesh.io.load import load
from dreamlab.mesh.surface.clean import solidity
from tests.mesh.gltf_files import GltfBuilder, triangle

pytest.importorskip("DracoPy", reason="DracoPy is not installed (pip install 'dreamlab[draco]')")


@pytest.mark.parametrize("which", ["colored", "textured"])
def test_compressed_geometry_comes_back_as_it_was(which: str, request, tmp_path) -> None:
    mesh = request.getfixturevalue(which)
    write(mesh, tmp_path / "m.glb", compression="draco")
    back = load(tmp_path / "m.glb")
    assert len(back.faces) == len(mesh.faces)
    assert solidity(back).watertight
    assert solidity(back).volume == pytest.approx(solidity(mesh).volume, rel=1e-3)
    assert ((back.normals * back.vertices).sum(-1) > 0).all()
    colors = vertex_colors(back)
    for side, color in ((1, [0.8, 0.1, 0.1]), (-1, [0.05, 0.3, 0.05])):
        there = side * back.vertices[:, 0] > 0.1
        assert np.abs(np.median(colors[there], 0) - color).max() < 0.015
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(back.textures, mesh.textures, strict=True))


def test_geometry_takes_a_third_of_the_room_or_less(ball, tmp_path) -> None:
    write(ball.mesh, tmp_path / "plain.glb")
    write(ball.mesh, tmp_path / "packed.glb", compression="draco")
    assert (tmp_path / "packed.glb").stat().st_size < (tmp_path / "plain.glb").stat().st_size / 3


def test_the_same_mesh_gives_the_same_bytes(textured, tmp_path) -> None:
    one, two = (write(textured, tmp_path / f"{k}.glb", name="m", compression="draco")[0] for k in "ab")
    assert one.read_bytes() == two.read_bytes()


def test_readers_are_told_that_they_must_know_the_extension(textured, tmp_path) -> None:
    write(textured, tmp_path / "m.glb", compression="draco")
    data = (tmp_path / "m.glb").read_bytes()
    document = json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])
    assert document["extensionsRequired"] == document["extensionsUsed"] == [draco.EXTENSION]
    primitive = document["meshes"][0]["primitives"][0]
    assert set(primitive["attributes"]) == set(primitive["extensions"][draco.EXTENSION]["attributes"])
    assert all("bufferView" not in accessor for accessor in document["accessors"])


def test_without_the_package_it_is_unavailable_before_anything_is_written(
    colored, monkeypatch, tmp_path
) -> None:
    write(colored, tmp_path / "m.glb", compression="draco")
    monkeypatch.setitem(sys.modules, "DracoPy", None)
    with pytest.raises(UnavailableError, match=r"dreamlab\[draco\]"):
        load(tmp_path / "m.glb")
    with pytest.raises(UnavailableError, match=r"dreamlab\[draco\]"):
        write(colored, tmp_path / "n.glb", compression="draco")
    with pytest.raises(UnavailableError, match="DracoPy"):
        check_packages(["glb"], "draco")
    assert [p.name for p in tmp_path.iterdir()] == ["m.glb"]


def test_where_draco_is_a_choice_the_plain_bytes_are_read(monkeypatch, tmp_path) -> None:
    builder = GltfBuilder(extensionsUsed=[draco.EXTENSION])
    packed = {"bufferView": 0, "attributes": {"POSITION": 0}}
    builder.mesh(triangle(builder, extensions={draco.EXTENSION: packed}))
    monkeypatch.setitem(sys.modules, "DracoPy", None)
    assert load(builder.save(tmp_path / "m.gltf")).vertices.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_damaged_draco_data_is_damage() -> None:
    with pytest.raises(DamagedError, match="Draco"):
        draco.unpack(b"DRACO" + bytes(40), {"POSITION": 0})


def test_formats_that_need_no_package_pass_the_early_check(monkeypatch) -> None:
    check_packages(["glb", "obj", "splat.ply"])
    monkeypatch.setitem(sys.modules, "pxr", None)
    with pytest.raises(UnavailableError, match="usd-core"):
        check_packages(["glb", "usdz"])
