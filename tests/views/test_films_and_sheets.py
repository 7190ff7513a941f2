from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from dreamlab.core.errors import InputError
from dreamlab.views.contact import contact_sheet, write_contact_sheet
from dreamlab.views.turntable import turntable_cameras, write_turntable, write_video


def decoded(path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def webp_frames(path) -> list[np.ndarray]:
    image = Image.open(path)
    out = []
    for k in range(image.n_frames):
        image.seek(k)
        out.append(np.asarray(image.convert("RGBA")))
    return out


def test_a_turntable_turns_once_and_shows_the_object(colored, tmp_path) -> None:
    paths = [tmp_path / "turn.mp4", tmp_path / "turn.webp"]
    write_turntable(colored, paths, frames=8, size=96, renderer="native")
    film, loop = decoded(paths[0]), webp_frames(paths[1])
    assert len(film) == len(loop) == 8
    assert film[0].shape == (96, 96, 3)
    red = [
        f[..., 0].astype(int) - f[..., 2] for f in film
    ]  # red is on the right of the first view, blue left
    assert red[0][52, 70] > 40 > -40 > red[0][52, 26]
    assert red[4][52, 26] > 40 > -40 > red[4][52, 70]
    assert np.abs(film[0].astype(int) - loop[0][..., :3]).mean() < 8


def test_the_object_fits_the_frame_from_every_side(colored, tmp_path) -> None:
    write_turntable(colored, tmp_path / "t.webp", frames=6, size=64, background=None, renderer="native")
    for picture in webp_frames(tmp_path / "t.webp"):
        alpha = picture[..., 3]
        assert max(alpha[0].max(), alpha[-1].max(), alpha[:, 0].max(), alpha[:, -1].max()) < 40
        assert (alpha > 128).mean() > 0.15


def test_odd_sizes_make_a_film_too(tmp_path) -> None:
    write_video([np.full((33, 47, 3), k * 50, np.uint8) for k in range(5)], tmp_path / "odd.mp4")
    assert [f.shape for f in decoded(tmp_path / "odd.mp4")] == [(32, 46, 3)] * 5


@pytest.mark.parametrize(
    ("name", "background", "word"),
    [
        ("t.gif", (1.0, 1.0, 1.0), ".webp"),
        ("t.mp4", None, "transparent"),
        ("no/t.webp", (1.0, 1.0, 1.0), "could not write"),
    ],
)
def test_films_that_cannot_be_are_refused(name: str, background, word: str, colored, tmp_path) -> None:
    with pytest.raises(InputError, match=word):
        write_turntable(
            colored, tmp_path / name, frames=2, size=32, background=background, renderer="native"
        )
    assert list(tmp_path.iterdir()) == []


def test_cameras_start_at_the_front() -> None:
    cameras = turntable_cameras(4, 32)
    assert float(cameras.azimuth[0]) == 0
    assert len(cameras) == 4 and cameras.size == (32, 32)


def test_a_sheet_holds_every_picture_in_its_place() -> None:
    pictures = [np.full((40, 40, 3), 30 * k, np.uint8) for k in range(1, 6)]
    sheet = contact_sheet(pictures, columns=3, gap=10)
    assert sheet.shape == (10 + 2 * 50, 10 + 3 * 50, 3)
    for k in range(5):
        y, x = 10 + k // 3 * 50 + 20, 10 + k % 3 * 50 + 20
        assert (sheet[y, x] == 30 * (k + 1)).all()
    assert (sheet[85, 135] == 255).all()


def test_captions_are_drawn_under_their_pictures_and_cut_to_fit() -> None:
    pictures = [np.full((60, 60, 3), 255, np.uint8)] * 2
    sheet = contact_sheet(pictures, ["a", "word " * 50 + "🍄"], columns=2)
    ink = (sheet < 128).all(-1)
    assert ink[68:, 8:68].any() and ink[68:, 76:136].any()
    assert not ink[:, 68:76].any() and not ink[:68].any()


def test_mixed_sizes_and_transparency_are_taken(tmp_path) -> None:
    clear = np.zeros((50, 30, 4), np.uint8)
    write_contact_sheet(tmp_path / "s.png", [clear, np.zeros((80, 80, 3), np.uint8)], ["x", "y"])
    assert (np.asarray(Image.open(tmp_path / "s.png"))[10, 10] == 255).all()


def test_a_transparent_sheet_has_no_paper(tmp_path) -> None:
    picture = np.full((40, 40, 4), (200, 10, 10, 128), np.uint8)
    write_contact_sheet(tmp_path / "s.png", [picture], ["HH"], transparent=True)
    sheet = np.asarray(Image.open(tmp_path / "s.png"))
    assert sheet[20, 20].tolist() == [200, 10, 10, 128] and sheet[2, 2, 3] == 0
    assert (sheet[50:, :, 3] > 100).any()  # the ink of the caption
    with pytest.raises(InputError, match="JPEG"):
        write_contact_sheet(tmp_path / "s.jpg", [picture], transparent=True)


def test_sheets_that_cannot_be_are_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="pictures"):
        contact_sheet([])
    with pytest.raises(InputError, match="caption"):
        contact_sheet([np.zeros((8, 8, 3), np.uint8)], ["a", "b"])
    with pytest.raises(InputError, match="image format"):
        write_contact_sheet(tmp_path / "s.xyz", [np.zeros((8, 8, 3), np.uint8)])
    assert list(tmp_path.iterdir()) == []


def test_the_same_pictures_are_the_same_film_however_busy_the_machine_is(tmp_path: Path) -> None:
    """Other processes take the cores meanwhile: an encoder of several threads gives other bytes then, and
    x264's macroblock tree at any time."""
    y, x = np.mgrid[:96, :96] / 96
    pictures = []
    for k in range(12):
        inside = (x - 0.5 - 0.2 * np.cos(k)) ** 2 + (y - 0.5) ** 2 < 0.06
        pictures.append(np.where(inside[..., None], [[[230, 40, 40]]] * x[..., None], 255).astype(np.uint8))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        sums = set()
        for _ in range(12):
            write_video(pictures, tmp_path / "film.mp4")
            sums.add(sha256((tmp_path / "film.mp4").read_bytes()).hexdigest())
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert len(sums) == 1, sums
