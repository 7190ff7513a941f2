"""The comparison of files with trimesh: a difference is found, told or silent, and the lot is even."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import foreign_files as script

BOX = trimesh.creation.box((1, 2, 3))


def test_a_file_that_both_read_alike_is_the_same(tmp_path: Path) -> None:
    for suffix in ("stl", "ply", "obj", "off", "glb"):
        BOX.export(tmp_path / f"box.{suffix}")
        row = script.compared(tmp_path / f"box.{suffix}")
        assert row["verdict"] == "same" and row["differs"] == [], row


@pytest.mark.parametrize(("wrong", "name"), [
    (BOX.copy().apply_scale((1, 1, 1.1)), "sides"),
    (trimesh.Trimesh(BOX.vertices, BOX.faces[:, ::-1]), "volume"),
    (trimesh.Trimesh(BOX.vertices, BOX.faces[1:]), "triangles"),
    (trimesh.Trimesh(BOX.vertices, BOX.faces[1:]), "area"),
])  # fmt: skip
@pytest.mark.parametrize(("said", "verdict"), [("", "silent"), ("box.stl: left out: half", "told")])
def test_a_difference_is_silent_unless_it_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: Any, name: str, said: str, verdict: str
) -> None:
    BOX.export(tmp_path / "box.stl")
    monkeypatch.setattr(script, "ours", lambda _: (script.figures(np.asarray(wrong.triangles), None), said))
    row = script.compared(tmp_path / "box.stl")
    assert row["verdict"] == verdict and name in row["differs"]


def test_another_color_is_a_difference_and_trimesh_s_own_grey_is_none(tmp_path: Path) -> None:
    corners = np.asarray(BOX.triangles)
    red, blue = (script.figures(corners, np.tile(rgb, (12, 1))) for rgb in ((1, 0, 0), (0, 0, 1)))
    grey = script.figures(corners, np.full((12, 3), np.nan))
    assert script.differences(red, blue) == ["color"] and script.differences(red, grey) == []
    BOX.export(tmp_path / "plain.stl")
    assert np.isnan(script.theirs(tmp_path / "plain.stl")["color"]).all()


def test_refusals_bugs_and_hangs_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.stl").write_bytes(b"no")
    assert script.compared(tmp_path / "bad.stl")["verdict"] in ("neither", "trimesh cannot")
    BOX.export(tmp_path / "box.stl")
    monkeypatch.setattr(script, "ours", lambda _: (None, "refused"))
    assert script.compared(tmp_path / "box.stl")["verdict"] == "refused"
    monkeypatch.setattr(script, "ours", lambda _: 1 / 0)
    assert script.compared(tmp_path / "box.stl")["verdict"] == "traceback"
    monkeypatch.setattr(script, "ours", lambda _: time.sleep(9))
    monkeypatch.setattr(script, "SECONDS", 1)
    assert script.compared(tmp_path / "box.stl")["verdict"] == "hang"


def test_a_lot_takes_every_format_evenly_and_the_page_keeps_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for k in range(5):
        BOX.export(tmp_path / f"{k}.stl")
    BOX.export(tmp_path / "one.ply")
    (tmp_path / "readme.txt").write_text("not a model")
    assert sorted(p.suffix for p in script.lot(tmp_path, 3, 0)) == [".ply", ".stl", ".stl"]
    assert script.main([str(tmp_path), "--out", str(tmp_path / "page.json")]) == 0
    page = json.loads((tmp_path / "page.json").read_text())
    assert page["files"] == 6 and page["verdicts"] == {"same": 6} and page["rows"] == []
    assert json.loads(capsys.readouterr().out)["formats"] == {".ply": 1, ".stl": 5}
