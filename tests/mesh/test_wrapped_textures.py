"""Textures that wrap, tint or let light through, and what later steps make of them."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from dreamlab.core.types import Material, Wrap
from dreamlab.mesh.geometry.color import sample
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.join import joined
from dreamlab.mesh.io.load import load
from dreamlab.mesh.rework import rework
from dreamlab.mesh.surface.clean import CleanConfig
from dreamlab.mesh.surface.colors import SurfaceColors
from tests.mesh.gltf_files import albedo, said, written
from tests.mesh.test_gltf_parts import NOISE, part


@pytest.mark.parametrize("wrap", ["repeat", "mirror", "clamp"])
def test_a_new_texture_is_baked_from_the_tiles_that_were_shown(wrap: Wrap) -> None:
    blocks = np.kron(NOISE[:4, :4], np.ones((8, 8, 1), np.uint8))
    tiled = part((-1, 0), (2, 1), (wrap, wrap), albedo=blocks, normals=np.tile([0.0, 0, 1], (4, 1)))
    baked = rework(joined([tiled])[0], CleanConfig(faces=4), None)
    assert baked.material.wrap == ("clamp", "clamp")
    at = np.random.default_rng(0).random((500, 2))
    points = np.concatenate([at, np.zeros((500, 1))], 1)
    found = SurfaceColors(baked).colors(points, np.tile([0.0, 0, 1], (500, 1)))
    truth = sample(blocks[..., :3], at * [3, 1] + [-1, 0], tiled.material)
    assert np.median(np.abs(found - truth)) < 0.02  # edges are blended anew


def test_a_new_texture_is_larger_where_the_old_one_was_shown_more_than_once() -> None:
    def side(tiles: float) -> int:
        old = part((0, 0), (tiles, tiles), albedo=np.kron(NOISE[:16, :16], np.ones((16, 16, 1), np.uint8)))
        return albedo(rework(joined([old])[0], CleanConfig(faces=4))).shape[0]

    assert (side(0.5), side(1), side(3)) == (256, 256, 768)


def test_a_rework_keeps_metal_and_sides_and_says_that_it_drops_alpha(caplog) -> None:
    glass = Material(("repeat", "repeat"), True, "blend", 0.5, True, 0.75, 0.25)
    mesh = replace(joined([part((0, 0), (1, 1))])[0], material=glass)
    with caplog.at_level(logging.WARNING):
        out = rework(mesh, CleanConfig(faces=4))
    assert out.material == Material(double_sided=True, metallic=0.75, roughness=0.25)
    assert said(caplog) == "the mesh is solid now: new colours have no transparency"


def test_a_rework_keeps_the_mean_of_a_metal_texture_and_says_so(caplog) -> None:
    shiny = np.full((2, 2, 3), [0, 102, 204], np.uint8)
    old = joined([replace(part((0, 0), (1, 1), rough_metal=shiny), material=Material(metallic=0.5))])[0]
    with caplog.at_level(logging.WARNING):
        new = rework(old, CleanConfig(faces=4)).material
    assert (new.metallic, new.roughness) == pytest.approx((0.4, 0.4))
    assert said(caplog) == "of the metallic-roughness texture only the mean is kept"


@pytest.mark.parametrize("kind", ["obj", "usdz"])
def test_formats_that_cannot_tint_a_texture_say_so(kind: str, tmp_path, caplog) -> None:
    if kind == "usdz":
        pytest.importorskip("pxr", reason="usd-core is not installed: USDZ is not tested")
    tinted = part((0, 0), (1, 1), color=np.tile([[0.2, 0.4, 1.0], [1, 1, 1]], (2, 1)))
    mesh, _ = joined([tinted])
    with caplog.at_level(logging.WARNING):
        write(mesh, tmp_path / f"m.{kind}")
    assert said(caplog).startswith(f"m.{kind}: left out: the colours at corners")


def test_usdz_wraps_as_the_material_says(tmp_path) -> None:
    pytest.importorskip("pxr", reason="usd-core is not installed: USDZ is not tested")
    from pxr import Usd, UsdShade

    write(joined([part((0, 0), (3, 3), ("mirror", "repeat"))])[0], tmp_path / "m.usdz")
    stage = Usd.Stage.Open(str(tmp_path / "m.usdz"))
    reader = UsdShade.Shader(next(prim for prim in stage.Traverse() if prim.GetName() == "albedo"))
    assert [reader.GetInput(name).Get() for name in ("wrapS", "wrapT")] == ["mirror", "repeat"]


def test_our_own_textures_clamp_since_their_charts_never_wrap(textured, tmp_path) -> None:
    sampler = {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}
    document = written(textured, tmp_path)
    assert document["samplers"] == [sampler]
    assert document["materials"][0]["pbrMetallicRoughness"]["metallicFactor"] == 0
    assert load(tmp_path / "out.glb").material == Material()
