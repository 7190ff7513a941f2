"""What an STL says is kept or named: text and binary, several solids, colours; damage is told."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.mesh.geometry.color import linear_to_srgb
from dreamlab.mesh.io import stl
from dreamlab.mesh.io.load import load
from dreamlab.mesh.io.parts import Part
from dreamlab.mesh.io.stl import read_stl
from dreamlab.mesh.surface.clean import solidity
from tests.mesh.damage import refusals

BOX = trimesh.creation.box((2, 3, 5))
TEXT = trimesh.exchange.stl.export_stl_ascii(BOX).encode()
BINARY = trimesh.exchange.stl.export_stl(BOX)
SPARE = np.dtype([("rest", "V48"), ("spare", "<u2")])


def read(tmp_path: Path, data: bytes) -> tuple[Part, list[str]]:
    path = tmp_path / "thing.stl"
    path.write_bytes(data)
    parts, lost = read_stl(path)
    assert len(parts) == 1
    return parts[0], lost


def volume(part: Part) -> float:
    """Of all tetrahedra from the origin."""
    return float(np.linalg.det(part.vertices[part.faces]).sum() / 6)


def with_spare(values: list[int], header: bytes = b"") -> bytes:
    rows = np.frombuffer(BINARY[84:], SPARE).copy()
    rows["spare"] = values
    return header.ljust(80, b" ") + BINARY[80:84] + rows.tobytes()


# ---- text and binary ----


@pytest.mark.parametrize(
    "data",
    [
        BINARY,
        TEXT,
        TEXT.upper(),
        TEXT.replace(b"\n", b"\r\n"),
        TEXT.replace(b"\n", b"\r"),
        TEXT.replace(b"    ", b"\t").replace(b" ", b"  "),
        TEXT.replace(b".0", b",0"),
        b"\xef\xbb\xbf" + TEXT,
        b"\n \n" + TEXT,
        b"made by hand\n" + TEXT,
        TEXT.partition(b"\n")[2],
        TEXT.replace(b"solid", "solid \u7bb1 caf\u00e9".encode("utf-8"), 1),
        TEXT.replace(b"solid", b"solid caf\xe9", 1),
        b"solid by a program that knows no better".ljust(80, b" ") + BINARY[80:],
        b"solid".ljust(80, b"\0") + BINARY[80:],
        BINARY[:80] + struct.pack("<I", 0) + BINARY[84:],
        BINARY + b"\0\0\n",
    ],
    ids=[
        "binary", "text", "capitals", "crlf", "cr", "tabs", "commas", "mark", "blank lines", "a title",
        "no solid", "utf-8", "latin-1", "binary solid", "binary solid with zeros", "no count", "padded",
    ],
)  # fmt: skip
def test_however_it_is_written_it_is_the_same_box(data: bytes, tmp_path: Path) -> None:
    part, lost = read(tmp_path, data)
    assert volume(part) == pytest.approx(30) and len(part.faces) == 12 and not lost
    assert part.normals is not None
    assert (part.normals[part.faces] * part.vertices[part.faces]).sum(-1).min() > 0.9  # out of the box


def test_it_is_metres_and_upright_when_it_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "m.stl").write_bytes(BINARY)
    mesh = load(tmp_path / "m.stl")
    assert (mesh.vertices.amax(0) - mesh.vertices.amin(0)).tolist() == pytest.approx([0.002, 0.005, 0.003])
    assert solidity(mesh).volume == pytest.approx(30e-9)
    other = load(tmp_path / "m.stl", up="y")
    assert (other.vertices.amax(0) - other.vertices.amin(0)).tolist() == pytest.approx([0.002, 0.003, 0.005])


def test_all_solids_of_a_text_are_read(tmp_path: Path) -> None:
    other = trimesh.exchange.stl.export_stl_ascii(trimesh.creation.icosphere(1)).encode()
    part, lost = read(tmp_path, TEXT + b"\n" + other.replace(b"solid", b"solid ball"))
    assert volume(part) == pytest.approx(30 + trimesh.creation.icosphere(1).volume) and not lost


def test_loops_of_more_corners_are_polygons(tmp_path: Path) -> None:
    """An L of five unit squares, then a triangle that begins where it ought to."""
    corners = [(0, 0), (3, 0), (3, 1), (1, 1), (1, 3), (0, 3)]
    loops = [corners, [(0, 0), (1, 0), (0, 1)]]
    facets = (
        "facet normal 0 0 1\nouter loop\n"
        + "".join(f"vertex {x} {y} 0\n" for x, y in loop)
        + "endloop\nendfacet\n"
        for loop in loops
    )
    part, _ = read(tmp_path, ("solid\n" + "".join(facets) + "endsolid\n").encode())
    a, b, c = part.vertices[part.faces].transpose(1, 0, 2)
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2 == pytest.approx(5.5)


def test_a_text_that_breaks_off_is_read_up_to_there_and_this_is_said(tmp_path: Path) -> None:
    part, lost = read(tmp_path, TEXT[: TEXT.rindex(b"facet normal")])
    assert len(part.faces) == 11 and lost == ["what came after its end: it has no endsolid"]
    inside = read(tmp_path, TEXT[: TEXT.rindex(b"vertex") + 12])
    assert len(inside[0].faces) == 11 and inside[1] == lost


@pytest.mark.parametrize(
    "data",
    [b"solid nothing\nendsolid nothing\n", b"\xef\xbb\xbfSolid\nEndSolid", bytes(84)],
    ids=["text", "with a mark", "binary"],
)
def test_a_solid_without_triangles_is_said_to_be_one(data: bytes, tmp_path: Path) -> None:
    assert len(read(tmp_path, data)[0].faces) == 0
    with pytest.raises(InputError, match="holds no triangles"):
        load(tmp_path / "thing.stl")


# ---- colours ----


def test_colours_of_viscam(tmp_path: Path) -> None:
    """Five bits each, blue lowest, where the highest bit is set; white elsewhere."""
    part, _ = read(tmp_path, with_spare([0x8000 | 31 << 10 | 15 << 5 | 3] * 11 + [0]))
    assert part.color is not None
    colors = linear_to_srgb(part.color[part.faces])
    assert colors[:11] == pytest.approx(np.broadcast_to(np.array([31, 15, 3]) / 31, (11, 3, 3)))
    assert colors[11] == pytest.approx(1.0)


def test_colours_of_magics(tmp_path: Path) -> None:
    """Five bits each, red lowest, where the highest bit is not set; else that of all."""
    header = b"COLOR=" + bytes([255, 0, 51, 255]) + b",MATERIAL="
    part, _ = read(tmp_path, with_spare([31 << 10 | 15 << 5 | 3] * 11 + [0x8000], header))
    assert part.color is not None
    colors = linear_to_srgb(part.color[part.faces])
    assert colors[:11] == pytest.approx(np.broadcast_to(np.array([3, 15, 31]) / 31, (11, 3, 3)))
    assert colors[11] == pytest.approx(np.broadcast_to([1.0, 0.0, 0.2], (3, 3)), abs=1e-6)


@pytest.mark.parametrize("values", [[0] * 12, list(range(12)), [0x8000 | 31, *range(1, 12)]])
def test_spare_bytes_of_other_programs_are_no_colours(values: list[int], tmp_path: Path) -> None:
    assert read(tmp_path, with_spare(values))[0].color is None


def test_a_header_that_ends_within_its_colour_has_none(tmp_path: Path) -> None:
    assert read(tmp_path, with_spare([0] * 12, b"x" * 72 + b"COLOR=\xff\xff"))[0].color is None


# ---- damage ----


def test_what_comes_after_the_triangles_is_named(tmp_path: Path) -> None:
    part, lost = read(tmp_path, BINARY + b"something else")
    assert volume(part) == pytest.approx(30) and lost == ["14 bytes after its 12 triangles"]
    part, lost = read(tmp_path, BINARY[:80] + struct.pack("<I", 10) + BINARY[84:])
    assert len(part.faces) == 10 and lost == ["100 bytes after its 10 triangles"]


@pytest.mark.parametrize("count", [13, 99, 2**32 - 1])
def test_a_count_beyond_the_file_is_not_believed(count: int, tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match=f"cut off; expected {count} triangles, got 12"):
        read(tmp_path, BINARY[:80] + struct.pack("<I", count) + BINARY[84:])


def test_a_binary_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    for length in range(len(BINARY)):
        with pytest.raises(DamagedError, match=r"cut off|not an STL file"):
            read(tmp_path, BINARY[:length])


@pytest.mark.parametrize("word", ["nix", "1.0.0", "0x10"])
def test_a_corner_that_is_no_number_is_told(word: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match=f"a number cannot be read; got {word}"):
        read(tmp_path, TEXT.replace(b"vertex 1.0", b"vertex " + word.encode(), 1))


@pytest.mark.parametrize("value", ["nan", "inf", "1e300"])
def test_corners_that_are_no_place_are_damage(value: str, tmp_path: Path) -> None:
    assert b"vertex 1.0" in TEXT
    (tmp_path / "thing.stl").write_bytes(TEXT.replace(b"vertex 1.0", b"vertex " + value.encode(), 1))
    with pytest.raises(DamagedError, match=r"not finite|too far out"):
        load(tmp_path / "thing.stl")


def test_a_text_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stl, "MOST_TEXT", 64)
    assert volume(read(tmp_path, BINARY)[0]) == pytest.approx(30)
    with pytest.raises(InputError, match="too large"):
        read(tmp_path, TEXT)


@pytest.mark.parametrize("data", [TEXT, BINARY, with_spare([0x8000] * 12)], ids=["text", "binary", "colours"])
def test_damaged_files_are_read_or_refused_in_words(data: bytes, tmp_path: Path) -> None:
    assert 50 < refusals(read_stl, tmp_path / "thing.stl", data, 200) < 200
