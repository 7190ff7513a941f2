"""What an OBJ file says is kept, and a damaged one is refused in words or read, never a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dreamlab.cli.destination import WRITTEN
from dreamlab.core.errors import DamagedError, DreamlabError, InputError
from dreamlab.mesh.geometry.color import srgb_to_linear
from dreamlab.mesh.io import obj, text
from dreamlab.mesh.io.export import FORMATS
from dreamlab.mesh.io.load import load
from dreamlab.mesh.io.obj import read_obj
from tests.mesh.damage import refusals

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
WHOLE = (
    "# a\nmtllib no.mtl\no a\n" + SQUARE + "v 0 0 1\nvt 0 0\nvt 1 0\nvt 1 1\nvn 0 0 1\ns 1\nusemtl x\n"
    "f 1/1/1 2/2/1 3/3/1 4/1/1\nf -1 -2 -3\nf 1//1 2//1 5//1\n"
).encode()


def written(tmp_path: Path, text: str, mtl: str | None = None) -> Path:
    path = tmp_path / "thing.obj"
    path.write_text(text)
    if mtl is not None:
        (tmp_path / "thing.mtl").write_text(mtl)
    return path


def area(path: Path) -> float:
    mesh = load(path)
    a, b, c = mesh.vertices[mesh.faces].double().unbind(1)
    return float(torch.linalg.cross(b - a, c - a).norm(dim=1).sum()) / 2


def test_a_dented_polygon_keeps_its_area(tmp_path: Path) -> None:
    """An L of five unit squares; a fan from its first corner would cover nine."""
    corners = [(0, 0), (3, 0), (3, 1), (1, 1), (1, 3), (0, 3)]
    text = "".join(f"v {x} {y} 0\n" for x, y in corners) + "f 4 5 6 1 2 3\n"
    assert area(written(tmp_path, text)) == pytest.approx(5)


@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
def test_the_colour_of_a_material_is_kept(tmp_path: Path, start: str) -> None:
    text = start + "mtllib thing.mtl\n" + SQUARE + "usemtl red\nf 1 2 3 4\n"
    mesh = load(written(tmp_path, text, "newmtl red\nKd 1 0 0\n"))
    assert mesh.colors is not None
    assert torch.allclose(mesh.colors, torch.tensor([1.0, 0.0, 0.0]).expand_as(mesh.colors), atol=1e-3)


@pytest.mark.parametrize(
    "name", ["gone.mtl", "C:\\models\\gone.mtl", "..\\gone.mtl", "a b.mtl", "x.mtl y.mtl"]
)
def test_a_material_file_that_is_not_there_costs_colours_alone(tmp_path: Path, name: str) -> None:
    assert area(written(tmp_path, f"mtllib {name}\n{SQUARE}usemtl x\nf 1 2 3 4\n")) == pytest.approx(1)


def test_nothing_outside_the_files_folder_is_opened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not even where a material file of that name is there and would colour the mesh."""
    (tmp_path / "secret.mtl").write_text("newmtl x\nKd 0 1 0\n")
    (tmp_path / "in").mkdir()
    for name in ("../secret.mtl", str(tmp_path / "secret.mtl")):
        mesh = load(written(tmp_path / "in", f"mtllib {name}\n{SQUARE}usemtl x\nf 1 2 3 4\n"))
        assert mesh.colors is None or bool((mesh.colors[:, 0] > 0.5).all())
    assert "newmtl" not in caplog.text


def test_a_damaged_file_is_read_or_refused_in_words(tmp_path: Path) -> None:
    """Of the reader itself: `load` makes a refusal of whatever error is left."""
    path, read = tmp_path / "thing.obj", 0
    for seed in range(200):
        rng, data = np.random.default_rng(seed), bytearray(WHOLE)
        for _ in range(int(rng.integers(1, 6))):
            at, kind = int(rng.integers(len(data))), int(rng.integers(3))
            if kind == 0:
                data[at] = int(rng.integers(256))
            elif kind == 1:
                del data[at : at + int(rng.integers(1, 8))]
            else:
                data[at:at] = data[int(rng.integers(len(data))) :][: int(rng.integers(1, 12))]
        path.write_bytes(bytes(data))
        try:
            read_obj(path)
            read += 1
        except DreamlabError:
            pass
    assert 0 < read < 200


@pytest.mark.parametrize(
    "lines", ["v 1\nv 2\nv 3\nf 1 2 3\n", "v 1 2\nv 2 3\nv 3 1\nf 1 2 3\n", "f 1 2 3\n", ""]
)
def test_corners_without_coordinates_are_refused(tmp_path: Path, lines: str) -> None:
    with pytest.raises(DreamlabError):
        load(written(tmp_path, lines))


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "thing.obj").mkdir()
    with pytest.raises(InputError):
        load(tmp_path / "thing.obj")


def test_every_format_that_is_written_has_its_ending() -> None:
    assert set(WRITTEN) == set(FORMATS)


# ---- numbers without bounds ----


@pytest.mark.parametrize(
    "number", ["99999999999999999999", "9" * 5000, "-" + "9" * 30, "1.5", "nan", "1e3", "x"]
)
@pytest.mark.parametrize("form", ["f {} 2 3\n", "f 1/{} 2/2 3/3\n", "f 1 2 {}/1\n"])
def test_an_index_that_is_no_number_of_64_bits_is_told(form: str, number: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="a number cannot be read"):
        read_obj(written(tmp_path, SQUARE + form.format(number)))


@pytest.mark.parametrize("index", ["0", "5", "-5", "9223372036854775807", "-9223372036854775808"])
def test_an_index_out_of_range_is_told(index: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="names corners that are not there; expected 1 to 4"):
        read_obj(written(tmp_path, f"{SQUARE}f 1 2 {index}\n"))


@pytest.mark.parametrize(
    "group", ["1" + "0" * 5000, "99999999999999999999", "1073741824", "\u0663", "-1", "x", "on"]
)
def test_smoothing_groups_may_have_any_name(group: str, tmp_path: Path) -> None:
    """Two faces at a right angle: smooth where they are of one group, of an edge where of none."""
    text = SQUARE + "v 0 0 1\nv 1 0 1\n" + f"s {group}\nf 1 2 3 4\nf 2 1 5 6\n"
    ((part,), _, _) = read_obj(written(tmp_path, text))
    assert len(part.vertices) == (8 if group in ("-1", "x") else 6)


@pytest.mark.parametrize("word", ["v", "vt", "vn"])
def test_a_line_that_is_no_numbers_is_told(word: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="a number cannot be read; got nix"):
        read_obj(written(tmp_path, f"{SQUARE}{word} 1 nix 0\nf 1 2 3\n"))


def test_one_wide_line_does_not_widen_all(tmp_path: Path) -> None:
    """A table of all lines as wide as the widest would be of 100 GB here."""
    wide = "v 5 5 5 " + "1 " * 1_000_000 + "\n"
    assert area(written(tmp_path, SQUARE + SQUARE * 3000 + wide + "f 1 2 3 4\n")) == pytest.approx(1)


@pytest.mark.parametrize("value", ["nan", "inf", "1e300", "1e20"])
def test_corners_that_are_no_place_are_damage_unless_no_face_uses_them(value: str, tmp_path: Path) -> None:
    assert area(written(tmp_path, f"{SQUARE}v 1 {value} 0\nf 1 2 3 4\n")) == pytest.approx(1)
    with pytest.raises(DamagedError, match=r"not finite|too far out"):
        load(written(tmp_path, f"{SQUARE}v 1 {value} 0\nf 1 2 5\n"))


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its size, before it is read: this one has no more than its end."""
    path = tmp_path / "thing.obj"
    with path.open("wb") as file:
        file.truncate(text.MOST_TEXT + 1)
    with pytest.raises(InputError, match="too large; expected at most 1 GiB"):
        read_obj(path)
    monkeypatch.setattr(obj, "MOST_TEXT", 10)
    with pytest.raises(InputError, match="too large"):
        read_obj(written(tmp_path, SQUARE))


# ---- lines ----


@pytest.mark.parametrize(
    "lines",
    [
        SQUARE + "f 1 2 3 4",
        (SQUARE + "f 1 2 3 4\n").replace(" ", "\t"),
        (SQUARE + "f 1 2 3 4\n").replace(" ", "   "),
        (SQUARE + "f 1 2 3 4\n").replace("\n", "\r\n"),
        (SQUARE + "f 1 2 3 4\n").replace("\n", "\r"),
        SQUARE + "f 1 2 \\\n3 \\\n4\n",
        SQUARE + "f 1 2 \\\n\\\n\\\n3 4 # \\\n",
        SQUARE + "f 1 2 3 4 \\",
        "# a comment \\\n" + SQUARE + "f 1 2 3 4\n",
        SQUARE + "f -4 -3 -2 -1\nv 9 9 9\n",
        SQUARE + "f -4 2 -2 4\n",
        SQUARE + "fo 1 2 3 4 # old word\n",
        SQUARE.replace("1", "1,0") + "f 1 2 3 4\n",
        SQUARE.replace("\n", " 1\n") + "f 1 2 3 4\n",
        SQUARE + "f 1// 2// 3// 4//\n",
        SQUARE + "vt 0 0\nf 1/1 2/1/ 3 4/1\n",
        SQUARE + "f 1 2 3 4\nf\nf 1\nf 1 2\n",
    ],
    ids=[
        "no end", "tabs", "blanks", "crlf", "cr", "continued", "continued by nothing", "continued by the end",
        "a comment that ends in a backslash", "negative", "mixed", "fo", "commas", "w", "empty slashes",
        "all kinds of corners", "points and lines",
    ],
)  # fmt: skip
def test_however_it_is_written_it_is_the_same_square(lines: str, tmp_path: Path) -> None:
    assert area(written(tmp_path, lines)) == pytest.approx(1)


def test_a_hundred_thousand_continued_lines_are_one(tmp_path: Path) -> None:
    path = written(tmp_path, SQUARE + "f 1 2 3 4" + " \\\n" * 100_000 + "\n")
    assert area(path) == pytest.approx(1)


# ---- what is left out ----


def test_what_nothing_reads_is_named(tmp_path: Path) -> None:
    lines = SQUARE + "vn 0 0 1\nl 1 2\np 1\ncurv 0 1 1 2\nsurf 0 1 0 1 1 2 3 4\nf 1//1 2//1 3\n"
    _, lost, missing = read_obj(written(tmp_path, lines))
    assert lost == [
        "free curves",
        "free surfaces",
        "lines",
        "points",
        "normals, which are not there for all corners",
    ]
    assert not missing


@pytest.mark.parametrize("normal", ["0 0 0", "nan 0 1", "0 0", ""])
def test_normals_that_point_nowhere_are_named_and_made_anew(normal: str, tmp_path: Path) -> None:
    ((part,), lost, _) = read_obj(written(tmp_path, f"{SQUARE}vn {normal}\nf 1//1 2//1 3//1 4//1\n"))
    assert lost == ["normals, which are not there for all corners"]
    assert part.normals is not None and (part.normals == [0, 0, 1]).all()


def test_normals_are_directions(tmp_path: Path) -> None:
    ((part,), lost, _) = read_obj(written(tmp_path, f"{SQUARE}vn 0 3 4\nf 1//1 2//1 3//1 4//1\n"))
    assert not lost and part.normals == pytest.approx(np.array([[0, 0.6, 0.8]] * 4))


def test_a_texture_that_lies_nowhere_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    for corners in ("f 1 2 3\n", "vt 0 0\nf 1/1 2/1 3/2\n", "vt 0 0\nf 1/1 2/1 3\n"):
        path = written(tmp_path, f"mtllib thing.mtl\n{SQUARE}usemtl m\n{corners}", "newmtl m\nmap_Kd a.png\n")
        ((part,), lost, _) = read_obj(path)
        assert part.albedo is None and lost == ["a texture where its coordinates are not there"]


def test_thousands_of_materials_are_one_pass(tmp_path: Path) -> None:
    """Each with faces in two places, which stay its own. Every face against every name would take minutes."""
    names = [f"m{k}" for k in range(3000)] * 2
    lines = "".join(f"usemtl {name}\nf 1 2 3\n" for name in names)
    materials = "".join(f"newmtl m{k}\nKd {k / 3000} 0 0\n" for k in range(3000))
    parts, lost, missing = read_obj(written(tmp_path, "mtllib thing.mtl\n" + SQUARE + lines, materials))
    assert [len(part.faces) for part in parts] == [2] * 3000 and not lost and not missing
    reds = [part.factor[0] for part in parts if part.factor is not None]
    assert reds == pytest.approx(srgb_to_linear(np.arange(3000) / 3000))


def test_damage_of_every_kind_is_read_or_refused_in_words(tmp_path: Path) -> None:
    """Also numbers that are huge, negative or none."""
    assert 50 < refusals(read_obj, tmp_path / "thing.obj", WHOLE, 200) < 200
