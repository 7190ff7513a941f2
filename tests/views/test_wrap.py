"""Textures beyond their edges and corner colours in pictures: as the material says, by both renderers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dreamlab.core.types import Material, Mesh
from dreamlab.evaluate.surface_views import surface_views
from dreamlab.mesh.geometry.color import multiplied, sample
from dreamlab.views.render import render_mesh
from tests.views.test_render import RENDERERS, views

WRAPS = ["repeat", "mirror", "clamp"]
SIDE = 96
TEXELS = np.random.default_rng(0).integers(0, 256, (4, 4, 3)).astype(np.uint8)


def board(wrap: tuple[str, str], nearest: bool = False, colors: torch.Tensor | None = None) -> Mesh:
    """A square that fills much of the picture, with its texture from -1 to 2 each way."""
    corners = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    uv = torch.tensor([[-1.0, -1], [2, -1], [2, 2], [-1, 2]])
    material = Material(wrap=wrap, nearest=nearest)
    texture = (("albedo", torch.from_numpy(TEXELS)),)
    return Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]), None, colors, uv, texture, material)


def wanted(mesh: Mesh, at: np.ndarray) -> np.ndarray:
    """Colours at points [N,2] of the board."""
    return sample(TEXELS, at * 1.5 + 0.5, mesh.material)


def pixels_and_points() -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of pixels inside the board, and where on it they look."""
    inner = np.arange(12, SIDE - 12, 3)
    row, column = (a.reshape(-1) for a in np.meshgrid(inner, inner, indexing="ij"))
    reach = 3.5 * np.tan(0.3) * 2 / SIDE
    at = np.stack([(column + 0.5 - SIDE / 2) * reach, (SIDE / 2 - row - 0.5) * reach], 1)
    inside = np.abs(at).max(1) < 0.97
    return np.stack([row, column], 1)[inside], at[inside]


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("wrap_v", WRAPS)
@pytest.mark.parametrize("wrap_u", WRAPS)
def test_a_picture_wraps_as_the_material_says(renderer: str, wrap_u: str, wrap_v: str) -> None:
    mesh = board((wrap_u, wrap_v))
    picture = render_mesh(mesh, views(0.0, size=SIDE), "albedo", renderer=renderer)[0] / 255
    where, at = pixels_and_points()
    error = np.abs(picture[where[:, 0], where[:, 1]] - wanted(mesh, at))
    assert len(at) > 300 and error.mean() < 0.03


@pytest.mark.parametrize("width", [5, 6, 7])
@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_texture_may_have_any_width(renderer: str, width: int) -> None:
    columns = np.linspace(40, 220, width).astype(np.uint8)
    texture = np.stack([columns, 255 - columns, columns // 2], -1)[None].repeat(6, 0)
    mesh = replace(board(("clamp", "clamp"), nearest=True), textures=(("albedo", torch.from_numpy(texture)),))
    picture = render_mesh(mesh, views(0.0, size=SIDE), "albedo", renderer=renderer)[0]
    where, at = pixels_and_points()
    shown = picture[where[:, 0], where[:, 1]].astype(int)
    wanted = texture[0, ((at[:, 0] * 1.5 + 0.5) * width).clip(0, width - 1).astype(int)]
    assert (np.abs(shown - wanted).max(1) <= 2).mean() > 0.9


@pytest.mark.parametrize("renderer", RENDERERS)
def test_squares_stay_squares(renderer: str) -> None:
    picture = render_mesh(
        board(("repeat", "mirror"), nearest=True), views(0.0, size=SIDE), "albedo", renderer=renderer
    )[0]
    where, _ = pixels_and_points()
    shown = picture[where[:, 0], where[:, 1]].astype(int)
    distance = np.abs(shown[:, None] - TEXELS.reshape(1, -1, 3).astype(int)).max(-1).min(1)
    assert (distance <= 1).mean() > 0.5  # pixels on an edge hold two
    blended = render_mesh(board(("repeat", "mirror")), views(0.0, size=SIDE), "albedo", renderer=renderer)[0]
    shown = blended[where[:, 0], where[:, 1]].astype(int)
    distance = np.abs(shown[:, None] - TEXELS.reshape(1, -1, 3).astype(int)).max(-1).min(1)
    assert (distance <= 1).mean() < 0.1


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("style", ["albedo", "lit"])
def test_corner_colours_multiply_the_texture_in_pictures(renderer: str, style: str) -> None:
    """Which a texture that holds the product shows as well."""
    tint = torch.tensor([[0.2, 0.9, 0.5]]).expand(4, 3)
    tinted = board(("repeat", "repeat"), True, tint)
    product = multiplied(TEXELS / 255, np.broadcast_to(tint[0].double().numpy(), TEXELS.shape))
    texture = torch.from_numpy((product * 255 + 0.5).astype(np.uint8))
    whole = replace(board(("repeat", "repeat"), True), textures=(("albedo", texture),))
    one, two = (
        render_mesh(mesh, views(0.0, size=SIDE), style, renderer=renderer)[0] for mesh in (tinted, whole)
    )
    where, _ = pixels_and_points()
    difference = np.abs(one.astype(int) - two.astype(int))[where[:, 0], where[:, 1]]
    assert np.median(difference) <= 1 and difference.mean() < 3  # pixels on an edge blend before or after


def test_measured_views_wrap_and_multiply_as_pictures_do() -> None:
    mesh = board(("mirror", "repeat"))
    seen = surface_views(mesh, views(0.0, size=SIDE)).albedo[0].numpy()
    where, at = pixels_and_points()
    assert np.abs(seen[where[:, 0], where[:, 1]] - wanted(mesh, at)).mean() < 0.02
    half = torch.full((4, 3), 0.5)
    tinted = surface_views(replace(mesh, colors=half), views(0.0, size=SIDE)).albedo[0].numpy()
    product = multiplied(seen.astype(np.float64), np.full_like(seen, 0.5, np.float64))
    assert np.abs(tinted - product)[where[:, 0], where[:, 1]].max() < 1e-5
