"""Pictures as people have them: turned by their camera, deep, in palettes, in ink, transparent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from dreamlab.core.errors import InputError
from dreamlab.priors.diffusers.picture import read_image
from dreamlab.priors.diffusers.zero123 import Zero123PriorConfig

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
RGB = Image.fromarray(PIXELS)


def saved(image: Image.Image, file: Path, **settings: Any) -> torch.Tensor:
    image.save(file, **settings)
    return read_image(file)


def as_read(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image.convert("RGB"), np.float32) / 127.5 - 1).permute(2, 0, 1)[None]


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("ending", ["png", "webp", "tiff"])
def test_a_picture_stands_as_its_camera_was_held(tmp_path: Path, orientation: int, ending: str) -> None:
    """Pillow's exif_transpose is the oracle; 0 and 9 mean nothing."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"lossless": True} if ending == "webp" else {}
    got = saved(RGB, tmp_path / f"p.{ending}", exif=exif, **lossless)
    with Image.open(tmp_path / f"p.{ending}") as opened:
        wanted = ImageOps.exif_transpose(opened)
    torch.testing.assert_close(got, as_read(wanted))
    if 1 < orientation < 9:
        assert not torch.equal(got, as_read(RGB))


def test_a_tall_picture_that_was_turned_is_still_not_square(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    RGB.crop((0, 0, 6, 4)).save(tmp_path / "p.png", exif=exif)
    with pytest.raises(InputError, match="is not square; got 4x6"):
        read_image(tmp_path / "p.png")


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGBA"])
def test_modes_of_png_are_their_colours(tmp_path: Path, mode: str) -> None:
    image = RGB.convert(mode)
    torch.testing.assert_close(saved(image, tmp_path / "p.png"), as_read(image))


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "YCbCr"])
def test_other_colour_spaces_become_rgb(tmp_path: Path, mode: str) -> None:
    image = RGB.convert(mode)
    torch.testing.assert_close(saved(image, tmp_path / "p.tiff"), as_read(image))


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path: Path) -> None:
    deep = PIXELS[..., 0].astype(np.uint16) * 257
    got = saved(Image.fromarray(deep), tmp_path / "p.png")
    torch.testing.assert_close(got[0, 0], torch.from_numpy(PIXELS[..., 0] / 127.5 - 1).float())


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    half = RGB.convert("RGBA")
    half.putalpha(128)
    got = saved(half, tmp_path / "p.png")
    wanted = Image.alpha_composite(Image.new("RGBA", half.size, "white"), half)
    assert float((got - as_read(wanted)).abs().max()) <= 1.01 / 127.5  # Pillow rounds down in between
    palette = RGB.convert("P")
    palette.info["transparency"] = bytes(256)  # all of it clear
    assert (saved(palette, tmp_path / "q.png", transparency=bytes(256)) == 1).all()


@pytest.mark.parametrize("kind", ["EPS", "PPM", "PDF", "ICO"])
def test_formats_that_are_not_named_are_refused(tmp_path: Path, kind: str) -> None:
    """Pillow starts Ghostscript for EPS, whatever the file is called."""
    RGB.save(tmp_path / "p.png", format=kind)
    with pytest.raises(InputError, match=r"the picture .*p\.png cannot be read; expected PNG"):
        read_image(tmp_path / "p.png")


def test_numbers_without_a_white_and_files_that_are_gone_are_said(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "p.tiff")
    with pytest.raises(InputError, match="holds floating point numbers"):
        read_image(tmp_path / "p.tiff")
    with pytest.raises(InputError, match=r"cannot read the picture .*No such file"):
        read_image(tmp_path / "gone.png")


def test_a_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Zero123PriorConfig(model="x/y", image=Path("~/p.png")).image == tmp_path / "p.png"
