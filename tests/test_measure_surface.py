"""The measure of surfaces: lots, figures summed up, and a whole measurement of one small object."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from dying import die

from dreamlab.core.errors import InputError
from dreamlab.evaluate.mesh_fidelity import mesh_fidelity, survey
from dreamlab.evaluate.true_pictures import TruePicturesConfig
from dreamlab.run.resolve import resolve
from dreamlab.studio.shapes import NOUNS

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import measure_surface as script
import surface_lot

SMALL = (
    "field={kind: hashgrid, levels: 2, log2_table_size: 10, finest_resolution: 32, width: 16}",
    "renderer={samples: 24, occupancy: {resolution: 16}}",
    "stages=[{steps: 4, views: 4, lr: 0.02}]",
    "stages.extract={kind: extract, resolution: 24, views: 4, view_size: 24, refine: 1}",
    "stages.simplify.faces=300",
    "stages.texture.into=vertices",
)


def row(**changes: Any) -> dict[str, Any]:
    figures = {"silhouette_iou": 0.9, "normal_angle": 20.0, "normal_within": 0.3, "depth": 0.02, "psnr": 20.0}
    size = {"faces": 1000, "seconds": 30.0, "peak_mb": 1500}
    return (
        {"source": "folder", "failure": "", "preset": "default", "all_round": dict(figures)}
        | figures
        | size
        | changes
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "models"
    home.mkdir()
    lines = []
    for k, noun in enumerate(("box", "plank", "pole", "slab")):
        trimesh.creation.box(extents=(1 + k, 1, 2)).export(home / f"{noun}.glb")
        lines.append(json.dumps({"file": f"{noun}.glb", "captions": [f"a {noun}"]}))
    (home / "captions.jsonl").write_text("\n".join(lines))
    return home


def test_a_longer_lot_begins_with_the_shorter_one(folder: Path) -> None:
    short, among = surface_lot.lot(folder, 2, 5)
    long, _ = surface_lot.lot(folder, 3, 5)
    assert among["folder"] == 4 and len(short) == 4 and len(long) == 6
    names = {source: [s.name for s in long if s.source == source] for source in ("folder", "procedural")}
    for source in names:
        assert [s.name for s in short if s.source == source] == names[source][:2]
        assert len(set(names[source])) == 3
    for subject, same in zip(short, surface_lot.lot(folder, 2, 5)[0], strict=True):
        assert np.array_equal(subject.vertices, same.vertices) and subject.prompt == same.prompt
    assert [s.name for s in surface_lot.lot(folder, 3, 6)[0]] != [s.name for s in long]


def test_true_objects_fill_the_unit_sphere_as_results_do(folder: Path) -> None:
    for subject in surface_lot.lot(folder, 2, 0)[0]:
        vertices = subject.mesh().vertices
        assert float(vertices.norm(dim=1).max()) == pytest.approx(1.0, abs=1e-5)
        assert torch.allclose(vertices.amax(0), -vertices.amin(0), atol=1e-5)


def test_some_of_the_lot_can_be_asked_for_and_strangers_are_refused(folder: Path) -> None:
    subjects, _ = surface_lot.lot(folder, 4, 0)
    assert surface_lot.picked(subjects, []) == subjects
    assert [s.name for s in surface_lot.picked(subjects, ["pole"])] == ["folder-pole"]
    with pytest.raises(InputError, match="holds no 'unicorn'"):
        surface_lot.picked(subjects, ["pole", "unicorn"])


def test_medians_and_worst_figures_are_those_of_the_rows() -> None:
    rows = [
        row(),
        row(normal_angle=10.0, silhouette_iou=0.7, psnr=15.0),
        row(normal_angle=40.0, silhouette_iou=0.8, source="procedural", depth=None),
        {"source": "procedural", "failure": "the volume is empty", "preset": "default"},
    ]
    output = script.summaries(rows)
    assert output["all"]["objects"] == 4 and output["all"]["failed"] == 1
    assert output["all"]["normal_angle"] == {"median": 20.0, "worst": 40.0}
    assert output["all"]["silhouette_iou"] == {"median": 0.8, "worst": 0.7}
    assert output["all"]["depth"] == {"median": 0.02, "worst": 0.02}
    assert output["all"]["all_round"]["normal_angle"] == {"median": 20.0, "worst": 20.0}
    assert output["folder"]["psnr"] == {"median": 17.5, "worst": 15.0} and output["folder"]["failed"] == 0
    assert output["procedural"]["objects"] == 2 and output["procedural"]["normal_angle"]["median"] == 40.0
    assert script.summaries([rows[-1]])["all"] == {"objects": 1, "failed": 1}


def test_the_truth_is_lit_on_the_side_that_is_seen() -> None:
    one = torch.ones(1)
    camera = script.orbit_cameras(0.4 * one, 0.3 * one, 3 * one, 0.6 * one, (8, 8))
    subject = surface_lot.lot(None, 1, 0)[0][0]
    inside_out = surface_lot.flat_mesh(subject.vertices, subject.faces[:, ::-1], subject.face_colors)
    for mesh in (subject.mesh(), inside_out):
        lit = script.facing(mesh, camera)
        assert lit.normals is not None
        assert (((camera.c2w[0, :3, 3] - lit.vertices) * lit.normals).sum(1) >= -1e-6).all()


@pytest.mark.slow
def test_one_object_is_made_measured_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        script, "mesh_fidelity", lambda mesh, truth, *_: mesh_fidelity(mesh, truth, survey(3, 64))
    )
    line = ["--count", "1", "--runs", str(tmp_path / "runs"), "--resolution", "16", "--noise", "0.01"]
    line += [part for setting in SMALL for part in ("--set", setting)]
    out, sheet = tmp_path / "output" / "surface.json", tmp_path / "output" / "surface.png"
    assert script.main([*line, "--out", str(out), "--sheet", str(sheet)]) == 0
    output = json.loads(out.read_text())
    (record,) = (tmp_path / "runs").glob("*/outcome.json")
    made = record.stat().st_mtime_ns
    (only,) = output["objects"]
    assert not only["failure"] and only["faces"] > 0 and only["peak_mb"] > 50
    assert (
        0 < only["silhouette_iou"] <= 1
        and 0 < only["normal_angle"] < 90
        and only["seconds"] > 0
        and only["cpu_seconds"] > 0
    )
    assert output["teacher"]["resolution"] == 16 and output["lot"]["among"] == {"procedural": len(NOUNS)}
    assert output["summary"]["default"]["all"]["normal_angle"]["median"] == only["normal_angle"]
    assert sheet.stat().st_size > 1000

    assert script.main(line) == 0  # nothing is made twice
    assert record.stat().st_mtime_ns == made
    capsys.readouterr()
    assert script.main([*line, "--only", "unicorn"]) == 2
    assert "holds no 'unicorn'" in capsys.readouterr().err


def test_a_run_that_cannot_be_mended_is_a_failure_and_stays_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def empty(*_: Any) -> dict[str, Any]:
        raise InputError("the volume is empty")

    monkeypatch.setattr("dreamlab.run.pipeline.generate", empty)
    subject, config = surface_lot.lot(None, 1, 0)[0][0], resolve("a ball", preset="default")
    outcome = surface_lot.run(subject.mesh(), config, TruePicturesConfig(), tmp_path)
    assert outcome["glb"] is None and outcome["failure"].startswith("the volume is empty")


def test_a_process_that_dies_costs_one_object_and_leaves_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surface_lot, "run", die)
    line = ["--count", "1", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "dead.json")]
    assert script.main([*line, "--sheet", str(tmp_path / "dead.png")]) == 0
    output = json.loads((tmp_path / "dead.json").read_text())
    assert output["objects"][0]["failure"] == "its process died"
    assert output["summary"]["default"]["all"] == {"objects": 1, "failed": 1}
    assert not list((tmp_path / "runs").glob("*/outcome.json"))
