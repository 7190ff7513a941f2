"""The measure of distilled objects: a field before the judge, beside the mesh that was taken from it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from known import red_ball_prior, small_config

from dreamlab.evaluate.objects import AROUND
from dreamlab.priors.embedded.model_space import from_model_space
from dreamlab.run.machine import environment
from dreamlab.run.pipeline import generate
from dreamlab.run.run_dir import RunDir

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

from measure_distilled import field_seen, read


@pytest.mark.slow
def test_a_field_is_seen_where_it_stands(tmp_path: Path) -> None:
    stages = [{"name": "shape", "steps": 60, "views": 8, "lr": 0.03}]
    config = small_config(stages=stages)
    run = RunDir.create(tmp_path, config, environment())
    list(generate(config, run, red_ball_prior()))
    color, opacity, relative_depth = from_model_space(field_seen(run.path))
    assert color.shape == (AROUND, 64, 64, 3) and opacity.max() > 0.9
    middle = color[:, 28:36, 28:36].mean(dim=(0, 1, 2))
    assert middle[0] > 0.6 and middle[1:].max() < 0.4
    solid = (opacity > 0.5).float()
    assert relative_depth[:, 28:36, 28:36].mean() > relative_depth[solid > 0].mean() > 0.0
    mesh, failure = read(run.path / "mesh.glb")
    assert mesh is not None and failure == ""


def test_a_mesh_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "mesh.glb").write_bytes(b"no mesh at all")
    mesh, failure = read(tmp_path / "mesh.glb")
    assert mesh is None and "not a GLB file" in failure
