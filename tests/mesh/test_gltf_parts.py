"""Several parts of a file as one mesh: the colour of every point of its surface is the one that it had."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dreamlab.core.types import Mesh, Wrap
from dreamlab.mesh.geometry.color import linear_to_srgb, sample, srgb_to_linear
from dreamlab.mesh.io import atlas as packing
from dreamlab.mesh.io.join import joined
from dreamlab.mesh.io.load import load
from dreamlab.mesh.io.parts import Material, Part
from dreamlab.mesh.surface.colors import SurfaceColors
from tests.mesh.gltf_files import QUARTERS, GltfBuilder, albedo, cube, said, square, triangle

MATT = {"metallicFactor": 0.0}
NOISE = np.random.default_rng(3).integers(0, 256, (16, 24, 4)).astype(np.uint8)
SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
TWO = np.array([[0, 1, 2], [0, 2, 3]])


def part(
    low: Any, high: Any, wrap: tuple[Wrap, Wrap] = ("repeat", "repeat"), at: float = 0, **more: Any
) -> Part:
    """A unit square at x = `at` whose texture coordinates run from one corner to the other."""
    (a, b), (c, d) = low, high
    uv = np.array([[a, b], [c, b], [c, d], [a, d]], np.float64)
    more = {"albedo": NOISE, **more}
    return Part(SQUARE + np.array([at, 0, 0]), TWO, uv=uv, material=Material(wrap=wrap), **more)


def seen(mesh: Mesh, face: int, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Random points of a face as shares of its corners, and the colours of the mesh there."""
    share = np.random.default_rng(face).dirichlet((1, 1, 1), count)
    return share, _surface(mesh).color_of(np.full(count, face), share)


@lru_cache(1)
def _surface(mesh: Mesh) -> SurfaceColors:
    return SurfaceColors(mesh)


def wanted(one: Part, face: int, share: np.ndarray) -> np.ndarray:
    """What the part alone has there: its texture times its factor in linear light."""
    uv = np.einsum("nk,ki->ni", share, one.uv[one.faces[face]])
    texels = sample(one.albedo[..., :3], uv, one.material)
    factor = np.ones(3) if one.factor is None else one.factor[:3]
    return linear_to_srgb(srgb_to_linear(texels) * factor)


def assert_seen_as_alone(parts: list[Part], atol: float = 0.012) -> Mesh:
    mesh, lost = joined(parts)
    assert lost == []
    for number, one in enumerate(parts):
        for face in range(2):
            share, found = seen(mesh, 2 * number + face)
            # 8 bits, and a factor in linear light is not quite one after blending
            assert np.abs(found - wanted(one, face, share)).max() < atol
    return mesh


OTHER = part((0, 0), (1, 1), at=9, albedo=NOISE[::-1].copy())


@pytest.mark.parametrize("wrap", ["repeat", "mirror", "clamp"])
@pytest.mark.parametrize(
    ("low", "high"),
    [
        ((0, 0), (1, 1)),
        ((0.3, 0.2), (0.6, 0.9)),
        ((-0.4, 0.7), (2.6, 3.2)),
        ((7.1, -5.2), (7.9, -4.9)),
        ((1, 1), (0, 0)),
    ],
)
def test_an_atlas_shows_what_each_texture_showed(wrap: Wrap, low: Any, high: Any) -> None:
    mesh = assert_seen_as_alone([part(low, high, (wrap, wrap)), OTHER])
    assert mesh.material.wrap == ("clamp", "clamp")
    assert 0 <= mesh.uv.min() and mesh.uv.max() <= 1


def test_ways_to_wrap_may_differ_by_direction() -> None:
    assert_seen_as_alone([part((-1.2, -0.7), (1.5, 1.4), ("mirror", "clamp")), OTHER])


def test_tiles_of_faces_that_lie_in_one_tile_each_need_no_room_of_their_own() -> None:
    """A floor of 40 tiles, a quadrangle each."""
    x = np.arange(41.0)
    vertices = np.stack([np.tile(x, 2), np.repeat([0.0, 1.0], 41), np.zeros(82)], 1)
    a = np.arange(40)
    faces = np.concatenate([np.stack([a, a + 1, a + 42], 1), np.stack([a, a + 42, a + 41], 1)])
    floor = Part(vertices, faces, uv=vertices[:, :2], albedo=NOISE)
    mesh, _ = joined([floor, OTHER])
    assert albedo(mesh).shape[0] * albedo(mesh).shape[1] < 4 * 24 * 32  # two rooms with gutters
    for face in (0, 39, 40, 79):
        share, found = seen(mesh, face)
        assert np.abs(found - wanted(floor, face, share)).max() < 0.012


def test_factors_are_in_the_atlas_and_corner_colours_beside_it() -> None:
    red = part((0, 0), (1, 1), factor=np.array([1.0, 0.5, 0.25, 1.0]))
    tinted = part((0, 0), (1, 1), at=3, color=np.tile([[0.2, 0.4, 1.0], [1, 1, 1]], (2, 1)))
    assert_seen_as_alone([red, OTHER], atol=0.02)
    mesh, lost = joined([red, tinted, OTHER])
    assert lost == [] and mesh.colors is not None
    assert torch.equal(mesh.colors[:4], torch.ones(4, 3))
    assert mesh.colors[4:8].double().numpy() == pytest.approx(linear_to_srgb(tinted.color), abs=1e-6)


def test_parts_without_textures_keep_their_colours_beside_those_with() -> None:
    plain = [Part(SQUARE + k * 2, TWO, factor=np.array([0.1 * k, 0.2, 0.3, 1.0])) for k in range(3)]
    mesh, lost = joined([OTHER, *plain])
    assert lost == [] and mesh.colors is None
    for k, one in enumerate(plain):
        assert seen(mesh, 2 + 2 * k)[1] == pytest.approx(
            np.tile(linear_to_srgb(one.factor[:3]), (400, 1)), abs=0.003
        )


def test_one_texture_for_all_stays_as_it_is_to_the_bit() -> None:
    one, two = part((0, 0), (3, 3)), part((-2, 0), (1, 1), at=2)
    mesh, lost = joined([one, two])
    assert lost == [] and mesh.colors is None and mesh.material.wrap == ("repeat", "repeat")
    assert (albedo(mesh) == NOISE[..., :3]).all()
    assert mesh.uv.tolist() == [*one.uv.tolist(), *two.uv.tolist()]
    green = part((0, 0), (1, 1), at=2, factor=np.array([0.0, 1.0, 0.0, 1.0]))
    mesh, lost = joined([one, green])
    assert lost == [] and (albedo(mesh) == NOISE[..., :3]).all()
    assert mesh.colors.tolist() == [[1, 1, 1]] * 4 + [[0, 1, 0]] * 4


def test_normal_maps_go_into_an_atlas_of_their_own() -> None:
    bumps = NOISE[..., :3].copy()
    mesh, lost = joined([part((0, 0), (1, 1), normal_map=bumps), OTHER])
    normal = dict(mesh.textures)["normal"].numpy()
    assert lost == [] and normal.shape == albedo(mesh).shape
    uv = mesh.uv.double().numpy()
    inside = uv[:4].mean(0) + 0.8 * (uv[:4] - uv[:4].mean(0))
    found = sample(normal, inside)
    own = np.array([[0.5, 0.5]]) + 0.8 * (part((0, 0), (1, 1)).uv - 0.5)
    assert found == pytest.approx(sample(bumps, own), abs=0.02)
    assert (sample(normal, uv[4:]) == np.array([128, 128, 255]) / 255).all()


def test_more_tiles_than_there_is_room_for_are_smaller_and_that_is_said(monkeypatch) -> None:
    monkeypatch.setattr(packing, "ROOM_SIDE", 64)
    smooth = np.full((16, 16, 4), [200, 100, 50, 255], np.uint8)
    for tiles in (10, 1000):
        mesh, lost = joined([part((0, 0), (tiles, 1), albedo=smooth), OTHER])
        assert max(albedo(mesh).shape[:2]) <= 72
        assert len(lost) == 1 and "smaller each way" in lost[0]
        assert seen(mesh, 0)[1] == pytest.approx(np.tile([200, 100, 50], (400, 1)) / 255, abs=1e-9)


def test_textures_that_do_not_fit_are_all_made_smaller(monkeypatch) -> None:
    monkeypatch.setattr(packing, "SIDE", 64)
    images = [np.full((32, 32, 4), 10 * k, np.uint8) for k in range(8)]
    mesh, lost = joined([part((0, 0), (1, 1), albedo=image, at=2 * k) for k, image in enumerate(images)])
    assert max(albedo(mesh).shape[:2]) <= 64 and "4 times smaller" in lost[0]  # gutters need room, too
    for k in range(8):
        assert seen(mesh, 2 * k)[1] == pytest.approx(np.full((400, 3), 10 * k / 255))


def test_coordinates_that_are_no_numbers_harm_nothing() -> None:
    broken = part((0, 0), (1, 1))
    broken.uv[0] = np.nan
    mesh, _ = joined([broken, OTHER])
    assert torch.isfinite(mesh.uv).all()


# ---- whole files ----


def file_of(folder: Path, *materials: dict[str, Any]) -> Path:
    """Squares side by side, one a material."""
    builder = GltfBuilder()
    for k, spec in enumerate(materials):
        pixels = spec.pop("pixels", None)
        surface = dict(MATT, **spec.pop("surface", {}))
        if pixels is not None:
            surface["baseColorTexture"] = {"index": builder.texture(pixels, {"magFilter": 9728})}
        builder.material(pbrMetallicRoughness=surface, **spec)
        builder.mesh(square(builder, at=3.0 * k, material=k))
    return builder.save(folder / "m.gltf")


def test_two_textured_parts_of_a_file_keep_their_textures(tmp_path, caplog) -> None:
    turned = np.rot90(QUARTERS).copy()
    with caplog.at_level(logging.WARNING):
        mesh = load(file_of(tmp_path, {"pixels": QUARTERS}, {"pixels": turned}))
    assert not caplog.records and mesh.material.nearest
    for at, pixels in ((0.0, QUARTERS), (3.0, turned)):
        places = [[at + x, y, 0] for y in (0.5, -0.5) for x in (-0.5, 0.5)]
        found = SurfaceColors(mesh).colors(np.array(places), np.tile([0.0, 0, 1], (4, 1)))
        assert (found.reshape(2, 2, 3) * 255).round().tolist() == pixels.tolist()


def test_a_part_that_is_cut_out_stays_cut_out_beside_solid_ones(tmp_path, caplog) -> None:
    leaf = np.dstack([QUARTERS, np.array([[255, 60], [100, 0]])]).astype(np.uint8)
    solid = np.dstack([QUARTERS, np.zeros((2, 2))]).astype(np.uint8)  # whose alpha means nothing
    cut = {"pixels": leaf, "alphaMode": "MASK", "alphaCutoff": 0.3}
    with caplog.at_level(logging.WARNING):
        mesh = load(file_of(tmp_path, cut, {"pixels": solid}))
    assert "transparency (but in GLB)" in said(caplog)
    assert mesh.material.alpha == "mask" and mesh.material.cutoff == 0.5
    assert (sample(albedo(mesh)[..., 3:], mesh.uv[4:].double().numpy()) == 1).all()
    corners = mesh.uv[:4].double().numpy()
    inside = corners.mean(0) + 0.5 * (corners - corners.mean(0))
    assert sample(albedo(mesh)[..., 3:], inside, mesh.material)[:, 0].tolist() == [1, 0, 0, 1]


def test_a_glass_beside_solid_parts_becomes_solid_and_that_is_said(tmp_path, caplog) -> None:
    glass = {"alphaMode": "BLEND", "surface": {"baseColorFactor": [1, 1, 1, 0.3]}}
    with caplog.at_level(logging.WARNING):
        mesh = load(file_of(tmp_path, glass, {"pixels": QUARTERS}))
    assert said(caplog) == "m.gltf: left out: transparency" and mesh.material.alpha == "opaque"


def test_metal_beside_wood_is_said_and_metal_beside_metal_stays(tmp_path, caplog) -> None:
    metal = {"surface": {"metallicFactor": 1.0, "roughnessFactor": 0.25}}
    with caplog.at_level(logging.WARNING):
        mesh = load(file_of(tmp_path, dict(metal), {"pixels": QUARTERS}))
    assert "metal and roughness" in said(caplog) and mesh.material.metallic == 0
    mesh = load(file_of(tmp_path, dict(metal), {"pixels": QUARTERS, **metal}))
    assert (mesh.material.metallic, mesh.material.roughness) == (1, 0.25)


def test_parts_without_colour_are_white_beside_coloured_ones(tmp_path) -> None:
    """As glTF has it: what a material does not say is white."""
    builder = GltfBuilder()
    builder.material(pbrMetallicRoughness={"baseColorFactor": [1, 0, 0, 1]})
    builder.mesh(triangle(builder, material=0), triangle(builder, at=2.0))
    mesh = load(builder.save(tmp_path / "m.gltf"))
    assert mesh.colors.tolist() == [[1, 0, 0]] * 3 + [[1, 1, 1]] * 3


def test_what_stands_far_away_is_moved_near_before_it_is_rounded(tmp_path, caplog) -> None:
    """A cube of half a metre in a country's coordinates."""
    builder = GltfBuilder()
    builder.mesh(cube(builder))
    place = [431234.5, 5.25, 5812345.75]
    builder.json["nodes"] = [{"mesh": 0, "translation": place, "scale": [0.25, 0.25, 0.25]}]
    with caplog.at_level(logging.WARNING):
        mesh = load(builder.save(tmp_path / "m.gltf"))
    assert said(caplog).startswith("m.gltf: left out: its place around (431234, 5, 5812346), too far")
    size = mesh.vertices.amax(0) - mesh.vertices.amin(0)
    assert size.tolist() == [0.5, 0.5, 0.5]
    near, far = joined([Part(SQUARE + 500.0, TWO)])
    assert far == [] and near.vertices.tolist() == (SQUARE + 500.0).tolist()
