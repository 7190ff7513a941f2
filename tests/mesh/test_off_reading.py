"""What an OFF says is kept or named: colours, normals, polygons, in any of its kinds; damage is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.mesh.geometry.color import linear_to_srgb
from dreamlab.mesh.io import off
from dreamlab.mesh.io.load import load
from dreamlab.mesh.io.off import read_off
from dreamlab.mesh.io.parts import Part
from tests.mesh.damage import refusals

SQUARE = "0 0 0\n1 0 0\n1 1 0\n0 1 0\n"
FACE = "4 0 1 2 3\n"
L = [(0, 0), (3, 0), (3, 1), (1, 1), (1, 3), (0, 3)]


def read(tmp_path: Path, text: str | bytes) -> tuple[Part, list[str]]:
    path = tmp_path / "thing.off"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    parts, lost = read_off(path)
    assert len(parts) == 1
    return parts[0], lost


def area(part: Part) -> float:
    a, b, c = part.vertices[part.faces].transpose(1, 0, 2)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def with_columns(kind: str, columns: str, face: str = FACE) -> str:
    """A square whose vertices all have the same more."""
    return f"{kind}\n4 1 0\n" + SQUARE.replace("\n", f" {columns}\n") + face


@pytest.mark.parametrize(
    "text",
    [
        "OFF\n4 1 0\n" + SQUARE + FACE,
        "OFF 4 1 0\n" + SQUARE + FACE,
        "off\n4 1\n" + SQUARE + FACE,
        "4 1 0\n" + SQUARE + FACE,
        "# first\nOFF # second\n\n4 1 4 # counts\n\n" + SQUARE.replace("\n", " # corner\n\n") + FACE,
        ("OFF\n4 1 0\n" + SQUARE + FACE).replace("\n", "\r\n"),
        ("OFF\n4 1 0\n" + SQUARE + FACE).replace("\n", "\r"),
        "\ufeffOFF\n4 1 0\n" + SQUARE.replace(" ", "\t") + FACE + "more\n",
        "OFF\n4 1 0\n" + SQUARE.replace("1", "1,0") + FACE,
        "OFF\n4 3 0\n" + SQUARE + FACE + "2 0 1\n1 3\n",
    ],
    ids=["plain", "one line", "small", "no word", "comments", "crlf", "cr", "tabs", "commas", "lines"],
)  # fmt: skip
def test_however_it_is_written_it_is_the_same_square(text: str, tmp_path: Path) -> None:
    part, lost = read(tmp_path, text)
    assert area(part) == pytest.approx(1) and part.color is None and not lost


def test_it_reads_what_trimesh_writes(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(2)
    data = ball.export(file_type="off")
    part, _ = read(tmp_path, data)
    assert np.allclose(part.vertices, ball.vertices, atol=1e-6) and part.faces.tolist() == ball.faces.tolist()
    assert trimesh.Trimesh(part.vertices, part.faces).volume == pytest.approx(ball.volume, rel=1e-6)


def test_a_dented_polygon_keeps_its_area(tmp_path: Path) -> None:
    text = "OFF\n6 1 0\n" + "".join(f"{x} {y} 0\n" for x, y in L) + "6 4 5 0 1 2 3\n"
    assert area(read(tmp_path, text)[0]) == pytest.approx(5)


# ---- colours and normals ----


@pytest.mark.parametrize(
    ("kind", "columns", "lost"),
    [
        ("COFF", "51 255 0 255", []),
        ("COFF", "51 255 0", []),
        ("COFF", "51 255 0 128", ["transparency"]),
        ("COFF", "0.2 1 0 1", []),
        ("COFF", "0.2 1.0 0.0 0.5", ["transparency"]),
        ("COFF", "51.0 255.0 0.0 255.0", []),
        ("OFF", "51 255 0", []),
        ("CNOFF", "0 0 1 51 255 0", []),
        ("STCOFF", "51 255 0 255 0.5 0.5", []),
        ("STCNOFF", "0 0 1 0.2 1 0 1 0.5 0.5", []),
    ],
)
def test_colours_of_vertices_in_every_way(kind: str, columns: str, lost: list[str], tmp_path: Path) -> None:
    part, said = read(tmp_path, with_columns(kind, columns))
    assert part.color is not None and said == lost
    assert linear_to_srgb(part.color)[0] == pytest.approx([0.2, 1, 0], abs=1e-6)


def test_colours_of_one_are_not_of_255(tmp_path: Path) -> None:
    """1 0 0 is red, as it would be with points: nobody means a black that is one step from black."""
    part, _ = read(tmp_path, with_columns("COFF", "1 0 0 1"))
    assert part.color is not None and (part.color == [1, 0, 0]).all()


def test_texture_coordinates_are_no_colours(tmp_path: Path) -> None:
    part, _ = read(tmp_path, with_columns("STOFF", "0.5 0.5"))
    assert part.color is None and area(part) == pytest.approx(1)


@pytest.mark.parametrize("more", ["", " 255 0 0 255"])
def test_normals_are_kept_or_named(more: str, tmp_path: Path) -> None:
    part, lost = read(tmp_path, with_columns("CNOFF" if more else "NOFF", "0 3 4" + more))
    assert part.normals == pytest.approx(np.array([[0, 0.6, 0.8]] * 4)) and not lost
    part, lost = read(tmp_path, with_columns("NOFF", "0 0 0"))
    assert part.normals is None and lost == ["normals, some of which point nowhere"]


def test_colours_of_faces_stay_apart(tmp_path: Path) -> None:
    text = "OFF\n4 3 0\n" + SQUARE + "3 0 1 2 255 0 0\n3 0 2 3 0 0 255\n3 0 1 3\n"
    part, lost = read(tmp_path, text)
    assert part.color is not None and not lost
    assert part.color[part.faces].tolist() == [[[1, 0, 0]] * 3, [[0, 0, 1]] * 3, [[1, 1, 1]] * 3]


def test_normals_stay_where_faces_have_colours(tmp_path: Path) -> None:
    part, _ = read(tmp_path, with_columns("NOFF", "0 0 2", "3 0 1 2 255 0 0\n"))
    assert part.color is not None and part.normals is not None and (part.normals == [0, 0, 1]).all()


def test_colours_that_are_left_out_are_named(tmp_path: Path) -> None:
    part, lost = read(tmp_path, with_columns("COFF", "255 0 0 255", "4 0 1 2 3 0 255 0\n"))
    assert part.color is not None and (part.color == [1, 0, 0]).all() and lost == ["the colours of faces"]
    part, lost = read(tmp_path, "OFF\n4 1 0\n" + SQUARE + "4 0 1 2 3 7\n")
    assert part.color is None and lost == ["colours of faces by their number in a list"]


# ---- damage ----


WHOLE = "OFF\n4 1 0\n" + SQUARE + FACE


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("OFF", "PLY", "not an OFF file"),
        ("OFF", "OFFSET", "not an OFF file"),
        ("4 1 0", "4", "cut off"),
        ("4 1 0", "-4 1 0", "cut off"),
        ("4 1 0", "5 1 0", "cut off; expected 5 vertices and 1 faces"),
        ("4 1 0", "4 99999999999999999 0", "cut off"),
        ("4 1 0", "4 999999999999999999999999 0", "a number cannot be read; got 99999"),
        ("4 1 0", "4 " + "9" * 5000, "a number cannot be read; got 99999"),
        ("4 1 0", "x 1 0", "a number cannot be read; got x"),
        ("1 1 0\n", "1 1\n", "a vertex has fewer than 3 numbers"),
        ("1 1 0\n", "1 1 nix\n", "a number cannot be read; got nix"),
        (FACE, "4 0 1 2\n", "fewer corners than it says"),
        (FACE, "-4 0 1 2 3\n", "fewer corners than it says"),
        (FACE, "4 0 1 2 4\n", "not there"),
        (FACE, "4 0 1 2 -1\n", "not there"),
        (FACE, "4 0 1 2 99999999999999999999\n", "a number cannot be read"),
        (FACE, "4 0 1 2 nan\n", "a number cannot be read; got nan"),
        (FACE, "four 0 1 2 3\n", "a number cannot be read; got four"),
        (FACE, "4 0 1 2 3 red green blue\n", "a number cannot be read; got red"),
    ],
)
def test_damage_is_told_by_the_reader_itself(old: str, new: str, words: str, tmp_path: Path) -> None:
    assert WHOLE.count(old) == 1
    with pytest.raises(DamagedError, match=words):
        read(tmp_path, WHOLE.replace(old, new))


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    for length in range(len(WHOLE) - 2):
        with pytest.raises(DamagedError):
            read(tmp_path, WHOLE[:length])


def test_a_binary_one_is_refused_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a binary OFF; expected text\. Save it as text, or as PLY"):
        read(tmp_path, b"OFF BINARY\n\0\0\0\4\0\0\0\1\0\0\0\0")


def test_a_file_without_faces_is_said_to_be_points(tmp_path: Path) -> None:
    assert len(read(tmp_path, "OFF\n4 0 0\n" + SQUARE)[0].faces) == 0
    with pytest.raises(InputError, match="got points"):
        load(tmp_path / "thing.off")
    with pytest.raises(InputError, match="holds no triangles"):
        (tmp_path / "thing.off").write_text("OFF\n0 0 0\n")
        load(tmp_path / "thing.off")


@pytest.mark.parametrize("value", ["nan", "inf", "1e300"])
def test_corners_that_are_no_place_are_damage(value: str, tmp_path: Path) -> None:
    (tmp_path / "thing.off").write_text(WHOLE.replace("1 1 0", f"1 {value} 0"))
    with pytest.raises(DamagedError, match=r"not finite|too far out"):
        load(tmp_path / "thing.off")


def test_colours_that_are_no_numbers_do_no_harm(tmp_path: Path) -> None:
    part, _ = read(tmp_path, with_columns("COFF", "nan inf 0 1"))
    assert part.color is not None and np.isfinite(part.color).all()


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(off, "MOST_TEXT", 16)
    with pytest.raises(InputError, match="too large"):
        read(tmp_path, WHOLE)


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        with_columns("STCNOFF", "0 0 1 51 255 0 255 0.5 0.5"),
        with_columns("OFF", "", "3 0 1 2 255 0 0\n4 0 1 2 3\n3 0 1 3 0.1 0.2 0.3\n").replace(
            "4 1 0", "4 3 0"
        ),
    ],
)
def test_damaged_files_are_read_or_refused_in_words(text: str, tmp_path: Path) -> None:
    assert 50 < refusals(read_off, tmp_path / "thing.off", text.encode(), 200) < 200
