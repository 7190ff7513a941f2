from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest
from PIL import Image

from dreamlab.cli import main
from dreamlab.mesh.io import sources
from dreamlab.mesh.io.companions import companion
from dreamlab.mesh.io.sources import files_of, same_file


@pytest.fixture
def chair(tmp_path: Path) -> Path:
    (tmp_path / "chair.obj").write_text(
        "mtllib chair.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl m\nf 1/1 2/2 3/3\n"
    )
    (tmp_path / "chair.mtl").write_text("newmtl m\nmap_Kd -s 2 2 1 my wood.png\n")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "my wood.png")
    return tmp_path / "chair.obj"


def test_an_obj_is_all_the_files_that_it_names(chair: Path) -> None:
    assert {file.name for file in files_of(chair)} == {"chair.obj", "chair.mtl", "my wood.png"}


def test_a_line_that_goes_on_names_files_too(chair: Path) -> None:
    """Read as the reader of the mesh reads it, or the material would be written over."""
    chair.write_text(chair.read_text().replace("mtllib chair.mtl", "mtllib \\\nchair.mtl"))
    assert {file.name for file in files_of(chair)} == {"chair.obj", "chair.mtl", "my wood.png"}


def test_a_file_is_the_same_by_another_name(chair: Path) -> None:
    os.symlink(chair, chair.with_name("other.obj"))
    assert same_file(chair.with_name("other.obj"), files_of(chair)) == chair
    assert same_file(chair.with_name("new.obj"), files_of(chair)) is None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["export", "--format", "obj"], 0),
        (["export", "--format", "obj", "--name", "chair"], 2),
        (["export", "--to", "chair.obj"], 2),
        (["export", "--to", "./chair.obj"], 2),
        (["render", "--to", "my wood.png"], 2),
    ],
)
def test_no_file_of_a_source_is_ever_replaced(
    chair: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int
) -> None:
    monkeypatch.chdir(chair.parent)
    before = {path: path.read_bytes() for path in chair.parent.iterdir()}
    assert main([arguments[0], "chair.obj", *arguments[1:]]) == code
    assert all(path.read_bytes() == data for path, data in before.items())


def test_a_texture_of_the_usual_name_of_a_sheet_is_not_rendered_over(
    chair: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(chair.parent)
    os.rename("my wood.png", "sheet.png")
    Path("chair.mtl").write_text("newmtl m\nmap_Kd sheet.png\n")
    before = Path("sheet.png").read_bytes()
    assert main(["render", "chair.obj", "--sheet", "1"]) == 2
    assert "sheet.png would be replaced" in capsys.readouterr().err
    assert Path("sheet.png").read_bytes() == before


@pytest.mark.parametrize("kind", ["glb", "gltf"])
def test_a_gltf_is_its_buffers_and_pictures_too(kind: str, tmp_path: Path) -> None:
    names = ["data file.bin", "wood.png", "tex/far.png"]
    (tmp_path / "tex").mkdir()
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    buffers, images = (
        [{"uri": "data%20file.bin"}],
        [{"uri": "wood.png"}, {"uri": "tex/far.png"}, {"uri": "data:,x"}],
    )
    text = json.dumps({"asset": {"version": "2.0"}, "buffers": buffers, "images": images}).encode()
    path = tmp_path / f"m.{kind}"
    if kind == "glb":
        text += b" " * (-len(text) % 4)
        text = struct.pack("<4sIIII", b"glTF", 2, 20 + len(text), len(text), 0x4E4F534A) + text
    path.write_bytes(text)
    assert {file.relative_to(tmp_path).as_posix() for file in files_of(path)} == {f"m.{kind}", *names}


@pytest.mark.parametrize(
    ("name", "data"),
    [("m.gltf", b"[" * 100_000), ("m.gltf", b"7"), ("m.glb", b"glTF"), ("m.obj", b""), ("m.ply", b"ply"),
     ("m.obj", b"mtllib " + b"a" * 5000), ("m.obj", b"mtllib \xff\0.mtl"), ("gone.obj", None)],
)  # fmt: skip
def test_a_damaged_file_is_one_file(name: str, data: bytes | None, tmp_path: Path) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    assert files_of(tmp_path / name) == [tmp_path / name]


def test_a_picture_of_a_ply_is_its_own_whatever_the_header_says_before(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    header = "ply\nformat ascii 1.0\ncomment end_header comes later\ncomment TextureFile a.png\nend_header\n"
    (tmp_path / "m.ply").write_text(header)
    assert files_of(tmp_path / "m.ply") == [tmp_path / "m.ply", tmp_path / "a.png"]


def test_a_name_is_looked_for_once(chair: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "chair.mtl").write_text("newmtl m\n" + "map_Kd my wood.png\n" * 1000)
    asked: list[str] = []

    def counted(name: str, folder: Path, base: Path | None = None) -> Path | None:
        asked.append(name)
        return companion(name, folder, base)

    monkeypatch.setattr(sources, "companion", counted)
    assert {file.name for file in files_of(chair)} == {"chair.obj", "chair.mtl", "my wood.png"}
    assert asked == ["my wood.png"]
