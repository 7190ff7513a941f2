from __future__ import annotations

import errno
import io
import json
import os
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import srgb_to_linear
from dreamlab.mesh.geometry.shape import place
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.obj_write import companion_name
from tests.mesh.analytic import ball_volume

FORMATS = ["glb", "obj", "ply", "stl", "3mf", "splat.ply"]
NAMES = ["plain", "with space", "fungo 🍄 & co"]


def glb_parts(path: Path) -> tuple[dict, bytes]:
    """JSON and binary chunk, read by the letter of the specification."""
    data = path.read_bytes()
    magic, version, total = struct.unpack_from("<4sII", data)
    assert (magic, version, total) == (b"glTF", 2, len(data))
    length, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON" and length % 4 == 0
    size, kind = struct.unpack_from("<I4s", data, 20 + length)
    assert kind == b"BIN\0" and 28 + length + size == total
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def upright() -> Mesh:
    """A slab with a mast, to tell directions: wide in X, tall in Y (towards +Y), a nose towards +Z."""
    parts = [
        trimesh.creation.box((1.0, 0.2, 0.4)),
        trimesh.creation.box((0.1, 1.0, 0.1)),
        trimesh.creation.box((0.1, 0.1, 0.3)),
    ]
    parts[1].apply_translation((0, 0.6, 0))
    parts[2].apply_translation((0, 0, 0.35))
    whole = trimesh.util.concatenate(parts)
    return Mesh(torch.from_numpy(np.array(whole.vertices)).float(), torch.from_numpy(np.array(whole.faces)))


@pytest.mark.parametrize("kind", ["glb", "obj", "ply", "stl", "3mf"])
@pytest.mark.parametrize("which", ["colored", "textured"])
def test_trimesh_reads_what_was_written(kind: str, which: str, request, tmp_path) -> None:
    mesh = request.getfixturevalue(which)
    path = tmp_path / f"ball.{kind}"
    write(mesh, path)
    other = trimesh.load_scene(path).to_geometry()
    other.merge_vertices(merge_tex=True, merge_norm=True)
    scale = 1000.0 if kind in ("stl", "3mf") else 1.0
    assert len(other.faces) == len(mesh.faces)
    assert other.is_watertight and other.is_winding_consistent
    assert other.volume / scale**3 == pytest.approx(ball_volume(0.6), rel=0.02)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_mesh_gives_the_same_bytes(kind: str, textured, tmp_path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = (write(textured, tmp_path / folder / f"mesh.{kind}") for folder in "ab")
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]
    assert len(one) == (4 if kind == "obj" else 1)


def test_glb_material_is_matt_and_not_metal(colored, textured, tmp_path) -> None:
    for mesh in (colored, textured):
        write(mesh, tmp_path / "m.glb")
        document, _ = glb_parts(tmp_path / "m.glb")
        surface = document["materials"][0]["pbrMetallicRoughness"]
        assert (surface["metallicFactor"], surface["roughnessFactor"]) == (0.0, 1.0)


def test_glb_vertex_colours_are_linear(colored, tmp_path) -> None:
    write(colored, tmp_path / "m.glb")
    document, binary = glb_parts(tmp_path / "m.glb")
    accessor = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
    assert accessor["normalized"] and accessor["componentType"] == 5123
    view = document["bufferViews"][accessor["bufferView"]]
    rgba = np.frombuffer(binary, np.uint16, accessor["count"] * 4, view["byteOffset"]).reshape(-1, 4) / 65535
    assert np.abs(rgba[:, :3] - srgb_to_linear(colored.colors.double().numpy())).max() < 1e-4
    assert (rgba[:, 3] == 1).all()
    right = colored.vertices[:, 0].numpy() > 0.05
    assert rgba[right, 0].mean() == pytest.approx(srgb_to_linear(np.array(0.8)), abs=0.01)  # 0.604, not 0.8


def test_glb_texture_is_srgb_as_it_was_and_lies_on_the_right_side(textured, tmp_path) -> None:
    write(textured, tmp_path / "m.glb")
    other = trimesh.load_scene(tmp_path / "m.glb").to_geometry()
    colors = other.visual.to_color().vertex_colors[:, :3]
    right, left = other.vertices[:, 0] > 0.1, other.vertices[:, 0] < -0.1
    assert np.abs(np.median(colors[right], 0) - np.array([0.8, 0.1, 0.1]) * 255).max() < 4
    assert np.abs(np.median(colors[left], 0) - np.array([0.05, 0.3, 0.05]) * 255).max() < 4


def test_glb_has_tangents_where_it_has_a_normal_map(textured, colored, tmp_path) -> None:
    write(textured, tmp_path / "m.glb")
    document, _ = glb_parts(tmp_path / "m.glb")
    assert "TANGENT" in document["meshes"][0]["primitives"][0]["attributes"]
    assert document["materials"][0]["normalTexture"]["index"] == 1
    write(colored, tmp_path / "m.glb")
    assert "TANGENT" not in glb_parts(tmp_path / "m.glb")[0]["meshes"][0]["primitives"][0]["attributes"]


def test_large_meshes_get_wide_indices(tmp_path) -> None:
    ball = trimesh.creation.icosphere(subdivisions=7)
    write(
        Mesh(torch.from_numpy(np.array(ball.vertices)).float(), torch.from_numpy(np.array(ball.faces))),
        tmp_path / "m.glb",
    )
    assert len(trimesh.load_scene(tmp_path / "m.glb").to_geometry().faces) == len(ball.faces)


@pytest.mark.parametrize("kind", ["glb", "obj", "ply"])
def test_y_is_up_and_the_front_is_z(kind: str, tmp_path) -> None:
    mesh = upright()
    write(mesh, tmp_path / f"m.{kind}")
    other = trimesh.load_scene(tmp_path / f"m.{kind}").to_geometry()
    assert np.allclose(other.bounds, [[-0.5, -0.1, -0.2], [0.5, 1.1, 0.5]], atol=1e-5)


@pytest.mark.parametrize("kind", ["stl", "3mf"])
def test_print_formats_are_z_up_in_millimetres_facing_the_front(kind: str, tmp_path) -> None:
    write(upright(), tmp_path / f"m.{kind}")
    other = trimesh.load_scene(tmp_path / f"m.{kind}").to_geometry()
    assert np.allclose(other.bounds, [[-500, -500, -100], [500, 200, 1100]], atol=1e-2)
    assert other.volume > 0


def test_3mf_says_millimetres_and_carries_colours(colored, tmp_path) -> None:
    write(colored, tmp_path / "m.3mf")
    with zipfile.ZipFile(tmp_path / "m.3mf") as archive:
        assert archive.testzip() is None
        text = archive.read("3D/3dmodel.model").decode()
    assert 'unit="millimeter"' in text
    assert '<m:color color="#CC1A1A"/>' in text  # 0.8, 0.1, 0.1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", FORMATS)
def test_any_file_name_will_do(kind: str, name: str, textured, tmp_path) -> None:
    written = write(textured, tmp_path / f"{name}.{kind}")
    assert written[0] == tmp_path / f"{name}.{kind}"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in written)
    if kind == "obj":
        other = trimesh.load_scene(written[0]).to_geometry()
        assert other.visual.material.image.size == (256, 256)


def test_obj_companions_have_names_that_every_parser_reads() -> None:
    assert companion_name("mesh") == "mesh"
    assert companion_name("a b") != companion_name("a_b")
    assert companion_name("🍄").isascii() and " " not in companion_name("a b 🍄")


def test_splats_cover_the_surface(colored, tmp_path) -> None:
    write(colored, tmp_path / "m.splat.ply")
    cloud = trimesh.load(tmp_path / "m.splat.ply")
    data = cloud.metadata["_ply_raw"]["vertex"]["data"]
    centre = np.stack([data[k] for k in "xyz"], 1)
    assert len(centre) == len(colored.faces)
    assert np.abs(np.linalg.norm(centre, axis=1) - 0.6).max() < 0.02
    quaternion = np.stack([data[f"rot_{k}"] for k in range(4)], 1)
    assert np.allclose(np.linalg.norm(quaternion, axis=1), 1, atol=1e-5)
    from scipy.spatial.transform import Rotation

    thin = Rotation.from_quat(quaternion[:, [1, 2, 3, 0]]).as_matrix()[
        :, :, 2
    ]  # the flat direction looks outward
    outward = np.einsum("ij,ij->i", thin, centre / 0.6)
    area = np.exp(data["scale_0"] + data["scale_1"])  # slivers of a ten thousandth of it may look anywhere
    assert area[outward < 0.9].sum() < 1e-3 * area.sum()
    red = data["f_dc_0"][centre[:, 0] > 0.1] * 0.28209479 + 0.5
    assert np.median(red) == pytest.approx(0.8, abs=0.02)


def test_usdz_without_usd_core_is_said_plainly(colored, tmp_path, monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pxr", None)
    with pytest.raises(UnavailableError, match="usd-core"):
        write(colored, tmp_path / "m.usdz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("which", ["colored", "textured"])
def test_usdz_reads_back_upright_with_its_colours(which: str, request, tmp_path) -> None:
    pxr = pytest.importorskip("pxr", reason="usd-core is not installed: USDZ is not tested")
    from pxr import Usd, UsdGeom, UsdShade

    assert pxr
    mesh = request.getfixturevalue(which)
    write(mesh, tmp_path / "m 🍄.usdz", name="ball")
    stage = Usd.Stage.Open(str(tmp_path / "m 🍄.usdz"))
    assert UsdGeom.GetStageUpAxis(stage) == "Y" and UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    shape = UsdGeom.Mesh(stage.GetPrimAtPath("/ball/ball_mesh"))
    assert len(shape.GetPointsAttr().Get()) == len(mesh.vertices)
    if which == "textured":
        with zipfile.ZipFile(tmp_path / "m 🍄.usdz") as archive:
            for texture in ("albedo.png", "normal.png"):
                assert any(name.endswith(texture) for name in archive.namelist())
        bumps = UsdShade.Shader(stage.GetPrimAtPath("/ball/ball_material/normal"))
        assert bumps.GetInput("sourceColorSpace").Get() == "raw"
        assert tuple(bumps.GetInput("scale").Get()) == (2, 2, 2, 1)
        assert tuple(bumps.GetInput("bias").Get()) == (-1, -1, -1, 0)
    else:
        colors = np.array(shape.GetDisplayColorPrimvar().Get())
        assert np.abs(colors - srgb_to_linear(mesh.colors.double().numpy())).max() < 1e-5


@pytest.mark.parametrize("which", ["colored", "textured"])
def test_usdz_has_the_materials_metal_roughness_and_transparency(which: str, request, tmp_path) -> None:
    pytest.importorskip("pxr", reason="usd-core is not installed: USDZ is not tested")
    from pxr import Usd, UsdShade

    mesh = request.getfixturevalue(which)
    material = replace(mesh.material, metallic=0.75, roughness=0.25, transmission=0.5)
    write(replace(mesh, material=material), tmp_path / "m.usdz", name="ball")
    write(mesh, tmp_path / "matt.usdz", name="ball")

    def said(path) -> dict:
        stage = Usd.Stage.Open(str(path))
        shader = UsdShade.Shader(stage.GetPrimAtPath("/ball/ball_material/preview"))
        found = {name: shader.GetInput(name) for name in ("metallic", "roughness", "opacity")}
        return {name: each.Get() for name, each in found.items() if each}

    assert said(tmp_path / "m.usdz") == {"metallic": 0.75, "roughness": 0.25, "opacity": 0.5}
    assert said(tmp_path / "matt.usdz") == {"metallic": 0.0, "roughness": 1.0}


def test_usdz_reads_metal_and_roughness_from_their_texture(textured, tmp_path) -> None:
    pytest.importorskip("pxr", reason="usd-core is not installed: USDZ is not tested")
    from pxr import Sdf, Usd, UsdShade

    shares = torch.tensor([0, 64, 192], dtype=torch.uint8).expand(4, 4, 3)
    mesh = replace(
        textured,
        textures=(*textured.textures, ("metallic_roughness", shares)),
        material=replace(textured.material, metallic=0.5, roughness=0.75),
    )
    write(mesh, tmp_path / "m.usdz", name="ball")
    stage = Usd.Stage.Open(str(tmp_path / "m.usdz"))
    surface = UsdShade.Shader(stage.GetPrimAtPath("/ball/ball_material/preview"))
    for name, channel in (("metallic", "b"), ("roughness", "g")):
        source, output, _ = surface.GetInput(name).GetConnectedSource()
        assert (source.GetPrim().GetName(), output) == ("metallic_roughness", channel)
    texture = UsdShade.Shader(stage.GetPrimAtPath("/ball/ball_material/metallic_roughness"))
    assert texture.GetInput("sourceColorSpace").Get() == "raw"
    assert tuple(texture.GetInput("scale").Get()) == (1, 0.75, 0.5, 1)  # glTF: the texture times the factor
    file: Sdf.AssetPath = texture.GetInput("file").Get()
    with zipfile.ZipFile(tmp_path / "m.usdz") as archive:
        (name,) = [each for each in archive.namelist() if file.path.endswith(each.rpartition("/")[2])]
        picture = np.array(Image.open(io.BytesIO(archive.read(name))).convert("RGB"))
    assert (picture == shares.numpy()).all()


# ---- refusals: nothing is left behind ----


@pytest.mark.parametrize("name", ["m.fbx", "m", "m.GLTF"])
def test_unknown_formats_are_refused_by_name(name: str, colored, tmp_path) -> None:
    with pytest.raises(InputError, match=r"\.glb"):
        write(colored, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_mesh_of_points_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="no faces"):
        write(Mesh(torch.rand(4, 3), torch.zeros(0, 3, dtype=torch.int64)), tmp_path / "m.glb")


@pytest.mark.parametrize("kind", FORMATS)
def test_places_that_cannot_be_written_to_are_told_plainly(kind: str, colored, tmp_path) -> None:
    with pytest.raises(InputError, match="could not write"):
        write(colored, tmp_path / "nowhere" / f"m.{kind}")
    (tmp_path / f"m.{kind}").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write(colored, tmp_path / f"m.{kind}")
    assert [p.name for p in tmp_path.iterdir()] == [f"m.{kind}"]  # an OBJ leaves no companions either


def test_a_full_disk_leaves_the_old_file_and_no_other(colored, textured, tmp_path, monkeypatch) -> None:
    path = tmp_path / "m.glb"
    write(colored, path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write(textured, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.glb"]


def test_an_obj_whose_last_file_fails_leaves_none(textured, tmp_path, monkeypatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_bytes = Path.write_bytes
    monkeypatch.setattr(
        Path, "write_bytes", lambda self, data: (full if data[:4] == b"\x89PNG" else write_bytes)(self, data)
    )
    with pytest.raises(InputError, match=r"m_albedo\.png.*No space left"):
        write(textured, tmp_path / "m.obj")
    assert list(tmp_path.iterdir()) == []


def test_an_obj_that_fails_names_no_missing_files(textured, tmp_path, monkeypatch) -> None:
    """The OBJ itself is written last, so an OBJ that is there is complete."""
    seen = []
    replace = Path.replace
    monkeypatch.setattr(
        Path, "replace", lambda self, target: (seen.append(Path(target).suffix), replace(self, target))[1]
    )
    write(textured, tmp_path / "m.obj")
    assert seen == [".png", ".png", ".mtl", ".obj"]


def test_texture_images_are_plain_png(textured, tmp_path) -> None:
    for path in write(textured, tmp_path / "m.obj"):
        if path.suffix == ".png":
            assert Image.open(path).mode == "RGB"


def test_real_size_reaches_the_file(colored, tmp_path) -> None:
    write(place(colored, size=0.1, origin="base"), tmp_path / "m.stl")
    bounds = trimesh.load_mesh(tmp_path / "m.stl").bounds
    assert np.ptp(bounds, axis=0).max() == pytest.approx(100, rel=1e-4)
    assert bounds[0, 2] == pytest.approx(0, abs=1e-3)
