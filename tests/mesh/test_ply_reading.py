"""What a PLY says is kept or named: every type and order, polygons, strips, colours, textures."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import linear_to_srgb
from dreamlab.mesh.io import ply_file, polygons
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.load import load, load_flat
from dreamlab.mesh.io.parts import Part
from dreamlab.mesh.io.ply import read_ply
from dreamlab.mesh.io.ply_file import MOST_HEADER, TYPES, Lists, header_of, parse_ply, textures_of
from dreamlab.mesh.io.sources import files_of
from tests.mesh.damage import refusals

XYZ = tuple(("float", axis) for axis in "xyz")
SQUARE = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]
L = [(0, 0, 0), (3, 0, 0), (3, 1, 0), (1, 1, 0), (1, 3, 0), (0, 3, 0)]  # of five unit squares
ORDERS = ("ascii", "binary_little_endian", "binary_big_endian")
FACES = ("face", ("list uchar int", "vertex_indices"))


def ply(*elements: tuple[Any, list[tuple]], order: str = "ascii", comments: str = "") -> bytes:
    """A file of elements ((name, (type, property)...), rows); a list of a row is written with its length."""
    lines, body = ["ply", f"format {order} 1.0", *comments.splitlines()], []
    for (name, *properties), rows in elements:
        lines.append(f"element {name} {len(rows)}")
        lines += [f"property {kind} {label}" for kind, label in properties]
        for row in rows:
            for (kind, _), value in zip(properties, row, strict=True):
                words = kind.split()[1:] or [kind]
                values = [len(value), *value] if len(words) == 2 else [value]
                kinds = [words[0], *[words[-1]] * (len(values) - 1)] if len(words) == 2 else [kind]
                body += zip(kinds, values, strict=True)
    head = "\n".join([*lines, "end_header\n"]).encode()
    if order == "ascii":
        return head + " ".join(str(value) for _, value in body).encode() + b"\n"
    mark = "<" if order == ORDERS[1] else ">"
    return head + b"".join(struct.pack(mark + np.dtype(TYPES[k]).char, v) for k, v in body)


def square(*more: tuple[Any, list[tuple]], order: str = "ascii", comments: str = "") -> bytes:
    return ply((("vertex", *XYZ), SQUARE), (FACES, [((0, 1, 2, 3),)]), *more, order=order, comments=comments)


def read(tmp_path: Path, data: bytes) -> tuple[Part, list[str]]:
    path = tmp_path / "thing.ply"
    path.write_bytes(data)
    parts, lost, missing = read_ply(path)
    assert len(parts) == 1
    return parts[0], lost + missing


def area(part: Part) -> float:
    a, b, c = part.vertices[part.faces].transpose(1, 0, 2)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


# ---- numbers ----


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", sorted(TYPES))
def test_every_type_in_every_order_gives_its_numbers(order: str, kind: str, tmp_path: Path) -> None:
    properties = tuple((kind, axis) for axis in "xyz")
    rows = [(0, 0, 0), (100, 0, 0), (100, 50, 0), (0, 50, 0)]
    faces = (("face", (f"list {kind} {kind}", "vertex_index")), [((0, 1, 2),), ((0, 2, 3),)])
    part, lost = read(tmp_path, ply((("vertex", *properties), rows), faces, order=order))
    assert part.vertices.tolist() == [list(row) for row in rows]
    assert part.faces.tolist() == [[0, 1, 2], [0, 2, 3]] and not lost


@pytest.mark.parametrize("order", ORDERS)
def test_lists_of_all_lengths_follow_each_other(order: str, tmp_path: Path) -> None:
    rows = [((0, 1, 2), 7, ()), ((0, 1, 2, 3), 8, (1.5,)), ((2,), 9, (2.5, 3.5)), ((), 10, ())]
    face = ("face", ("list uchar int", "vertex_indices"), ("short", "flags"), ("list int float", "more"))
    data = ply((("vertex", *XYZ), SQUARE), (face, rows), (("last", ("int", "n")), [(77,)]), order=order)
    found = parse_ply(data, "m.ply").elements
    lists, more = found["face"]["vertex_indices"], found["face"]["more"]
    assert isinstance(lists, Lists) and isinstance(more, Lists)
    assert lists.counts.tolist() == [3, 4, 1, 0] and lists.values.tolist() == [0, 1, 2, 0, 1, 2, 3, 2]
    assert more.counts.tolist() == [0, 1, 2, 0] and more.values.tolist() == [1.5, 2.5, 3.5]
    flags, last = found["face"]["flags"], found["last"]["n"]
    assert isinstance(flags, np.ndarray) and flags.tolist() == [7, 8, 9, 10]
    assert isinstance(last, np.ndarray) and last.tolist() == [77]
    part, lost = read(tmp_path, data)
    assert area(part) == pytest.approx(1.5)  # corners of points and lines make no triangle
    assert lost == ["last", "flags of its faces", "more of its faces"]


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_it_reads_what_trimesh_writes(encoding: str, tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(2)
    ball.visual.vertex_colors = np.random.default_rng(0).integers(0, 256, (len(ball.vertices), 4)) | [
        0,
        0,
        0,
        255,
    ]
    data = ball.export(file_type="ply", encoding=encoding, vertex_normal=True)
    part, lost = read(tmp_path, data if isinstance(data, bytes) else data.encode())
    assert np.allclose(part.vertices, ball.vertices, atol=1e-6) and part.faces.tolist() == ball.faces.tolist()
    assert part.color is not None and part.normals is not None and not lost
    assert np.rint(255 * linear_to_srgb(part.color)).tolist() == ball.visual.vertex_colors[:, :3].tolist()
    assert np.allclose(part.normals, ball.vertex_normals, atol=1e-5)


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lines_end_as_on_any_system(end: str, tmp_path: Path) -> None:
    assert area(read(tmp_path, square().replace(b"\n", end.encode()))[0]) == pytest.approx(1)


def test_a_binary_file_whose_header_ends_in_cr_may_begin_with_the_byte_of_lf(tmp_path: Path) -> None:
    head, _, body = square(order=ORDERS[1]).partition(b"end_header\n")
    strange = struct.pack("<f", 0) + body[4:]
    assert len(strange) == len(body)
    first = b"\n" + body[1:]  # the first coordinate is another, and tiny
    part, _ = read(tmp_path, head.replace(b"\n", b"\r") + b"end_header\r" + first)
    assert area(part) == pytest.approx(1) and part.vertices[0, 0] == pytest.approx(1.4e-44, rel=0.1)


def test_a_comment_may_say_end_header(tmp_path: Path) -> None:
    assert area(read(tmp_path, square(comments="comment no end_header yet"))[0]) == pytest.approx(1)


def test_decimal_commas_are_points(tmp_path: Path) -> None:
    part, _ = read(tmp_path, square().replace(b"1 1 0", b"1,0 1,0 0,0"))
    assert area(part) == pytest.approx(1)


def test_numbers_that_their_type_cannot_hold_are_not_cut_down(tmp_path: Path) -> None:
    """A colour of 0.5 in bytes is no black, and a corner of -1 not the last of four billion."""
    colors = [("uchar", channel) for channel in ("red", "green", "blue")]
    rows = [(*p, 0.5, 0.5, 0.5) for p in SQUARE]
    part, _ = read(tmp_path, ply((("vertex", *XYZ, *colors), rows), (FACES, [((0, 1, 2),)])))
    assert part.color is not None and linear_to_srgb(part.color) == pytest.approx(0.5)
    face = ("face", ("list uchar uint", "vertex_indices"))
    with pytest.raises(DamagedError, match="not there"):
        read(tmp_path, ply((("vertex", *XYZ), SQUARE), (face, [((0, 1, -1),)])))


# ---- faces ----


@pytest.mark.parametrize(("points", "right"), [(SQUARE, 1), (L, 5)], ids=["convex", "dented"])
@pytest.mark.parametrize("start", range(4))
def test_polygons_keep_their_area(points: list, right: float, start: int, tmp_path: Path) -> None:
    corners = tuple((start + k) % len(points) for k in range(len(points)))
    part, lost = read(tmp_path, ply((("vertex", *XYZ), points), (FACES, [(corners,)])))
    assert area(part) == pytest.approx(right) and len(part.faces) == len(points) - 2 and not lost


@pytest.mark.parametrize("turned", list(itertools.permutations(range(3))))
def test_a_quad_with_a_dent_keeps_its_area_however_it_lies(turned: tuple, tmp_path: Path) -> None:
    """A dart of area 3; cut along the wrong diagonal, it covers 6."""
    dart = np.array([(0, 0, 0), (3, 0, 0), (1, 1, 0), (0, 3, 0)])[:, turned]
    for start in range(4):
        corners = tuple((start + k) % 4 for k in range(4))
        part, _ = read(tmp_path, ply((("vertex", *XYZ), dart.tolist()), (FACES, [(corners,)])))
        assert area(part) == pytest.approx(3)


def test_dents_beyond_a_limit_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = ply((("vertex", *XYZ), L), (FACES, [(tuple((s + k) % 6 for k in range(6)),) for s in range(6)]))
    assert area(read(tmp_path, data)[0]) == pytest.approx(30)
    monkeypatch.setattr(polygons, "MOST_WORK", 30)
    assert read(tmp_path, data)[1] == ["dents of faces with many corners"]
    monkeypatch.undo()
    monkeypatch.setattr(polygons, "MOST_CORNERS", 5)
    part, lost = read(tmp_path, data)
    assert lost == ["dents of faces with many corners"] and len(part.faces) == 24


@pytest.mark.parametrize("lists", [[(0, 1, 2, 3, -1, 4, 5, 6)], [(0, 1, 2, 3), (4, 5, 6)]])
def test_strips_turn_every_second_triangle(lists: list[tuple], tmp_path: Path) -> None:
    """Ended by -1 or by the list; all look up, also the first of the next strip."""
    points = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (5, 0, 0), (6, 0, 0), (5, 1, 0)]
    strips = ("tristrips", ("list int int", "vertex_indices"))
    part, lost = read(tmp_path, ply((("vertex", *XYZ), points), (strips, [(s,) for s in lists])))
    a, b, c = part.vertices[part.faces].transpose(1, 0, 2)
    assert np.cross(b - a, c - a)[:, 2].tolist() == [1, 1, 1] and not lost


def test_points_are_said_to_be_points(tmp_path: Path) -> None:
    for data in (ply((("vertex", *XYZ), SQUARE)), ply((("vertex", *XYZ), SQUARE), (FACES, []))):
        assert len(read(tmp_path, data)[0].faces) == 0
        with pytest.raises(InputError, match="no triangles; expected a mesh, got points"):
            load(tmp_path / "thing.ply")


def test_splats_are_said_to_be_splats(tmp_path: Path) -> None:
    triangle = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]]))
    write(triangle, tmp_path / "m.splat.ply")
    with pytest.raises(InputError, match="holds Gaussian splats; expected triangles"):
        load(tmp_path / "m.splat.ply")


# ---- what else there is ----


def test_what_nothing_reads_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    vertex = ("vertex", *XYZ, ("uchar", "red"), ("uchar", "green"), ("uchar", "blue"), ("uchar", "alpha"),
              ("float", "quality"))  # fmt: skip
    rows = [(*p, 255, 0, 0, 128, 1) for p in SQUARE]
    edges = (("edge", ("int", "vertex1"), ("int", "vertex2")), [(0, 1)])
    strips = (("tristrips", ("list int int", "vertex_indices")), [((0, 1, 2),)])
    data = ply((vertex, rows), (FACES, [((0, 1, 2),)]), edges, strips)
    wanted = ["edges", "quality of its vertices", "triangle strips beside its faces", "transparency"]
    assert read(tmp_path, data)[1] == wanted
    load(tmp_path / "thing.ply")
    assert caplog.text.count("left out: " + ", ".join(wanted)) == 1


@pytest.mark.parametrize(
    ("kind", "value"),
    [("uchar", 51), ("ushort", 13107), ("int", 51), ("float", 0.2), ("float", 51.0), ("double", 0.2)],
)
@pytest.mark.parametrize("prefix", ["", "diffuse_"])
def test_colours_of_any_type_are_the_same(kind: str, value: float, prefix: str, tmp_path: Path) -> None:
    top = {"uchar": 255, "ushort": 65535, "int": 255}.get(kind, 255.0 if value > 1 else 1.0)
    names = [(kind, prefix + channel) for channel in ("red", "green", "blue")]
    rows = [(*p, value, top, 0) for p in SQUARE]
    part, lost = read(tmp_path, ply((("vertex", *XYZ, *names), rows), (FACES, [((0, 1, 2),)])))
    assert part.color is not None and not lost
    assert linear_to_srgb(part.color)[0] == pytest.approx([0.2, 1, 0], abs=1e-6)


def test_colours_of_faces_stay_apart_and_those_of_vertices_go_before(tmp_path: Path) -> None:
    face = (*FACES, *(("uchar", channel) for channel in ("red", "green", "blue")))
    faces = (face, [((0, 1, 2), 255, 0, 0), ((0, 2, 3), 0, 0, 255)])
    part, lost = read(tmp_path, ply((("vertex", *XYZ), SQUARE), faces))
    assert part.color is not None and not lost and len(part.vertices) == 6
    assert part.color[part.faces].tolist() == [[[1, 0, 0]] * 3, [[0, 0, 1]] * 3]
    names = [("uchar", channel) for channel in ("red", "green", "blue")]
    rows = [(*p, 0, 255, 0) for p in SQUARE]
    part, lost = read(tmp_path, ply((("vertex", *XYZ, *names), rows), faces))
    assert part.color is not None and (part.color == [0, 1, 0]).all() and lost == ["the colours of faces"]


def test_normals_are_kept_as_directions_or_named(tmp_path: Path) -> None:
    names = [("float", "n" + axis) for axis in "xyz"]
    rows = [(*p, 0, 3, 4) for p in SQUARE]
    part, lost = read(tmp_path, ply((("vertex", *XYZ, *names), rows), (FACES, [((0, 1, 2, 3),)])))
    assert (
        part.normals is not None and not lost and part.normals == pytest.approx(np.array([[0, 0.6, 0.8]] * 4))
    )
    for bad in (0, "nan"):
        rows[3] = (0, 1, 0, bad, bad, bad)
        part, lost = read(tmp_path, ply((("vertex", *XYZ, *names), rows), (FACES, [((0, 1, 2, 3),)])))
        assert part.normals is None and lost == ["normals, some of which point nowhere"]


@pytest.mark.parametrize("names", [("s", "t"), ("u", "v"), ("texture_u", "texture_v"), None], ids=str)
@pytest.mark.parametrize("word", ["comment TextureFile", "obj_info texturefile"])
def test_a_texture_lies_where_vertices_or_corners_say(names: tuple | None, word: str, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (0, 255, 0)).save(tmp_path / "my wood.png")
    uv = [(0.1, 0.2), (0.9, 0.2), (0.9, 0.8), (0.1, 0.8)]
    if names is None:
        face = (*FACES, ("list uchar float", "texcoord"))
        elements = ((("vertex", *XYZ), SQUARE), (face, [((0, 1, 2, 3), [x for pair in uv for x in pair])]))
    else:
        vertex = ("vertex", *XYZ, *(("float", name) for name in names))
        rows = [(*p, *t) for p, t in zip(SQUARE, uv, strict=True)]
        elements = ((vertex, rows), (FACES, [((0, 1, 2, 3),)]))
    part, lost = read(tmp_path, ply(*elements, comments=f"{word} my wood.png"))
    assert part.uv is not None and part.albedo is not None and not lost
    given = dict(zip(SQUARE, uv, strict=True))
    found = {
        tuple(p): tuple(t) for p, t in zip(part.vertices.tolist(), part.uv.round(6).tolist(), strict=True)
    }
    assert found == given and part.albedo[0, 0].tolist() == [0, 255, 0, 255]
    assert files_of(tmp_path / "thing.ply") == [tmp_path / "thing.ply", tmp_path / "my wood.png"]
    assert load_flat(tmp_path / "thing.ply").face_colors == pytest.approx(np.array([[0, 1, 0]] * 2))


def test_textures_that_are_not_there_or_lie_nowhere_are_named(tmp_path: Path) -> None:
    names = [("float", "s"), ("float", "t")]
    with_uv = ((("vertex", *XYZ, *names), [(*p, 0, 0) for p in SQUARE]), (FACES, [((0, 1, 2),)]))
    part, lost = read(tmp_path, ply(*with_uv, comments="comment TextureFile gone.png"))
    assert part.albedo is None and lost == ["the texture gone.png, which is not beside it"]
    with pytest.raises(InputError, match=r"gone\.png, which is not beside it"):
        load_flat(tmp_path / "thing.ply")
    assert read(tmp_path, square(comments="comment TextureFile gone.png"))[1] == [
        "a texture where its coordinates are not there"
    ]
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    two = "comment TextureFile a.png\ncomment TextureFile b.png"
    assert read(tmp_path, ply(*with_uv, comments=two))[1] == ["all textures but the first"]


def test_coordinates_of_corners_that_do_not_fit_the_faces_are_those_of_vertices(tmp_path: Path) -> None:
    """Two faces whose lists are too long and too short by as much: together they would fit."""
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    face = (*FACES, ("list uchar float", "texcoord"))
    rows = [((0, 1, 2), [9.0] * 8), ((0, 2, 3), [9.0] * 4)]
    vertex = ("vertex", *XYZ, ("float", "s"), ("float", "t"))
    points = [(*p, 0.5, 0.5) for p in SQUARE]
    part, _ = read(tmp_path, ply((vertex, points), (face, rows), comments="comment TextureFile a.png"))
    assert part.uv is not None and (part.uv == 0.5).all()


def test_names_of_textures_in_other_encodings(tmp_path: Path) -> None:
    for name in ("h\u00f6lz.png".encode(), "h\u00f6lz.png".encode("latin-1")):
        header = b"ply\nformat ascii 1.0\ncomment TextureFile " + name
        assert textures_of(header) == ["h\u00f6lz.png"]


# ---- damage ----


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"ply", b"plx", "not a PLY file"),
        (b"end_header", b"endheader", "not a PLY file"),
        (b"format ascii 1.0\n", b"", "a format and elements"),
        (b"format ascii", b"format utf-8", "header cannot be read; got format utf-8 1.0"),
        (b"vertex 4", b"vertex -4", "a format and elements"),
        (b"vertex 4", b"vertex four", "header cannot be read; got element vertex four"),
        (b"vertex 4", b"vertex " + b"9" * 5000, "header cannot be read"),
        (b"vertex 4", b"vertex 99999999999999", "cut off"),
        (b"element vertex 4\n", b"", "header cannot be read; got property float x"),
        (b"float x", b"floot x", "header cannot be read; got property floot x"),
        (b"uchar int vertex", b"uchar long vertex", "header cannot be read"),
        (b"property float z\n", b"", "no x, y and z"),
        (b"1 1 0", b"1 nix 0", "a number cannot be read; got nix"),
        (b"4 0 1 2 3", b"4 0 1 2", "cut off; expected 1 more numbers"),
        (b"4 0 1 2 3", b"-4 0 1 2 3", "says that it has -4 entries"),
        (b"4 0 1 2 3", b"nan 0 1 2 3", "says that it has nan entries"),
        (b"4 0 1 2 3", b"4000000000 0 1 2 3", "cut off"),
        (b"4 0 1 2 3", b"4 0 1 2 4", "not there; expected 0 to 3"),
        (b"4 0 1 2 3", b"4 0 1 2 -1", "not there"),
        (b"4 0 1 2 3", b"4 0 1 2 nan", "not there"),
        (b"4 0 1 2 3", b"4 0 1 2 1e300", "not there"),
    ],
)
def test_damage_is_told_by_the_reader_itself(old: bytes, new: bytes, words: str, tmp_path: Path) -> None:
    data = square()
    assert data.count(old) == 1
    with pytest.raises(DamagedError, match=words):
        read(tmp_path, data.replace(old, new))


@pytest.mark.parametrize("order", ORDERS[1:])
def test_binary_lengths_are_not_believed(order: str, tmp_path: Path) -> None:
    face = ("face", ("list {} int", "vertex_indices"))
    for kind, value in (("uint", 2**32 - 1), ("int", -1), ("float", float("nan")), ("double", 1e300)):
        mark = "<" if order == ORDERS[1] else ">"
        name = (face[0], (face[1][0].format(kind), face[1][1]))
        data = ply((("vertex", *XYZ), SQUARE), (name, [((0, 1, 2),)]), order=order)
        at = len(data) - 12 - np.dtype(TYPES[kind]).itemsize
        data = data[:at] + struct.pack(mark + np.dtype(TYPES[kind]).char, value) + data[-12:]
        with pytest.raises(DamagedError, match=r"cut off|says that it has"):
            read(tmp_path, data)


@pytest.mark.parametrize("order", ORDERS)
def test_a_file_that_is_cut_off_anywhere_is_refused(order: str, tmp_path: Path) -> None:
    data = square(order=order)
    for length in range(len(data) - (2 if order == "ascii" else 1)):
        with pytest.raises(DamagedError):
            read(tmp_path, data[:length])


def test_rows_without_properties_and_a_header_without_end_take_no_time(tmp_path: Path) -> None:
    for order in ORDERS:
        part, lost = read(
            tmp_path,
            square((("nothing",), [()] * 3), order=order).replace(b"nothing 3", b"nothing 9" + b"0" * 15),
        )
        assert area(part) == pytest.approx(1) and lost == ["nothing"]
    data = b"ply\n" + b"comment\n" * (MOST_HEADER // 8) + square()[4:]
    assert len(header_of(data)) == MOST_HEADER
    with pytest.raises(DamagedError, match="not a PLY file"):
        read(tmp_path, data)


def test_a_text_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ply_file, "MOST_TEXT", 64)
    assert area(read(tmp_path, square(order=ORDERS[1]))[0]) == pytest.approx(1)
    with pytest.raises(InputError, match="too large"):
        read(tmp_path, square())


@pytest.mark.parametrize("value", ["nan", "inf", "1e300", "1e30"])
def test_corners_that_are_no_place_are_damage_unless_no_face_uses_them(value: str, tmp_path: Path) -> None:
    faces = (FACES, [((0, 1, 2),)])
    path = tmp_path / "thing.ply"
    path.write_bytes(ply((("vertex", *XYZ), [*SQUARE[:3], (0, value, 0)]), faces))
    assert len(load(path).faces) == 1 and bool(load(path).vertices.isfinite().all())
    path.write_bytes(ply((("vertex", *XYZ), [(0, value, 0), *SQUARE[1:]]), faces))
    with pytest.raises(DamagedError, match=r"not finite|too far out"):
        load(path)


def test_coordinates_of_textures_that_are_no_place_do_no_harm(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    vertex = ("vertex", *XYZ, ("float", "s"), ("float", "t"))
    points = [(*p, value, "nan") for p, value in zip(SQUARE, ("nan", "inf", "-inf", "1e30"), strict=True)]
    (tmp_path / "thing.ply").write_bytes(
        ply((vertex, points), (FACES, [((0, 1, 2, 3),)]), comments="comment TextureFile a.png")
    )
    uv = load(tmp_path / "thing.ply").uv
    assert uv is not None and bool(uv.isfinite().all())
    assert len(load_flat(tmp_path / "thing.ply").faces) == 2


@pytest.mark.parametrize("order", ORDERS)
def test_damaged_files_are_read_or_refused_in_words(order: str, tmp_path: Path) -> None:
    names = [("uchar", channel) for channel in ("red", "green", "blue")]
    vertex = (
        "vertex",
        *XYZ,
        ("float", "nx"),
        ("float", "ny"),
        ("float", "nz"),
        *names,
        ("float", "s"),
        ("float", "t"),
    )
    rows = [(*p, 0, 0, 1, 255, 0, 9, 0.5, 0.5) for p in L]
    faces = (*FACES, ("list uchar float", "texcoord"))
    data = ply((vertex, rows), (faces, [((0, 1, 2), ()), ((0, 1, 2, 3, 4, 5), (0.5,))]), order=order)
    assert 50 < refusals(read_ply, tmp_path / "thing.ply", data, 200) < 200
