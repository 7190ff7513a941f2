from __future__ import annotations

import numpy as np
import pytest
import torch
from finish import finished

from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import linear_to_srgb, sample, srgb_to_linear, texture_of, vertex_colors
from dreamlab.mesh.geometry.shape import normals_of, parse_size, place, tangents_of
from dreamlab.mesh.surface.clean import CleanConfig, clean, repair_surface, simplify
from dreamlab.mesh.surface.extract import ExtractConfig, extract
from dreamlab.mesh.texture.bake import BakeConfig, bake, bake_colors
from dreamlab.mesh.texture.seen import put_onto, seen_color
from dreamlab.mesh.texture.unwrap import unwrap
from dreamlab.stages import CleanStageConfig, ExtractStageConfig, SimplifyStageConfig, TextureStageConfig
from tests.mesh.analytic import Solid, sphere
from tests.mesh.points import degrees, mapped_normals, on_surface, smooth_normals, unit

FLAT = torch.tensor([[0.0, 0.0, 1.0]])


def test_the_texture_shows_the_fields_colours(ball) -> None:
    field = Solid(sphere(0.6))  # colour (x + 1) / 2: linear, so filtering is exact
    mesh = bake(
        unwrap(clean(ball.mesh, CleanConfig(faces=1000)), resolution=256), field, BakeConfig(resolution=256)
    )
    points = on_surface(mesh)
    error = np.abs(sample(texture_of(mesh, "albedo"), points.uv) - (points.x + 1) / 2)
    assert error.max() < 0.03
    assert error.mean() < 0.006


def test_texture_and_vertex_colours_agree(ball) -> None:
    field = Solid(sphere(0.6))
    mesh = unwrap(clean(ball.mesh, CleanConfig(faces=1000)), resolution=256)
    baked = bake(mesh, field, BakeConfig(resolution=256))
    assert np.abs(vertex_colors(baked) - bake_colors(mesh, field).colors.numpy()).max() < 0.03


def test_no_texel_near_a_chart_is_left_empty(textured) -> None:
    """Colours are red or green; a seam that bleeds would mix black or the background in."""
    texture = texture_of(textured, "albedo").astype(int)
    uv = on_surface(textured).uv
    reach = 4 / 256
    for shift in ([reach, 0], [-reach, 0], [0, reach], [0, -reach]):
        row = ((1 - uv[:, 1] - shift[1]) * 256).astype(int).clip(0, 255)
        column = ((uv[:, 0] + shift[0]) * 256).astype(int).clip(0, 255)
        near = texture[row, column]
        assert (near.max(-1) > 60).all()


def test_the_colour_is_what_a_camera_in_front_sees() -> None:
    """Opaque red skin over a blue core: composited front to back, only red is seen."""
    field = Solid(
        sphere(0.6),
        peak=2000.0,
        width=1e-3,
        rgb=lambda x: torch.where(
            (x.norm(dim=-1, keepdim=True) > 0.59), torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 0, 1])
        ),
    )
    x = 0.6 * FLAT
    assert seen_color(field, x, FLAT, 0.03, 16)[0].tolist() == pytest.approx([1, 0, 0], abs=0.01)


def test_a_faint_surface_keeps_its_colour() -> None:
    field = Solid(sphere(0.6), peak=0.01, rgb=lambda x: torch.full_like(x, 0.7))
    assert seen_color(field, 0.6 * FLAT, FLAT, 0.03, 4)[0].tolist() == pytest.approx([0.7] * 3, abs=1e-3)


def test_colours_that_are_no_numbers_are_refused(ball) -> None:
    field = Solid(sphere(0.6), rgb=lambda x: torch.where(x > 0.5, torch.nan, 0.5))
    with pytest.raises(DreamlabError, match="colour is not finite"):
        bake_colors(ball.mesh, field)


def test_compositing_is_beer_lamberts() -> None:
    """Constant density, colour 1 in front of the point and 0 behind it: what is seen is what the front half
    absorbs.
    """
    field = Solid(
        lambda x: torch.full_like(x[:, 0], -1.0),
        peak=50.0,
        rgb=lambda x: (x[:, 2:] > 0).float().expand(-1, 3),
    )
    seen = seen_color(field, torch.zeros(1, 3), FLAT, 0.04, 64)[0, 0]
    front, all_of_it = 1 - np.exp(-50 * 0.02), 1 - np.exp(-50 * 0.04)
    assert front <= float(seen) + 1e-3 and float(seen) <= front + (1 - all_of_it) + 1e-3


def test_the_normal_map_restores_the_fine_surface() -> None:
    def bumpy(x: torch.Tensor) -> torch.Tensor:
        return (
            x.norm(dim=-1)
            - 0.6
            - 0.03 * torch.sin(14 * x[:, 0]) * torch.sin(14 * x[:, 1]) * torch.sin(14 * x[:, 2])
        )

    fine = extract(Solid(bumpy), ExtractConfig(resolution=96, iso=100.0)).mesh
    light = simplify(repair_surface(fine), CleanConfig(faces=800))
    coarse = unwrap(light, resolution=512)
    mesh = bake(coarse, Solid(bumpy), BakeConfig(resolution=512, samples=1, normal_map=True), fine=fine)
    points = on_surface(mesh)
    x = torch.from_numpy(points.x).requires_grad_(True)
    truth = torch.nn.functional.normalize(torch.autograd.grad(bumpy(x).sum(), x)[0], dim=-1).numpy()
    mapped, smooth = (degrees(of(mesh, points), truth) for of in (mapped_normals, smooth_normals))
    assert np.median(mapped) < 0.4 * np.median(smooth)


def noisy(x: torch.Tensor) -> torch.Tensor:
    """A ball with bumps a few cells wide, such as distillation leaves."""
    ripples = [torch.sin(k * x[:, i] + k) for k, i in ((41, 0), (37, 1), (43, 2))]
    return x.norm(dim=-1) - 0.6 - 0.008 * ripples[0] * ripples[1] * ripples[2]


def test_lumps_do_not_come_back_in_the_shading() -> None:
    """On a noisy ball a run's normals lie less than half as far from the ball's as with a normal map of the
    extracted surface."""
    field, tidy = Solid(noisy), CleanConfig(faces=1500)
    taking = ExtractStageConfig(resolution=64, iso=100.0)
    run, _ = finished(
        field,
        taking,
        CleanStageConfig(),
        SimplifyStageConfig(faces=1500),
        TextureStageConfig(resolution=256, samples=1),
    )
    assert texture_of(run, "normal") is None
    raw = extract(field, taking).mesh
    mapped = BakeConfig(resolution=256, samples=1, normal_map=True)
    rough = bake(unwrap(clean(raw, tidy), resolution=256), field, mapped, fine=raw)

    def far(mesh: Mesh, of) -> float:
        points = on_surface(mesh)
        return float(np.median(degrees(of(mesh, points), unit(points.x))))

    assert far(run, smooth_normals) < 0.5 * far(rough, mapped_normals)
    assert far(run, smooth_normals) < 2.5  # degrees


def test_colours_are_taken_where_the_fields_own_surface_lies(ball) -> None:
    """A mesh that was moved off the field's surface, to where the field is white and empty, is still red."""
    red, white = torch.tensor([0.8, 0.1, 0.1]), torch.ones(3)
    field = Solid(sphere(0.6), rgb=lambda x: torch.where(x.norm(dim=-1, keepdim=True) < 0.625, red, white))
    light = clean(ball.mesh, CleanConfig(faces=600))
    off = unwrap(Mesh(light.vertices * 1.08, light.faces), resolution=64)
    config = BakeConfig(resolution=64)
    for with_surface, wanted in ((ball.mesh, red), (None, white)):
        corners = bake_colors(off, field, config, surface=with_surface).colors
        texels = texture_of(bake(off, field, config, surface=with_surface), "albedo") / 255
        assert np.abs(corners.mean(0).numpy() - wanted.numpy()).max() < 0.1
        assert np.abs(texels.mean((0, 1)) - wanted.numpy()).max() < 0.1


def test_points_are_put_onto_the_surface_beside_them(ball) -> None:
    points = ball.mesh.vertices.double().numpy()[::7] * 1.05
    assert np.abs(np.linalg.norm(put_onto(ball.mesh, points), axis=1) - 0.6).max() < 2e-3


def test_a_normal_map_of_the_mesh_itself_is_flat(ball) -> None:
    mesh = unwrap(ball.mesh, resolution=128)
    baked = bake(
        mesh, Solid(sphere(0.6)), BakeConfig(resolution=128, samples=1, normal_map=True), fine=ball.mesh
    )
    texel = texture_of(baked, "normal").astype(int)
    assert np.abs(np.median(texel, axis=(0, 1)) - [128, 128, 255]).max() <= 2


def test_baking_needs_uv(ball) -> None:
    with pytest.raises(InputError, match="texture coordinates"):
        bake(ball.mesh, Solid(sphere()))


def test_baking_is_deterministic(ball) -> None:
    mesh = unwrap(clean(ball.mesh, CleanConfig(faces=300)), resolution=64)
    one, two = (
        bake(mesh, Solid(sphere()), BakeConfig(resolution=64), fine=ball.mesh).textures for _ in range(2)
    )
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one, two, strict=True))


# ---- colour and shape helpers ----


def test_srgb_and_linear_are_inverse_and_match_known_values() -> None:
    c = np.linspace(0, 1, 256)
    assert np.allclose(linear_to_srgb(srgb_to_linear(c)), c, atol=1e-12)
    assert srgb_to_linear(np.array([0.5, 0.04045, 1.0])) == pytest.approx(
        [0.21404114, 0.0031308, 1.0], abs=1e-6
    )


def test_tangents_run_along_u_and_bitangents_along_v(ball) -> None:
    mesh = unwrap(clean(ball.mesh, CleanConfig(faces=1000)))
    frame, normal = tangents_of(mesh), normals_of(mesh)
    assert np.abs((frame[:, :3] * normal).sum(1)).max() < 1e-6
    a, b, c = mesh.faces.numpy().T
    x, uv = mesh.vertices.double().numpy(), mesh.uv.double().numpy()
    for p, q in ((a, b), (b, c), (c, a)):
        move, turn = x[q] - x[p], uv[q] - uv[p]
        along = (move * frame[p, :3]).sum(1)
        upward = (move * np.cross(normal[p], frame[p, :3]) * frame[p, 3:]).sum(1)
        assert np.corrcoef(along, turn[:, 0])[0, 1] > 0.9
        assert np.corrcoef(upward, turn[:, 1])[0, 1] > 0.9


def test_place_scales_the_longest_side_and_moves_the_origin(ring) -> None:
    mesh = place(ring.mesh, size=0.3, origin="base")
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    assert float((high - low).max()) == pytest.approx(0.3)
    assert float(low[1]) == pytest.approx(0, abs=1e-6)
    assert float(low[0] + high[0]) == pytest.approx(0, abs=1e-6)
    middle = place(ring.mesh, origin="centre").vertices
    assert (middle.amin(0) + middle.amax(0)).abs().max() < 1e-5
    assert torch.equal(place(ring.mesh).vertices, ring.mesh.vertices)


@pytest.mark.parametrize(
    ("text", "metres"),
    [("0.3m", 0.3), ("30 cm", 0.3), ("300mm", 0.3), ("12in", 0.3048), (".5", 0.5), ("2 FT", 0.6096)],
)
def test_sizes_are_read(text: str, metres: float) -> None:
    assert parse_size(text) == pytest.approx(metres)


@pytest.mark.parametrize("text", ["", "m", "-1m", "0m", "3 miles", "1e3m", "nan", "1..2m"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="size"):
        parse_size(text)
