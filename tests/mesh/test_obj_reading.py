"""What an OBJ file says is kept, and a damaged one is refused in words or read, never a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dreamlab.cli.destination import WRITTEN
from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.mesh.io.export import FORMATS
from dreamlab.mesh.io.load import load
from dreamlab.mesh.io.obj import read_obj

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


def test_nothing_outside_the_files_folder_is_opened(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
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
