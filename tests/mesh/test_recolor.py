from __future__ import annotations

import numpy as np
import pytest
import torch
from finish import finished
from PIL import ImageColor

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import texture_of
from dreamlab.mesh.surface.clean import CleanConfig, clean
from dreamlab.mesh.texture.bake import BakeConfig, Baked, bake_textures, bake_vertices
from dreamlab.mesh.texture.color_names import names_of, parse_color, plain_name
from dreamlab.mesh.texture.palette import Palette, PaletteConfig, lab_of, rgb_of
from dreamlab.mesh.texture.recolor import recolored
from dreamlab.mesh.texture.unwrap import unwrap
from dreamlab.stages import ExtractStageConfig, TextureStageConfig
from tests.mesh.analytic import Solid, sphere

RED, CREAM = torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.9, 0.85, 0.7])
ON = BakeConfig(resolution=128, palette=PaletteConfig(mode="on"))


def halves(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x[:, 1:2] > 0, RED, CREAM)


def rainbow(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([0.5 + 0.5 * torch.cos(9 * x[:, 0] + k) for k in (0.0, 2.1, 4.2)], -1)


@pytest.fixture(scope="module")
def light(ball) -> Mesh:
    return clean(ball.mesh, CleanConfig(faces=600))


@pytest.fixture(scope="module")
def baked(light) -> Baked:
    return bake_textures(unwrap(light, resolution=128), Solid(sphere(0.6), rgb=halves), ON)


def palette_of(*colors: str, gradient: np.ndarray | None = None) -> Palette:
    """Colours that hold the less of the surface the later they come."""
    count = len(colors)
    labels = np.repeat(np.arange(count), np.arange(count, 0, -1))
    given = np.zeros((4, count, 3)) if gradient is None else gradient
    rgb = np.stack([parse_color(color) for color in colors])
    return Palette(rgb, np.full((4, count), 1 / count), labels, given, 0.0)


def changed(palette: Palette, **changes: str) -> list[int]:
    """Which colours are others afterwards."""
    after = recolored(palette, {key.replace("hash", "#"): value for key, value in changes.items()})
    return np.nonzero((after.colors != palette.colors).any(1))[0].tolist()


# ---- names ----


@pytest.mark.parametrize("name", ["black", "grey", "white", "red", "orange", "yellow", "green", "cyan"])
def test_css_colours_of_a_plain_name_have_that_name(name: str) -> None:
    assert plain_name(parse_color(name)) == name


@pytest.mark.parametrize(
    ("css", "name"),
    [("navy", "blue"), ("crimson", "red"), ("gold", "yellow"), ("sienna", "brown"), ("ivory", "cream"),
     ("indigo", "purple"), ("hotpink", "pink"), ("darkgreen", "green"), ("wheat", "cream")],
)  # fmt: skip
def test_other_css_colours_have_the_name_that_people_give_them(css: str, name: str) -> None:
    assert plain_name(parse_color(css)) == name


def test_of_two_colours_with_one_name_the_smaller_is_numbered() -> None:
    small_first = palette_of("darkred", "red")._replace(labels=np.array([0, 1, 1]))
    assert names_of(small_first) == ("red_2", "red")
    assert names_of(palette_of("darkred", "navy", "red")) == ("red", "blue", "red_2")


def test_colours_are_read_as_css_has_them_and_nothing_else_is() -> None:
    for text in ("navy", "#2266cc", "#26c", " Rebeccapurple ", "rgb(1, 2, 3)"):
        assert np.array_equal(parse_color(text) * 255, ImageColor.getrgb(text.strip())[:3])
    with pytest.raises(InputError, match=r"the colour is not known.*'blurple'"):
        parse_color("blurple")


# ---- which colour is meant ----


def test_a_key_means_a_plain_name_a_code_or_a_near_css_colour() -> None:
    palette = palette_of("#b03028", "#f0f0e8", "#701010")
    assert names_of(palette) == ("red", "white", "red_2")
    assert changed(palette, red="navy") == [0]
    assert changed(palette, red_2="navy") == [2]
    assert changed(palette, hash701010="navy") == [2]
    assert changed(palette, maroon="navy") == [2]
    assert changed(palette, ivory="navy") == [1]


@pytest.mark.parametrize(
    ("key", "said"),
    [("green", "the object has no green"), ("#00ff00", "the object has no #00ff00"),
     ("blurple", "the colour is not known"), ("red_2", "not so many")],
)  # fmt: skip
def test_a_colour_that_is_not_there_is_refused_with_those_that_are(key: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        recolored(palette_of("#b03028", "#f0f0e8"), {key: "navy"})
    assert "one of red #b03028, white #f0f0e8" in str(caught.value)


def test_one_colour_by_two_names_is_refused() -> None:
    with pytest.raises(InputError, match="the same colour"):
        recolored(palette_of("#b03028"), {"red": "navy", "#b03028": "gold"})


def test_two_colours_can_change_places() -> None:
    palette = palette_of("#b03028", "#2030a0")
    swapped = recolored(palette, {"red": "#2030a0", "blue": "#b03028"})
    assert np.array_equal(swapped.colors, palette.colors[::-1])


# ---- gradients ----


def test_a_gradient_keeps_its_lightness_and_turns_with_the_hue() -> None:
    """Red towards orange by some angle becomes blue towards the next hue by the same angle, in L*a*b*."""
    slope = np.zeros((4, 1, 3))
    red = lab_of(parse_color("#b03028"))
    slope[:, 0] = [5.0, *(0.1 * np.array([-red[2], red[1]]))]  # turned by atan 0.1
    after = recolored(palette_of("#b03028", gradient=slope), {"red": "#2a3c90"})
    new, end = lab_of(after.colors[0]), lab_of(after.colors[0]) + after.gradient[0, 0]
    assert end[0] - new[0] == pytest.approx(5.0)
    turn = np.angle(complex(*end[1:]) / complex(*new[1:]))
    assert turn == pytest.approx(np.arctan(0.1), abs=1e-6)


def test_a_gradient_of_chroma_is_lessened_towards_grey_and_that_of_grey_is_left() -> None:
    slope = np.full((4, 1, 3), 4.0)
    to_grey = recolored(palette_of("#b03028", gradient=slope), {"red": "#808080"}).gradient
    assert np.abs(to_grey[..., 1:]).max() < 0.1 and (to_grey[..., 0] == 4).all()
    from_grey = recolored(palette_of("#808080", gradient=slope), {"grey": "#b03028"}).gradient
    assert np.array_equal(from_grey, slope)


# ---- meshes ----


def test_recolouring_a_texture_is_the_same_as_baking_the_other_colours(light, baked) -> None:
    """But for what k-means rounds: one texel level."""
    flat = unwrap(light, resolution=128)
    navy = torch.from_numpy(parse_color("navy")).float()
    wanted = bake_textures(
        flat, Solid(sphere(0.6), rgb=lambda x: torch.where(x[:, 1:2] > 0, navy, CREAM)), ON
    ).mesh
    got = baked.repaint(recolored(baked.palette, {"red": "navy"}))
    a, b = (texture_of(mesh, "albedo").reshape(-1, 3).astype(int) for mesh in (got, wanted))
    close = np.abs(a - b).max(1) <= 2
    assert close.mean() > 0.97  # borders are found amid other blurs


def test_recolouring_with_the_same_colours_changes_no_byte(baked) -> None:
    again = baked.repaint(baked.palette)
    assert torch.equal(dict(again.textures)["albedo"], dict(baked.mesh.textures)["albedo"])


def test_vertex_colours_are_recoloured_too(light) -> None:
    found = bake_vertices(light, Solid(sphere(0.6), rgb=halves), ON)
    got = found.repaint(recolored(found.palette, {"red": "navy"}))
    was_red = found.mesh.colors[:, 0] - found.mesh.colors[:, 2] > 0.5
    assert was_red.any() and (got.colors[was_red] - torch.tensor([0, 0, 128 / 255])).abs().max() < 1e-3
    assert torch.equal(got.colors[~was_red], found.mesh.colors[~was_red])


# ---- the stage ----

SHAPE = ExtractStageConfig(resolution=32)


def test_the_stage_recolours_and_still_measures_the_object_as_it_was() -> None:
    field = Solid(sphere(0.6), rgb=halves)
    how = TextureStageConfig(resolution=64, palette=PaletteConfig(mode="on"))
    plain, before = finished(field, SHAPE, how)
    other, after = finished(field, SHAPE, how.model_copy(update={"recolor": {"red": "#0000ff"}}))
    assert before == after
    blue = (texture_of(other, "albedo") == [0, 0, 255]).all(-1).mean()
    assert blue > 0.2 and (texture_of(plain, "albedo") == [0, 0, 255]).all(-1).mean() == 0


@pytest.mark.parametrize("mode", ["off", "auto"])
def test_an_object_without_a_palette_is_not_recoloured_but_told_of(mode: str) -> None:
    how = TextureStageConfig(resolution=64, palette=PaletteConfig(mode=mode), recolor={"red": "navy"})
    with pytest.raises(InputError, match=r"no palette.*--palette on"):
        finished(Solid(sphere(0.6), rgb=rainbow), SHAPE, how)


def test_a_value_that_is_no_colour_is_refused_with_the_settings() -> None:
    with pytest.raises(InputError, match="the colour is not known"):
        TextureStageConfig(recolor={"red": "blurple"})


def test_the_palette_of_known_colours_reads_back_through_lab() -> None:
    assert np.allclose(rgb_of(lab_of(parse_color("#2266cc"))), parse_color("#2266cc"), atol=1e-6)
