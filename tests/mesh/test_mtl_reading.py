"""Materials and pictures of OBJ files: options and names as any program writes them, and what is missing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dreamlab.core.errors import InputError
from dreamlab.mesh.geometry.color import linear_to_srgb
from dreamlab.mesh.io import mtl, obj
from dreamlab.mesh.io.companions import DEEPEST, companion, plain_name
from dreamlab.mesh.io.load import load, load_flat
from dreamlab.mesh.io.mtl import Map, Pictures, map_of, read_mtl
from dreamlab.mesh.io.obj import MOST_LIBRARIES, read_obj
from dreamlab.mesh.io.parts import Part
from tests.mesh.damage import refusals

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
FACE = "f 1/1 2/2 3/3 4/4\n"


def read(tmp_path: Path, material: str, library: str = "thing.mtl") -> tuple[Part, list[str], list[str]]:
    (tmp_path / "thing.mtl").write_text(material)
    (tmp_path / "thing.obj").write_text(f"mtllib {library}\n{SQUARE}usemtl m\n{FACE}")
    parts, lost, missing = read_obj(tmp_path / "thing.obj")
    assert len(parts) == 1
    return parts[0], lost, missing


def picture(path: Path, color: str = "red") -> str:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (4, 4), color).save(path)
    return path.name


def albedo(part: Part) -> list[int] | None:
    return None if part.albedo is None else part.albedo[0, 0, :3].tolist()


# ---- options ----


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("wood.png", Map("wood.png")),
        ("  my  wood.png ", Map("my  wood.png")),
        ('"my wood.png"', Map('"my wood.png"')),
        ("-s 2 3 1 wood.png", Map("wood.png", (2, 3))),
        ("-s 2  3   1  my wood.png", Map("my wood.png", (2, 3))),
        ("-S 2 -O 0.5 wood.png", Map("wood.png", (2, 1), (0.5, 0))),
        ("-S 2 wood.png", Map("wood.png", (2, 1))),
        ("-s wood.png", Map("wood.png")),
        ("-o 0,5 0,25 wood.png", Map("wood.png", (1, 1), (0.5, 0.25))),
        ("-s -1 1 1 -o -0.5 0 0 wood.png", Map("wood.png", (-1, 1), (-0.5, 0))),
        ("-s nan inf 1 wood.png", Map("nan inf 1 wood.png")),
        ("-clamp on -CLAMP OFF wood.png", Map("wood.png")),
        ("-clamp on -bm 0.3 -blendu off -imfchan r -mm 0 1 -boost 2 -texres 512 -type cube_top a.png",
         Map("a.png", clamp=True)),
        ("-bm wood.png", Map("wood.png")),
        ("-bm 1 2.png", Map("2.png")),
        ("-colorspace sRGB wood.png", Map("wood.png")),
        ("-unknown wood.png", Map("wood.png")),
        ("-wood.png", Map("-wood.png")),
        ("", None),
        ("   ", None),
        ("-s 1 1 1", None),
    ],
)  # fmt: skip
def test_a_map_is_named_after_any_options(text: str, wanted: Map | None) -> None:
    assert map_of(text) == wanted


def test_scale_and_offset_move_the_texture(tmp_path: Path) -> None:
    picture(tmp_path / "my wood.png")
    part, lost, missing = read(tmp_path, "newmtl m\nmap_Kd -s 2  3 1 -O 0.5 my wood.png\n")
    assert part.uv is not None and not lost and not missing and albedo(part) == [255, 0, 0]
    assert sorted(map(tuple, part.uv.tolist())) == [(0.5, 0), (0.5, 3), (2.5, 0), (2.5, 3)]


# ---- names ----


@pytest.mark.parametrize(
    "name",
    ["my wood.png", '"my wood.png"', "tex\\my wood.png", ".\\tex\\my wood.png", "C:\\work\\tex\\my wood.png",
     "/home/someone/tex/my wood.png", "TEX/MY WOOD.PNG", "..\\tex\\my wood.png", "tex//my wood.png",
     "tex/../tex/my wood.png"],
)  # fmt: skip
def test_pictures_are_found_whoever_wrote_their_names(name: str, tmp_path: Path) -> None:
    picture(tmp_path / "tex" / "my wood.png")
    if "tex" not in name.lower():
        picture(tmp_path / "my wood.png")
    part, _, missing = read(tmp_path, f"newmtl m\nmap_Kd {name}\n")
    assert albedo(part) == [255, 0, 0] and not missing


def test_pictures_lie_beside_the_material_then_beside_the_obj(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", "blue")
    picture(tmp_path / "b.png", "blue")
    picture(tmp_path / "mat" / "a.png", "red")
    for name, color in (("a.png", [255, 0, 0]), ("b.png", [0, 0, 255]), ("../b.png", [0, 0, 255])):
        (tmp_path / "mat" / "m.mtl").write_text(f"newmtl m\nmap_Kd {name}\n")
        part, _, _ = read(tmp_path, "", "mat/m.mtl")
        assert albedo(part) == color


@pytest.mark.parametrize(
    "library", ["a b.mtl c.mtl", '"a b.mtl" "c.mtl"', "gone.mtl a b.mtl c.mtl", "A B.MTL C.mtl"]
)
def test_a_line_names_several_material_files(library: str, tmp_path: Path) -> None:
    (tmp_path / "a b.mtl").write_text("newmtl x\nKd 1 0 0\n")
    (tmp_path / "c.mtl").write_text("newmtl m\nKd 0 1 0\n")
    part, _, missing = read(tmp_path, "", library)
    assert part.factor is not None and part.factor.tolist() == [0, 1, 0, 1] and not missing


def test_the_first_of_two_descriptions_holds(tmp_path: Path) -> None:
    (tmp_path / "b.mtl").write_text("newmtl m\nKd 0 1 0\n")
    part, _, _ = read(tmp_path, "newmtl m\nKd 1 0 0\n", "thing.mtl b.mtl")
    assert part.factor is not None and part.factor.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("material", "library", "words"),
    [
        ("newmtl m\nmap_Kd gone.png\n", "thing.mtl", "the texture gone.png, which is not beside it"),
        ("newmtl m\nmap_Kd thing.obj\n", "thing.mtl", "the texture thing.obj (thing.obj cannot be read)"),
        ("newmtl m\n", "gone.mtl", "the materials of gone.mtl, which is not beside it"),
        ("newmtl m\n", "thing.obj", "the materials of thing.obj, which is not beside it"),
        ("newmtl other\n", "thing.mtl", "materials that are described nowhere (m)"),
        ("newmtl m\n", "gone/", "the materials of gone, which is not beside it"),
    ],
)
def test_colours_that_are_missing_are_said_by_load_and_refused_by_load_flat(
    material: str, library: str, words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A corpus of flat colours learns nothing from an object that has lost them."""
    assert read(tmp_path, material, library)[2] == [words]
    load(tmp_path / "thing.obj")
    assert f"thing.obj: left out: {words}" in caplog.text
    with pytest.raises(InputError) as caught:
        load_flat(tmp_path / "thing.obj")
    assert words in str(caught.value) and "Put it there" in str(caught.value)


def test_an_object_that_never_had_material_files_misses_none(tmp_path: Path) -> None:
    (tmp_path / "thing.obj").write_text(f"{SQUARE}usemtl (null)\n{FACE}")
    _, lost, missing = read_obj(tmp_path / "thing.obj")
    assert lost == ["materials that are described nowhere ((null))"] and not missing
    assert load_flat(tmp_path / "thing.obj").face_colors == pytest.approx(1.0)


def test_a_normal_map_that_is_missing_is_no_colour(tmp_path: Path) -> None:
    _, lost, missing = read(tmp_path, "newmtl m\nKd 1 0 0\nnorm gone.png\n")
    assert lost == ["the texture gone.png, which is not beside it"] and not missing
    assert load_flat(tmp_path / "thing.obj").face_colors == pytest.approx(np.array([[1, 0, 0]] * 2))


# ---- colours ----


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "x", "", "1e999"])
@pytest.mark.parametrize("key", ["Kd", "d", "Tr", "Pm", "Pr", "Ke"])
def test_numbers_that_are_none_mean_nothing(key: str, number: str, tmp_path: Path) -> None:
    part, _, _ = read(tmp_path, f"newmtl m\n{key} {number}\n")
    assert part.factor is None and part.material.metallic == 0 and part.material.roughness == 1


@pytest.mark.parametrize(
    ("lines", "alpha"),
    [
        ("d 0.25", 0.25),
        ("Tr 0.75", 0.25),
        ("d 0.25\nTr 0.25", 0.25),
        ("Tr 1", 1),
        ("d 7", 1),
        ("d -1", 0),
        ("d 0,25", 0.25),
    ],
)
def test_how_solid_a_material_is(lines: str, alpha: float, tmp_path: Path) -> None:
    part, _, _ = read(tmp_path, f"newmtl m\n{lines}\n")
    assert (1.0 if part.factor is None else part.factor[3]) == alpha
    assert part.material.alpha == ("blend" if alpha < 1 else "opaque")


def test_a_colour_tints_a_texture_and_a_grey_does_not(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", "white")
    for kd, wanted in (("1 0.5 0", [1, 0.5, 0]), ("0.64 0.64 0.64", None), ("0 0 0", None)):
        part, _, _ = read(tmp_path, f"newmtl m\nKd {kd}\nmap_Kd a.png\n")
        assert (part.factor is None) == (wanted is None)
        assert (
            wanted is None or part.factor is None or linear_to_srgb(part.factor[:3]) == pytest.approx(wanted)
        )


def test_a_mask_cuts_and_one_of_another_size_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    Image.new("L", (4, 4), 51).save(tmp_path / "mask.png")
    Image.new("L", (2, 2), 51).save(tmp_path / "small.png")
    part, lost, _ = read(tmp_path, "newmtl m\nmap_Kd a.png\nmap_d mask.png\n")
    assert part.albedo is not None and (part.albedo[..., 3] == 51).all() and not lost
    part, lost, _ = read(tmp_path, "newmtl m\nmap_Kd a.png\nmap_d small.png\n")
    assert (
        part.albedo is not None
        and (part.albedo[..., 3] == 255).all()
        and lost == ["transparency by a picture"]
    )


def test_what_a_mesh_does_not_hold_is_named(tmp_path: Path) -> None:
    lines = "Ke 1 0 0\nmap_Ks a\nmap_Bump a\ndisp a\nrefl a\nmap_Ke a\nmap_Pr a\nmap_Pm a\ndecal a\n"
    _, lost, _ = read(tmp_path, "newmtl m\n" + lines)
    wanted = ["gloss", "bumps", "displacement", "reflections", "roughness", "metal", "decals"]
    assert [name for name in lost if name != "light of its own"] == wanted and len(lost) == 9


def test_a_picture_in_floating_point_is_no_black(tmp_path: Path) -> None:
    grey = np.array([[0, 0.2], [1, 7], [np.nan, -1]], np.float32)
    Image.fromarray(grey).save(tmp_path / "a.tiff")
    part, _, missing = read(tmp_path, "newmtl m\nmap_Kd a.tiff\n")
    assert part.albedo is not None and not missing
    assert (
        part.albedo[..., 0].tolist() == [[0, 51], [255, 255], [0, 0]] and (part.albedo[..., 3] == 255).all()
    )


# ---- bounds ----


def test_a_material_file_or_a_picture_that_is_too_large_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "a.png")
    monkeypatch.setattr(mtl, "MOST_PICTURE", 10)
    part, _, missing = read(tmp_path, "newmtl m\nmap_Kd a.png\n")
    assert part.albedo is None and missing == ["the texture a.png (a.png is too large)"]
    monkeypatch.setattr(mtl, "MOST_BYTES", 10)
    pictures = Pictures(tmp_path, [], [])
    assert read_mtl(tmp_path / "thing.mtl", pictures, {"m"}) == {}
    assert pictures.missing == ["the materials of thing.mtl, which is too large"]


def test_pictures_together_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand small files can be as many gigabytes; the same picture twice counts once."""
    monkeypatch.setattr(mtl, "MOST_TEXELS", 40)
    pictures = Pictures(tmp_path, [], [])
    for name in ("a.png", "b.png", "c.png"):
        picture(tmp_path / name)
    found = [pictures(name) for name in ("a.png", "a.png", "b.png", "c.png")]
    assert [image is None for image in found] == [False, False, False, True] and found[0] is found[1]
    assert pictures.missing == ["the texture c.png (all together have more than 0 million pixels)"]


def test_pictures_are_not_looked_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step of every name is asked for in the folder."""
    asked: list[str] = []
    monkeypatch.setattr(mtl, "MOST_GONE", 5)
    monkeypatch.setattr(mtl, "companion", lambda name, *_: asked.append(name))
    pictures = Pictures(tmp_path, [], [])
    assert all(pictures(f"{k}.png") is None for k in range(9))
    assert len(asked) == 5 and len(pictures.missing) == 9


def test_thousands_of_material_files_are_not_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a line of a megabyte searched from each of its words, which would take hours."""
    libraries = "".join(f"mtllib a{k}.mtl\n" for k in range(20_000)) + "mtllib " + "a " * 500_000 + "\n"
    (tmp_path / "thing.obj").write_text(libraries + SQUARE + "usemtl m\n" + FACE)
    asked = []
    monkeypatch.setattr(obj, "companion", lambda *place: asked.append(place))
    _, _, missing = read_obj(tmp_path / "thing.obj")
    assert len(asked) <= 2 * MOST_LIBRARIES
    assert len(missing) == 1 and f"and {MOST_LIBRARIES - 8} more" in missing[0]


def test_a_path_without_end_is_not_followed(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    assert companion("x/" * (DEEPEST - 1) + "a.png", tmp_path) == tmp_path / "a.png"
    assert companion("x/" * 100_000 + "a.png", tmp_path) is None


def test_links_in_a_ring_and_names_that_are_none_are_not_there(tmp_path: Path) -> None:
    os.symlink(tmp_path / "b.png", tmp_path / "a.png")
    os.symlink(tmp_path / "a.png", tmp_path / "b.png")
    os.symlink(tmp_path / "loop", tmp_path / "loop")
    for name in (
        "a.png",
        "A.PNG",
        "loop/a.png",
        "loop",
        "x" * 5000,
        "\ud800.png",
        "a\0.png",
        "",
        "/",
        "..",
        ".",
    ):
        assert companion(name, tmp_path) is None
    part, _, missing = read(tmp_path, "newmtl m\nmap_Kd a.png\n")
    assert part.albedo is None and missing == ["the texture a.png, which is not beside it"]
    assert companion("a.png", tmp_path / "loop") is None


def test_links_and_pipes_do_not_lead_out(tmp_path: Path) -> None:
    picture(tmp_path / "secret.png")
    folder = tmp_path / "in"
    folder.mkdir()
    os.symlink(tmp_path / "secret.png", folder / "a.png")
    os.symlink(tmp_path, folder / "up")
    os.mkfifo(folder / "pipe.png")
    for name in ("a.png", "up/secret.png", "../secret.png", str(tmp_path / "secret.png"), "pipe.png"):
        assert companion(name, folder) is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("tex\\a.png", "a.png"),
        ("a/b/", "b"),
        ('"a b.png"', "a b.png"),
        ("///", "?"),
        ("a\x1b[31m\nb", "a?[31m?b"),
    ],
)
def test_names_are_shown_without_harm(name: str, shown: str) -> None:
    assert plain_name(name) == shown
    assert len(plain_name("x" * 10_000)) == 60


def test_damaged_materials_are_read_or_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "thing.obj").write_text(f"mtllib thing.mtl\n{SQUARE}usemtl m\n{FACE}")
    material = b"newmtl m\nKd 0.1 0.2 0.3\nd 0.5\nPm 0.1\nmap_Kd -s 1 2 1 -o 0.5 0.5 0 a.png\nmap_d a.png\n"

    def whole(_: Path) -> object:
        return load(tmp_path / "thing.obj")

    assert refusals(whole, tmp_path / "thing.mtl", material, 150) == 0
