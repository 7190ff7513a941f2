from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from dreamlab.cli import main
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
