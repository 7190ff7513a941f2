from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from finish import finished

from dreamlab.core.types import Mesh
from dreamlab.evaluate.field_fidelity import (
    PALETTE_LOSS,
    PALETTE_TYPICAL,
    Pictures,
    compared,
    faithful,
    fidelity,
    field_pictures,
)
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.color import sample, texture_of
from dreamlab.mesh.surface.clean import CleanConfig, clean
from dreamlab.mesh.surface.silhouettes import survey_cameras
from dreamlab.mesh.texture.bake import BakeConfig, bake_textures, bake_vertices, texels
from dreamlab.mesh.texture.palette import FLAT, PaletteConfig, find_palette, lab_of
from dreamlab.mesh.texture.palette_colors import MERGE, find_colors, merged, weighted_median
from dreamlab.mesh.texture.refine import refine
from dreamlab.mesh.texture.surface_graph import SurfaceGraph
from dreamlab.mesh.texture.unwrap import unwrap
from dreamlab.stages import CleanStageConfig, ExtractStageConfig, SimplifyStageConfig, TextureStageConfig
from tests.mesh.analytic import Solid, sphere

RED, CREAM, BLACK = (torch.tensor(c) for c in ([0.8, 0.1, 0.1], [0.9, 0.85, 0.7], [0.02, 0.02, 0.05]))
SIDE = 256
EDGE = 2 * 1.2 / 48  # two edges of the labelled surface: as well as borders are known amid noise


def noise(x: torch.Tensor, strength: float, scale: float, seed: int = 0) -> torch.Tensor:
    """24 plane waves a channel: standard deviation strength / sqrt(2)."""
    draw = torch.Generator().manual_seed(seed)
    total = torch.zeros(len(x), 3)
    for _ in range(24):
        way, phase = torch.randn(3, 3, generator=draw) * scale, torch.rand(3, generator=draw) * 6.28
        total += torch.sin(x @ way + phase)
    return strength * total / 24**0.5


def halves(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x[:, 1:2] > 0, RED, CREAM)


def with_eye(x: torch.Tensor) -> torch.Tensor:
    """2 % of the ball: a cap of height h holds h / (2 r) of it."""
    way = torch.tensor([0.5, 0.5, 0.7])
    near = torch.nn.functional.normalize(x, dim=-1) @ (way / way.norm()) > 1 - 2 * 0.02
    return torch.where(near[:, None], BLACK, halves(x))


def slope(x: torch.Tensor) -> torch.Tensor:
    return (x[:, 1:2] / 1.2 + 0.5) * torch.tensor([0.7, 0.5, 0.1]) + torch.tensor([0.15, 0.2, 0.3])


def photographic(x: torch.Tensor) -> torch.Tensor:
    return 0.5 + noise(x, 0.18, 6) + noise(x, 0.12, 18, 1) + noise(x, 0.08, 50, 2)


def rainbow(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([0.5 + 0.5 * torch.cos(4 * x[:, 0] + k) for k in (0.0, 2.1, 4.2)], -1)


def marble(x: torch.Tensor) -> torch.Tensor:
    vein = 0.5 + 0.5 * torch.sin(10 * x[:, :1] + 3 * noise(x, 1.0, 4, 3)[:, :1])
    return vein**2 * torch.tensor([0.2, 0.2, 0.25]) + (1 - vein**2) * torch.tensor([0.9, 0.88, 0.85])


def solid(rgb) -> Solid:
    return Solid(sphere(0.6), rgb=rgb)


def noisy(rgb):
    return lambda x: rgb(x) + noise(x, 0.06, 40, 5)


def config(mode: str = "on", **settings) -> BakeConfig:
    return BakeConfig(resolution=SIDE, palette=PaletteConfig(mode=mode, **settings))


@pytest.fixture(scope="module")
def flat(ball) -> Mesh:
    return unwrap(clean(ball.mesh, CleanConfig(faces=800)), resolution=SIDE)


def delta(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(lab_of(np.asarray(a, dtype=float)) - lab_of(np.asarray(b, dtype=float)), axis=-1)


def test_two_noisy_halves_become_two_colours_with_a_sharp_border(flat) -> None:
    baked = bake_textures(flat, solid(noisy(halves)), config())
    palette = baked.palette
    assert len(palette.colors) == 2
    for true in (RED, CREAM):
        assert delta(palette.colors, true.numpy()).min() < 2
    texel, position, *_ = texels(flat, SIDE)
    image = texture_of(baked.mesh, "albedo").reshape(-1, 3)[texel]
    for side, true in ((1, RED), (-1, CREAM)):
        # away from the equator all are equal, to the byte, and the right ones
        own = image[side * position[:, 1] > EDGE]
        assert (own == own[0]).all()
        assert delta(own[0] / 255, true.numpy()) < 2


def test_a_small_eye_survives(flat) -> None:
    palette = bake_textures(flat, solid(noisy(with_eye)), config()).palette
    assert len(palette.colors) == 3
    for true in (RED, CREAM, BLACK):
        assert delta(palette.colors, true.numpy()).min() < 3


def test_a_smooth_gradient_stays_one(flat) -> None:
    baked = bake_textures(flat, solid(slope), config())
    texel, position, *_ = texels(flat, SIDE)
    true = slope(torch.from_numpy(position).float()).numpy()
    error = delta(texture_of(baked.mesh, "albedo").reshape(-1, 3)[texel] / 255, true)
    assert np.quantile(error, 0.9) < 3
    assert baked.palette.gradient.any()


def test_a_photograph_turns_auto_off_and_is_left_as_it_is(flat, caplog) -> None:
    plain = bake_textures(flat, solid(photographic), BakeConfig(resolution=SIDE))
    with caplog.at_level("INFO"):
        baked = bake_textures(flat, solid(photographic), config("auto"))
    assert baked.palette is None and baked.plain is None
    assert caplog.text.count("no palette") == 1
    assert torch.equal(dict(baked.mesh.textures)["albedo"], dict(plain.mesh.textures)["albedo"])


def pictures(field: Any) -> Pictures:
    return field_pictures(field, survey_cameras(6, 80))


@pytest.mark.parametrize("rgb", [rainbow, marble])
def test_smooth_colours_of_many_hues_are_not_posterised_by_auto(flat, rgb) -> None:
    """Whether the palette's own measure says so, or the pictures."""
    baked = bake_textures(flat, solid(rgb), config("auto"))
    mesh, _ = faithful(baked, pictures(solid(rgb)), "auto")
    assert baked.palette is None or mesh is baked.plain


def test_auto_paints_what_is_flat_by_parts(flat) -> None:
    assert len(bake_textures(flat, solid(noisy(halves)), config("auto")).palette.colors) == 2


def test_pictures_that_get_worse_turn_auto_off(flat, caplog) -> None:
    """A palette that passes by its own measure, of a mesh whose pictures it spoils."""
    field = solid(halves)
    baked = bake_textures(flat, field, config())
    black = {k: torch.zeros_like(v) for k, v in baked.mesh.textures}
    spoilt = baked._replace(mesh=replace(baked.mesh, textures=tuple(black.items())))
    with caplog.at_level("INFO"):
        mesh, likeness = faithful(spoilt, pictures(field), "auto")
    assert mesh is baked.plain and likeness == fidelity(baked.plain, field)
    assert "no palette" in caplog.text
    assert faithful(spoilt, pictures(field), "on")[0] is spoilt.mesh


def test_vertex_colours_are_painted_too(flat) -> None:
    mesh = clean(flat, CleanConfig(faces=800))
    baked = bake_vertices(mesh, solid(noisy(halves)), config())
    height = baked.mesh.vertices[:, 1]
    for side in (height > 2 * EDGE, height < -2 * EDGE):  # borders are as sharp as the mesh's own edges
        assert (baked.mesh.colors[side] == baked.mesh.colors[side][0]).all()
    assert len(baked.mesh.colors.unique(dim=0)) == 2


def test_painting_is_deterministic(flat) -> None:
    one, two = (bake_textures(flat, solid(noisy(halves)), config()).mesh.textures for _ in range(2))
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one, two, strict=True))


def test_the_order_of_corners_does_not_matter(flat) -> None:
    vertices, faces = topo.weld(flat.vertices.double().numpy(), flat.faces.numpy())
    colors = with_eye(torch.from_numpy(vertices).float()).numpy()
    order = np.random.default_rng(1).permutation(len(vertices))
    place = np.argsort(order)
    one = find_palette(vertices, faces, colors)
    two = find_palette(vertices[order], place[faces], colors[order])
    assert np.abs(one.probability[order] - two.probability).max() < 1e-6
    assert np.allclose(one.colors, two.colors, atol=1e-9)


def test_both_sides_of_a_seam_show_the_same_colour(flat) -> None:
    """A seam's middle, read on both charts: the same but where a border runs through it."""
    image = texture_of(bake_textures(flat, solid(noisy(halves)), config()).mesh, "albedo")
    x, uv, faces = flat.vertices.double().numpy(), flat.uv.double().numpy(), flat.faces.numpy()
    edges = topo.directed_edges(faces)
    middle = x[edges].mean(1)
    _, same = topo.unique_rows(middle)
    order = np.argsort(same, kind="stable")
    pairs = np.stack([order[:-1], order[1:]], 1)[np.diff(same[order]) == 0]
    sides = [sample(image, uv[edges[pairs[:, k]]].mean(1)) for k in (0, 1)]
    far = np.abs(middle[pairs[:, 0], 1]) > EDGE
    assert np.abs(sides[0] - sides[1])[far].max() < 1 / 255


# ---- the parts ----


@pytest.mark.parametrize("most", [1, 3, 8])
def test_there_are_never_more_colours_than_allowed(most: int) -> None:
    lab = np.random.default_rng(0).uniform([0, -80, -80], [100, 80, 80], (2000, 3))
    assert len(find_colors(lab, np.ones(2000), most)) <= most


def test_colours_closer_than_the_limit_are_merged_by_weight() -> None:
    color, share = np.array([[50.0, 0, 0], [50 + 0.8 * MERGE, 0, 0], [50, 60, 0]]), np.array([3.0, 1.0, 1.0])
    found = merged(color, color, share)
    assert len(found) == 2
    assert np.abs(found - [50 + 0.2 * MERGE, 0, 0]).sum(1).min() < 1e-9


def test_the_median_is_weighted() -> None:
    values = np.array([[0.0, 9.0], [1.0, 5.0], [10.0, 1.0]])
    assert weighted_median(values, np.array([1.0, 1.0, 5.0])).tolist() == [10.0, 1.0]
    assert weighted_median(values, np.ones(3)).tolist() == [1.0, 5.0]


def test_refining_keeps_the_surface_closed_and_its_edges_short(ball) -> None:
    mesh = clean(ball.mesh, CleanConfig(faces=300))
    vertices, faces = mesh.vertices.double().numpy(), mesh.faces.numpy()
    fine, split = refine(vertices, faces, 0.05)
    ends = fine[topo.directed_edges(split)]
    assert np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1).max() <= 0.05
    assert topo.is_closed(split)
    area = [topo.face_normals(v, f)[1].sum() for v, f in ((vertices, faces), (fine, split))]
    assert area[0] == pytest.approx(area[1], rel=1e-9)


def test_diffusion_keeps_constants_and_the_integral(ball) -> None:
    graph = SurfaceGraph(*topo.weld(ball.mesh.vertices.double().numpy(), ball.mesh.faces.numpy()))
    x = np.random.default_rng(0).normal(size=(len(graph.vertices), 1))
    smooth = graph.diffusion(0.1)
    assert np.allclose(smooth(np.ones_like(x)), 1, atol=1e-6)
    assert graph.area @ smooth(x) == pytest.approx(graph.area @ x, rel=1e-5, abs=1e-6)
    assert np.std(smooth(x)) < 0.3 * np.std(x)


def test_one_face_and_none_are_painted_or_left(flat) -> None:
    grey = solid(lambda x: torch.full_like(x, 0.4))
    corners = torch.tensor([[0.0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]])
    face = Mesh(corners, torch.tensor([[0, 1, 2]]), uv=corners[:, :2] + 0.2)
    baked = bake_textures(face, grey, config())
    assert delta(baked.palette.colors[0], np.full(3, 0.4)) < 0.5 and baked.palette.error < FLAT
    none = replace(face, faces=face.faces[:0])
    assert bake_vertices(none, grey, config()).palette is None


@pytest.mark.slow
def test_a_run_says_how_many_colours_it_was_painted_in() -> None:
    stages = (
        ExtractStageConfig(resolution=32, iso=100.0),
        CleanStageConfig(),
        SimplifyStageConfig(faces=300),
        TextureStageConfig(**config("auto").model_dump()),
    )
    assert finished(solid(halves), *stages)[1]["colors"] == 2
    assert finished(solid(photographic), *stages)[1]["colors"] == 0


def test_auto_paints_where_only_soft_borders_differ(flat) -> None:
    """Two flat colours that run into each other: sharp paint costs the pictures more than two decibels."""

    def soft(x: torch.Tensor) -> torch.Tensor:
        share = torch.sigmoid(x[:, 1:2] / 0.03)
        return share * RED + (1 - share) * CREAM

    baked = bake_textures(flat, solid(soft), config())
    assert baked.plain is not None
    shown = pictures(solid(soft))
    painted, plain = (compared(mesh, shown) for mesh in (baked.mesh, baked.plain))
    assert plain.inside - painted.inside > PALETTE_LOSS and painted.typical > PALETTE_TYPICAL
    assert faithful(baked, shown, "auto")[0] is baked.mesh
