"""A run that begins with a mesh of the user's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from known import SMALL_END, red_ball_prior, small_config

from dreamlab.core.errors import ConfigError, InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.load import load
from dreamlab.run.events import Step
from dreamlab.run.machine import environment
from dreamlab.run.pipeline import generate
from dreamlab.run.restore import field_of
from dreamlab.run.run_dir import RunDir
from dreamlab.scenes import HashGridFieldConfig
from dreamlab.stages import given
from dreamlab.stages.given import FACES, given_surface

STAGES: list[Any] = [
    {"name": "refine", "steps": 4, "views": 4, "lr": 0.02, "lr_scale": {"geometry": 0.5}},
    *SMALL_END[2:],
]


def plain(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(
        torch.tensor(np.asarray(shape.vertices)).float(), torch.from_numpy(np.asarray(shape.faces, np.int64))
    )


def two_halves(shape: trimesh.Trimesh) -> Mesh:
    """Red where x > 0, else blue; corners of its own for every face, so that the border is sharp."""
    mesh = plain(shape)
    corners = mesh.vertices[mesh.faces.reshape(-1)]
    right = mesh.vertices[mesh.faces].mean(1)[:, 0].repeat_interleave(3) > 0
    colors = torch.where(right[:, None], torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.2, 0.9]))
    return Mesh(corners, torch.arange(len(corners)).view(-1, 3), colors=colors)


@pytest.fixture
def box(tmp_path: Path) -> Path:
    return write(two_halves(trimesh.creation.box((40, 20, 20), transform=shift(90))), tmp_path / "box.glb")[0]


def shift(x: float) -> np.ndarray:
    return trimesh.transformations.translation_matrix((x, 0, 0))


def taken(path: Path) -> Any:
    random = torch.Generator().manual_seed(0)
    return given_surface(path, HashGridFieldConfig(levels=6).build(random), random)


def test_a_mesh_comes_into_the_unit_sphere_with_corners_enough_and_keeps_its_shape(tmp_path: Path) -> None:
    path = write(plain(trimesh.creation.box((40, 20, 20), transform=shift(90))), tmp_path / "box.obj")[0]
    scene = taken(path)
    assert len(scene.mesh.faces) >= FACES and not scene.volume
    assert scene.mesh.vertices.norm(dim=1).max() == pytest.approx(1, abs=1e-5)
    solid = trimesh.Trimesh(scene.mesh.vertices.numpy(), scene.mesh.faces.numpy(), process=False)
    assert solid.is_watertight  # divided evenly, no corner stands on another face's edge
    assert solid.extents[0] / solid.extents[1] == pytest.approx(2, abs=1e-4)
    assert scene.colors()(scene.mesh.vertices)[1].sub(0.8).abs().max() < 0.05  # grey: it had no colours


def test_the_field_takes_over_the_colours() -> None:
    ball = two_halves(trimesh.creation.icosphere(3))
    random = torch.Generator().manual_seed(0)
    path = Path("ball.glb")
    field = HashGridFieldConfig(levels=6).build(random)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(given, "load", lambda _: ball)
        scene = given_surface(path, field, random)
    x = scene.mesh.vertices
    for side, color in ((x[:, 0] > 0.15, [0.9, 0.1, 0.1]), (x[:, 0] < -0.15, [0.1, 0.2, 0.9])):
        off = (scene.colors()(x[side])[1] - torch.tensor(color)).abs()
        assert off.mean() < 0.03


@pytest.mark.parametrize(
    ("spoil", "output"),
    [
        (lambda m: replace(m, vertices=torch.zeros_like(m.vertices)), "no area"),
        (lambda m: replace(m, vertices=m.vertices * torch.tensor([1.0, 0, 0])), "no area"),
    ],
)
def test_a_mesh_without_an_area_is_refused(spoil: Any, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "load", lambda _: spoil(two_halves(trimesh.creation.box())))
    with pytest.raises(InputError, match=output):
        taken(Path("flat.glb"))


def test_a_mesh_that_is_too_fine_is_refused_with_the_mend(monkeypatch: pytest.MonkeyPatch, box: Path) -> None:
    monkeypatch.setattr(given, "MOST", 10)
    with pytest.raises(InputError, match=r"12.*dreamlab export box\.glb --faces"):
        taken(box)


def test_a_mesh_with_holes_is_refined_as_it_is(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(2)
    ball.update_faces(np.arange(len(ball.faces)) > 20)
    scene = taken(write(plain(ball), tmp_path / "open.glb")[0])
    assert not trimesh.Trimesh(scene.mesh.vertices.numpy(), scene.mesh.faces.numpy()).is_watertight


def run_from(box: Path, root: Path, stop: int | None = None) -> RunDir:
    config = small_config(begin=str(box), stages=STAGES)
    run = RunDir.create(root, config, environment())
    events = generate(config, run, red_ball_prior())
    for event in events:
        if isinstance(event, Step) and event.done == stop:
            events.close()
    return run


def test_a_run_begins_with_the_mesh_and_goes_on_after_a_stop(box: Path, tmp_path: Path) -> None:
    whole, stopped = run_from(box, tmp_path / "whole"), run_from(box, tmp_path / "stopped", stop=2)
    box.unlink()  # what the checkpoint holds is enough
    list(generate(stopped.config(), stopped, red_ball_prior()))
    files = ("mesh.glb", "metrics.jsonl")
    assert all((whole.path / f).read_bytes() == (stopped.path / f).read_bytes() for f in files)
    assert load(whole.path / "mesh.glb").vertices.norm(dim=1).max() < 1.2
    sigma, rgb = field_of(whole)(torch.zeros(1, 3))  # the colours that it began with
    assert sigma.shape == (1,) and rgb.shape == (1, 3)


def test_a_mesh_needs_stages_for_meshes_and_a_field_others(box: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"got a mesh already.*--preset refine"):
        small_config(begin=str(box))
    with pytest.raises(ConfigError, match="got a field"):
        small_config(stages=STAGES)


def test_a_dry_run_of_a_refinement_times_it(
    box: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamlab.cli.dry_run import show
    from dreamlab.priors.embedded.prior import EmbeddedPriorConfig

    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    assert show(small_config(begin=str(box), stages=STAGES), as_json=False) == 0
    out = capsys.readouterr().out
    assert "# steps: 4" in out and "3 timed steps of each optimisation" in out


def test_from_takes_a_mesh_with_the_preset_for_it_or_a_run(
    box: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dreamlab.cli import main

    assert main(["run", "a box", "--from", str(tmp_path / "no.glb")]) == 2
    assert "no.glb: there is no such file" in capsys.readouterr().err
    assert main(["run", "a box", "--from", "7", "--out", str(tmp_path)]) == 2
    assert "there is no run '7'" in capsys.readouterr().err
    assert main(["run", "a box", "--preset", "refine"]) == 2
    assert "--from" in capsys.readouterr().err
    tiny = ("refine.steps=1", "refine.views=4", "texture.resolution=64", "turntable.frames=0")
    settings = [part for setting in tiny for part in ("--set", f"stages.{setting}")]
    runs = tmp_path / "runs"
    assert main(["run", "a box", "--from", str(box), "--out", str(runs), "--quiet", *settings]) == 0
    (run,) = runs.iterdir()
    assert RunDir(run).config().begin == box and (run / "mesh.glb").is_file()
