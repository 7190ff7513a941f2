"""Pictures as people have them, the object cut out of them, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dreamlab.core.errors import InputError
from dreamlab.pictures.config import ImageConfig
from dreamlab.pictures.cutout import CutOut, cut_out
from dreamlab.pictures.framing import framed_picture, picture_camera, sphere_outline
from dreamlab.pictures.read import read_rgba
from dreamlab.run.pictures import prepared
from dreamlab.studio.render import render_views

RED = np.array([204, 51, 26], np.float32)


def disc(height: int = 60, width: int = 80, at: tuple[float, float] = (30.0, 32.0), radius: float = 14.5):
    """The opacity of an antialiased disc."""
    y, x = np.mgrid[0:height, 0:width]
    return np.clip(radius - np.hypot(x - at[0], y - at[1]) + 0.5, 0, 1).astype(np.float32)


def on(background: np.ndarray, opacity: np.ndarray | None = None) -> Image.Image:
    """A red disc before a background [H,W,3] of 0..255."""
    solid = (disc() if opacity is None else opacity)[..., None]
    return Image.fromarray((solid * RED + (1 - solid) * background).round().astype(np.uint8))


def clear() -> Image.Image:
    rgba = np.concatenate([np.broadcast_to(RED, (60, 80, 3)), 255 * disc()[..., None]], -1)
    return Image.fromarray(rgba.round().astype(np.uint8))


def plain(value: float = 235) -> np.ndarray:
    return np.full((60, 80, 3), value, np.float32)


def cut(image: Image.Image, file: Path, **settings: object) -> CutOut:
    image.save(file, **settings)
    return cut_out(read_rgba(file).rgba, file.name)


def as_the_disc(found: CutOut, tolerance: float = 0.02) -> None:
    np.testing.assert_allclose(found.opacity, disc(), atol=tolerance)
    np.testing.assert_allclose(found.premultiplied, disc()[..., None] * RED / 255, atol=tolerance)


# ---- what is cut out ----


def test_alpha_is_taken_as_it_is(tmp_path: Path) -> None:
    found = cut(clear(), tmp_path / "p.png")
    assert found.by == "alpha"
    as_the_disc(found)


@pytest.mark.parametrize("slope", [0.0, 0.6])
def test_a_plain_background_and_one_that_changes_evenly_are_taken_out(tmp_path: Path, slope: float) -> None:
    """The disc's own antialiased opacity is the oracle: at its edge the background's share is gone."""
    background = plain() - slope * np.arange(80, dtype=np.float32)[None, :, None]
    found = cut(on(background), tmp_path / "p.png")
    assert found.by == "plain"
    as_the_disc(found, 0.05)


def test_noise_of_a_jpeg_changes_little(tmp_path: Path) -> None:
    found = cut(on(plain()), tmp_path / "p.jpg", quality=80)
    assert np.abs(found.opacity - disc()).mean() < 0.01


def test_patches_of_the_backgrounds_colour_inside_the_object_stay(tmp_path: Path) -> None:
    image = np.asarray(on(plain())).copy()
    image[28:36, 26:34] = 235
    found = cut(Image.fromarray(image), tmp_path / "p.png")
    assert (found.opacity[28:36, 26:34] == 1).all()


def test_dust_is_left_out(tmp_path: Path) -> None:
    image = np.asarray(on(plain())).copy()
    image[2:4, 70:72] = 0
    assert not cut(Image.fromarray(image), tmp_path / "p.png").opacity[:6, 66:].any()


def test_thin_parts_stay(tmp_path: Path) -> None:
    opacity = disc()
    opacity[31:33, 44:76] = 1
    assert (cut(on(plain(), opacity), tmp_path / "p.png").opacity[31:33, 50:76] > 0.9).all()


# ---- what is read ----


@pytest.mark.parametrize("mode", ["LA", "L", "P", "CMYK"])
def test_other_modes_are_cut_out_too(tmp_path: Path, mode: str) -> None:
    ending = "tiff" if mode == "CMYK" else "png"
    source = clear() if mode in ("LA", "P") else on(plain())
    found = cut(source.convert(mode), tmp_path / f"p.{ending}")
    assert np.abs(found.opacity - disc()).mean() < 0.02
    assert found.by == ("alpha" if mode in ("LA", "P") else "plain")


def test_a_palette_with_a_clear_colour_has_alpha(tmp_path: Path) -> None:
    image = Image.fromarray((disc() > 0.5).astype(np.uint8), "P")
    image.putpalette([255, 255, 255, *map(int, RED)])
    found = cut(image, tmp_path / "p.png", transparency=0)
    assert found.by == "alpha" and ((found.opacity == 1) == (disc() > 0.5)).all()


def test_sixteen_bits_are_read_whole(tmp_path: Path) -> None:
    deep = ((1 - 0.8 * disc()) * 60000).astype(np.uint16)
    assert np.abs(cut(Image.fromarray(deep), tmp_path / "p.png").opacity - disc()).mean() < 0.02


def test_a_picture_is_turned_as_its_camera_was_held(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is at the right
    found = cut(on(plain()), tmp_path / "p.jpg", exif=exif, quality=95)
    assert found.opacity.shape == (80, 60)
    np.testing.assert_allclose(found.opacity, np.rot90(disc(), -1), atol=0.4)


def test_of_an_animation_the_first_frame_is_taken_and_that_is_said(tmp_path: Path) -> None:
    frames = [on(plain()), on(plain(100))]
    frames[0].save(tmp_path / "p.webp", save_all=True, append_images=frames[1:], lossless=True)
    (one,) = prepared([ImageConfig(path=tmp_path / "p.webp")])
    assert one.said[0] == "p.webp holds 2 pictures, of which the first is taken"
    assert "plain background" in one.said[1]


def test_a_large_picture_is_made_smaller_with_its_clear_colours_left_out(tmp_path: Path) -> None:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[:, 32:] = (200, 100, 50, 255)
    Image.fromarray(rgba).save(tmp_path / "p.png")
    small = read_rgba(tmp_path / "p.png", 10).rgba
    assert max(small.shape[:2]) <= 10
    solid = small[..., 3] > 0
    assert np.abs(small[solid][:, :3].astype(int) - (200, 100, 50)).max() <= 1


# ---- what is refused ----


def refused(tmp_path: Path, image: Image.Image, ending: str = "png", **settings: object) -> str:
    image.save(tmp_path / f"p.{ending}", **settings)
    with pytest.raises(InputError) as caught:
        prepared([ImageConfig(path=tmp_path / f"p.{ending}")])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_picture_without_a_subject_is_refused(tmp_path: Path) -> None:
    assert "shows no object; got it is of one colour everywhere" in refused(tmp_path, on(plain(), 0 * disc()))
    empty = Image.new("RGBA", (40, 40), (9, 9, 9, 0))
    assert "shows no object; got it is transparent everywhere" in refused(tmp_path, empty)
    assert "shows no object" in refused(tmp_path, Image.new("RGB", (1, 1), "red"))


def test_a_background_that_is_not_plain_is_refused_with_the_mend(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.float32)
    line = refused(tmp_path, on(noise))
    assert "has no plain background" in line and "alpha channel" in line


def test_a_picture_of_far_too_many_pixels_is_refused(tmp_path: Path) -> None:
    assert "is too large; expected at most 178 million pixels" in refused(
        tmp_path, Image.new("1", (20000, 20000))
    )


def test_what_is_damaged_missing_or_no_picture_is_refused(tmp_path: Path) -> None:
    on(plain()).save(tmp_path / "p.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "p.png").read_bytes()[:300])
    (tmp_path / "text.png").write_text("no picture")
    for name, line in (
        ("half.png", "breaks off or is damaged"),
        ("text.png", "cannot be read"),
        ("gone.png", "cannot read the picture"),
    ):
        with pytest.raises(InputError, match=line):
            prepared([ImageConfig(path=tmp_path / name)])


# ---- framing ----


def test_a_framed_disc_has_the_outline_of_the_sphere_times_its_fill(tmp_path: Path) -> None:
    cut_disc = cut(clear(), tmp_path / "p.png")
    for fill in (0.6, 1.0):
        _, opacity = framed_picture(cut_disc, 40.0, fill, 256)
        rows, columns = (opacity[..., 0] > 0.5).nonzero().T
        across = float(columns.max() - columns.min() + 1) / 256
        assert across == pytest.approx(fill * sphere_outline(40.0), abs=0.05)  # of 31 pixels
        assert float(rows.float().mean()) == pytest.approx(127.5, abs=3)


def test_the_outline_of_the_sphere_is_that_of_a_rendered_one() -> None:
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=5)
    camera = picture_camera(0.0, 15.0, 40.0, 256)
    view = [v.numpy() for v in (camera.azimuth, camera.elevation, camera.distance, camera.fovy)]
    seen = render_views(ball.vertices, ball.faces, np.ones((len(ball.faces), 3)), *view, size=256)[0, ..., 3]
    assert (seen.sum() / np.pi) ** 0.5 / 128 == pytest.approx(sphere_outline(40.0), abs=0.005)


def test_the_camera_of_a_picture_stands_where_it_says() -> None:
    camera = picture_camera(90.0, 0.0, 40.0)
    torch.testing.assert_close(camera.c2w[0, 0, 3], camera.distance[0])  # on +X


def test_an_object_at_the_edge_of_its_picture_is_framed_whole() -> None:
    opacity = disc(60, 80, at=(3.0, 30.0))
    colors = opacity[..., None] * np.array([0.2, 0.4, 0.6], np.float32)
    color, framed = framed_picture(CutOut(colors, opacity, "alpha"), 40.0, 0.9, 128)
    solid = framed[..., 0] > 0.99
    wanted = torch.tensor([0.2, 0.4, 0.6]).expand(int(solid.sum()), 3)
    torch.testing.assert_close(color[solid], wanted, atol=0.01, rtol=0)
    assert float(framed.mean()) > 0.2
