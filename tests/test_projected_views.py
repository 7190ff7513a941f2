"""Views that are put onto a mesh: what is seen where, which view has the say, stopped runs, presets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import trimesh
from known import SMALL_END, small_config

from dreamlab.cli.run import _preset_for
from dreamlab.core.cameras import distance_to_fit, orbit_cameras
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras, Mesh
from dreamlab.evaluate.surface_views import surface_views
from dreamlab.priors.diffusers.aliases import preset_on_mesh
from dreamlab.run.pipeline import surface_of_run
from dreamlab.run.resolve import resolve
from dreamlab.scenes import HashGridFieldConfig
from dreamlab.stages.protocol import SurfaceMesh
from dreamlab.stages.shown_colors import ViewedColors, viewed_on
from tests.test_fit_views import BYTES, FIT, Shown, run_of


def ball() -> SurfaceMesh:
    made = trimesh.creation.icosphere(subdivisions=5, radius=0.9)
    mesh = Mesh(torch.from_numpy(made.vertices).float(), torch.from_numpy(made.faces))
    field = HashGridFieldConfig(levels=2, log2_table_size=8).build(torch.Generator().manual_seed(0))
    return SurfaceMesh(mesh, field, painted=mesh, fine=mesh, volume=False)


def cameras_at(*places: tuple[float, float], size: int = 256) -> Cameras:
    """Cameras at (azimuth, elevation) in degrees."""
    azimuth, elevation = torch.deg2rad(torch.tensor(places)).unbind(1)
    fovy = torch.full_like(azimuth, 0.7)
    return orbit_cameras(azimuth, elevation, distance_to_fit(fovy), fovy, (size, size))


def stripes(x: torch.Tensor) -> torch.Tensor:
    """Colours that no small field could hold: eleven stripes around the ball, in three phases."""
    turns = 11 * torch.atan2(x[:, 0], x[:, 2])
    return 0.5 + 0.4 * torch.stack([turns.sin(), (turns + 2).sin(), (turns + 4).sin()], 1)


def test_a_surface_wears_what_its_views_show() -> None:
    scene = ball()
    ring = cameras_at(*[(45.0 * k, 10.0) for k in range(8)])
    truth = Mesh(scene.mesh.vertices, scene.mesh.faces, colors=stripes(scene.mesh.vertices))
    views = surface_views(truth, ring).albedo.movedim(-1, 1)
    worn = viewed_on(scene, ring, views).colors()
    x = scene.mesh.vertices
    seen = x[:, 1].abs() < 0.5
    with torch.no_grad():
        error = (worn(x)[1] - stripes(x)).abs().amax(1)[seen]
        own = (scene.colors()(x)[1] - stripes(x)).abs().amax(1)[seen]
    assert float(error.median()) < 0.02 and float(error.quantile(0.95)) < 0.1
    assert float(own.median()) > 0.2  # which the field alone has not


def test_what_no_view_sees_keeps_its_own_colour_to_the_bit() -> None:
    scene = ball()
    above = cameras_at((0.0, 80.0))
    worn = viewed_on(scene, above, torch.ones(1, 3, 64, 64)).colors()
    below = scene.mesh.vertices[scene.mesh.vertices[:, 1] < -0.3]
    with torch.no_grad():
        assert torch.equal(worn(below)[1], scene.colors()(below)[1])
        assert torch.equal(worn(below)[0], scene.colors()(below)[0])


def test_the_view_that_sees_a_place_best_has_the_say() -> None:
    """Red from the front, blue from 60 degrees beside it: at the front almost red, half way both alike."""
    scene = ball()
    both = cameras_at((0.0, 0.0), (60.0, 0.0))
    flat = torch.zeros(2, 3, 32, 32)
    flat[0, 0], flat[1, 2] = 1, 1
    worn = viewed_on(scene, both, flat).colors()
    places = []
    for place in (0.0, 30.0, 60.0):
        towards = cameras_at((place, 0.0)).c2w[0, :3, 3]
        places.append(0.9 * towards / towards.norm())
    with torch.no_grad():
        red, _, blue = worn(torch.stack(places))[1].T
    assert red[0] > 0.97 and blue[2] > 0.97
    assert float(red[1]) == pytest.approx(0.5, abs=0.03) and float(red[1] + blue[1]) == pytest.approx(1)


def worn_by_a_mesh(root: Path, project: bool, stop: int | None = None):
    """A field, and its mesh fitted to views that it wears in the end; a run that is stopped is taken up."""
    shape: dict[str, Any] = FIT | {"compare": "pixels", "background": {"kind": "learned"}, "size": 24}
    refine = shape | {"name": "refine", "steps": 4, "project": project}
    stages = [shape, SMALL_END[0], "clean", refine, *SMALL_END[2:]]
    return run_of(root, small_config(stages=stages, noise={"t_min": 0.3, "t_max": 0.95}), stop, Shown())


def test_a_run_wears_its_last_views_wherever_it_was_stopped(tmp_path: Path) -> None:
    whole = worn_by_a_mesh(tmp_path / "whole", True)
    plain = worn_by_a_mesh(tmp_path / "plain", False)
    assert (whole.path / "mesh.glb").read_bytes() != (plain.path / "mesh.glb").read_bytes()
    for stop in (10, 12):  # inside the stage, and after its last step
        parts = worn_by_a_mesh(tmp_path / f"{stop}", True, stop)
        for name in BYTES:
            assert (parts.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert isinstance(surface_of_run(whole, whole.config()).field, ViewedColors)
    assert not isinstance(surface_of_run(plain, plain.config()).field, ViewedColors)


@pytest.mark.parametrize(
    ("stages", "told"),
    [
        ([FIT | {"project": True}, *SMALL_END], "wants compare: pixels"),
        ([FIT | {"project": True, "compare": "pixels"}, *SMALL_END], "got a field"),
        (
            [
                FIT | {"name": "one"},
                SMALL_END[0],
                FIT | {"name": "two", "project": True, "compare": "pixels"},
                FIT | {"name": "three", "compare": "pixels"},
                *SMALL_END[1:],
            ],
            "'two' .* got another after it",
        ),
    ],
)
def test_views_are_put_onto_meshes_only_and_last(stages: list[Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        small_config(stages=stages)


def test_a_mesh_of_ones_own_has_a_preset_for_every_prior(tmp_path: Path) -> None:
    """Those of the embedded prior ask for mean pictures, which no other prior knows."""
    mesh = tmp_path / "box.glb"
    mesh.write_bytes(trimesh.creation.box().export(file_type="glb"))
    for kind in ("stable-diffusion", "mvdream"):
        assert _preset_for({"begin": str(mesh), "prior": {"kind": kind}}) == "refine-pretrained"
        for preset in ("refine", "texture"):
            asked = {"begin": str(mesh), "prior": {"kind": kind, "model": "sd21"}}
            config = resolve("a box", preset=preset_on_mesh(preset, kind), settings=asked)
            assert config.cfg.mean_color is None and config.prior.kind == kind
    assert _preset_for({"begin": str(mesh)}) == preset_on_mesh("refine", "embedded") == "refine"


@pytest.mark.slow
@pytest.mark.parametrize("command", ["texture", "edit", "run"])
def test_commands_on_a_mesh_work_with_a_pretrained_prior(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dreamlab.cli import main
    from tests.priors import tiny

    model = tiny.stable_diffusion(tmp_path / "model")
    mesh = tmp_path / "box.glb"
    mesh.write_bytes(trimesh.creation.box().export(file_type="glb"))
    name = "refine" if command == "run" else "paint"
    few = {"steps": 4, "every": 2, "sampling_steps": 2}
    small = {f"stages.{name}.{key}": value for key, value in few.items()}
    small["stages.turntable.frames"] = 0
    options = [part for key, value in small.items() for part in ("--set", f"{key}={value}")]
    options += ["--prior", str(model), "--out", str(tmp_path / "runs"), "--quiet"]
    asked = {
        "texture": ["texture", str(mesh), "a wooden box", "--pixels", "64"],
        "edit": ["edit", str(mesh), "make it golden", "--was", "a wooden box"],
        "run": ["run", "a golden box", "--from", str(mesh), "--set", "stages.texture.resolution=64"],
    }
    assert main([*asked[command], *options]) == 0, capsys.readouterr().err
