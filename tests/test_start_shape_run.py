"""A run that begins as a rough shape: kept in its folder, resumed exactly, wrong files said plainly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trimesh
from known import red_ball_prior, small_config, small_values
from test_pipeline import result

from dreamlab.core.errors import ConfigError, InputError
from dreamlab.mesh.io.load import load
from dreamlab.run.begin import new_run
from dreamlab.run.config import RunConfig
from dreamlab.run.events import Finished, Step
from dreamlab.run.pipeline import generate
from dreamlab.run.run_dir import RunDir
from dreamlab.run.start_shape import KEPT


@pytest.fixture
def blocks(tmp_path: Path) -> Path:
    path = tmp_path / "blocks.obj"
    high = trimesh.creation.box((0.5, 2, 0.5)).apply_translation((0, 1, 0))
    trimesh.util.concatenate([trimesh.creation.box((2, 0.5, 0.5)), high]).export(path)
    return path


def begun(root: Path, blocks: Path, **changes: Any) -> RunDir:
    config = small_config(**changes, shape={"file": str(blocks), "weight": 10})
    return new_run(config, root, red_ball_prior())


def worked(run: RunDir, until: int | None = None) -> list[Any]:
    events = []
    for event in (work := generate(run.config(), run, red_ball_prior())):
        events.append(event)
        if isinstance(event, Step) and event.done == until:
            work.close()
    return events


def test_the_object_is_like_its_sketch(tmp_path: Path, blocks: Path) -> None:
    run = begun(tmp_path / "runs", blocks)
    assert isinstance(worked(run)[-1], Finished)
    mesh = load(run.path / "mesh.glb")
    width, height, depth = (mesh.vertices.amax(0) - mesh.vertices.amin(0)).tolist()
    assert width > 1.5 * depth and height > 1.5 * depth  # a ball without it


@pytest.mark.parametrize("kind", ["hashgrid", "sdf"])
@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 10])
def test_a_run_that_was_stopped_does_not_want_the_users_file(
    tmp_path: Path, blocks: Path, step: int, kind: str
) -> None:
    field = small_values()["field"] | {"kind": kind}
    if kind == "sdf":
        del field["density"]
    whole = begun(tmp_path / "whole", blocks, field=field)
    worked(whole)
    stopped = begun(tmp_path / "stopped", blocks, field=field)
    blocks.unlink()
    assert (stopped.path / KEPT).is_file()
    worked(stopped, until=step)
    worked(stopped)
    assert result(stopped) == result(whole)


def test_a_refined_mesh_of_such_a_run_is_resumed_too(tmp_path: Path, blocks: Path) -> None:
    stages = small_values()["stages"]
    stages.insert(4, {"name": "refine", "steps": 4, "views": 4})
    whole, stopped = (begun(tmp_path / name, blocks, stages=stages) for name in ("whole", "stopped"))
    worked(whole)
    worked(stopped, until=14)
    worked(stopped)
    assert result(stopped) == result(whole)


@pytest.mark.parametrize("name, told", [("none.glb", "cannot be read"), ("lid.obj", "is open")])
def test_a_shape_that_cannot_be_used_leaves_no_run(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "lid.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with pytest.raises(InputError, match=told):
        begun(tmp_path / "runs", tmp_path / name)
    assert not (tmp_path / "runs").exists()


def test_the_setting_has_a_short_form_and_excludes_beginning_with_an_object(blocks: Path) -> None:
    config = small_config(shape=str(blocks))
    assert config.shape is not None and config.shape.file == blocks and config.shape.weight(0) == 2000
    assert RunConfig.model_validate(config.model_dump(mode="json", by_alias=True)) == config
    with pytest.raises(ConfigError, match="no other shape"):
        small_config(shape=str(blocks), begin=str(blocks.parent / "0001-a-red-ball"))
