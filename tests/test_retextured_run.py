"""`dreamlab texture MESH PROMPT`: a run that gives a mesh file other colours and leaves all else in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from known import red_ball_prior, small_config

from dreamlab.cli import main
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import texture_of
from dreamlab.mesh.geometry.shape import frame_of
from dreamlab.mesh.io.gltf_file import GltfFile
from dreamlab.mesh.io.load import load
from dreamlab.mesh.texture.painted import PaintedSurface
from dreamlab.mesh.texture.palette import PaletteConfig
from dreamlab.mesh.texture.seen import looking
from dreamlab.run.events import Step
from dreamlab.run.machine import environment
from dreamlab.run.pipeline import generate, surface_of_run
from dreamlab.run.run_dir import RunDir
from dreamlab.stages.retexture import RetextureStageConfig
from tests.mesh.analytic import Solid, sphere
from tests.mesh.test_retexture import figure

STAGES: list[Any] = [
    {"name": "paint", "steps": 4, "views": 4, "lr": 0.02, "lr_scale": {"geometry": 0}},
    {"kind": "retexture", "pixels": 64},
    "export",
]
KEPT = ("nodes", "skins", "animations", "accessors", "scenes")


def painted(source: Path, root: Path, stop: int | None = None, stages: list[Any] = STAGES) -> RunDir:
    config = small_config(begin=str(source), stages=stages)
    run = RunDir.create(root, config, environment())
    events = generate(config, run, red_ball_prior())
    for event in events:
        if isinstance(event, Step) and event.done == stop:
            events.close()
    return run


def source_of(run: RunDir) -> Path:
    begin = run.config().begin
    assert begin is not None
    return begin


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    folder = tmp_path_factory.mktemp("whole")
    return painted(figure(folder), folder / "runs")


def test_positions_coordinates_skins_morphs_and_movement_stay_to_the_bit(whole: RunDir) -> None:
    before, after = GltfFile(source_of(whole)), GltfFile(whole.path / "mesh.glb")
    assert all(before.json[key] == after.json[key] for key in KEPT)
    for index in range(len(before.json["accessors"])):
        assert before.rows(index).tobytes() == after.rows(index).tobytes()
    (old,), (new,) = (file.json["meshes"][0]["primitives"] for file in (before, after))
    assert old == new  # the skin's joints and weights, and the morph target


def test_a_resumed_run_has_the_bytes_of_an_unbroken_one(whole: RunDir, tmp_path: Path) -> None:
    stopped = painted(source_of(whole), tmp_path, stop=2)
    assert not (stopped.path / "mesh.glb").exists()
    list(generate(stopped.config(), stopped, red_ball_prior()))
    for name in ("mesh.glb", "mesh.obj", "metrics.jsonl"):
        assert (whole.path / name).read_bytes() == (stopped.path / name).read_bytes(), name


def test_an_exported_surface_is_the_file_in_its_new_coat(whole: RunDir, tmp_path: Path) -> None:
    scene = surface_of_run(whole, whole.config())
    assert scene.dressed is not None and scene.dressed.format == "glb"
    scene.dressed.write(tmp_path / "again.glb")
    assert (tmp_path / "again.glb").read_bytes() == (whole.path / "mesh.glb").read_bytes()


def test_corners_do_not_move_where_their_rate_is_0(whole: RunDir) -> None:
    from dreamlab.run.restore import newest

    state = newest(whole).state
    assert state["scene.u"].count_nonzero() == 0
    assert not any(name.startswith("adam.scene.u") for name in state)  # no gradient was worked out


def test_the_texture_has_the_fields_colours_where_the_file_has_its_surface(whole: RunDir) -> None:
    scene = surface_of_run(whole, whole.config())
    mesh = load(whole.path / "mesh.glb")
    frame = frame_of(load(source_of(whole)))
    inside = frame.inside(mesh.vertices)
    assert inside.norm(dim=1).max() == pytest.approx(1, abs=1e-6)
    seen = scene.colors()(inside)[1].mean(0).detach().numpy()
    texture = texture_of(mesh, "albedo")
    assert texture is not None and np.abs(texture.mean((0, 1)) / 255 - seen).max() < 0.25


def test_a_size_or_a_format_of_its_own_gives_the_mesh_alone_and_says_so(
    whole: RunDir, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sized = [*STAGES[:2], {"kind": "export", "formats": ["glb"], "size": "0.3m"}]
    run = painted(source_of(whole), tmp_path, stages=sized)
    assert "of figure.glb only the mesh is kept" in caplog.text
    mesh = load(run.path / "mesh.glb")
    assert float((mesh.vertices.amax(0) - mesh.vertices.amin(0)).max()) == pytest.approx(0.3, abs=1e-5)


def test_a_run_from_a_prompt_has_no_file_to_colour() -> None:
    with pytest.raises(ConfigError, match=r"begins with none.*--from"):
        small_config(stages=[{"steps": 2}, "extract", "retexture", "export"])


def noisy_halves(x: torch.Tensor) -> torch.Tensor:
    """Noisy red where x > 0, else noisy blue."""
    red, blue = torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.8])
    return torch.where(x[:, :1] > 0, red, blue) + 0.08 * torch.sin(1000 * x)


def test_a_palette_takes_the_noise_and_keeps_the_border() -> None:
    ball = trimesh.creation.icosphere(3)
    mesh = Mesh(torch.from_numpy(np.array(ball.vertices)).float(), torch.from_numpy(np.array(ball.faces)))
    look = looking(Solid(sphere(1.0), rgb=noisy_halves), 0.0, 1, None)
    painted = PaintedSurface.of(mesh, look, PaletteConfig(mode="auto"))
    assert painted is not None and len(painted.palette.colors) == 2
    moved = Mesh(mesh.vertices * 3 + 5, mesh.faces)
    coat = RetextureStageConfig().coat(painted.colors, moved, "a golden ball")
    assert coat.finish is not None and coat.finish.metallic == 1.0
    places = mesh.vertices.double().numpy()
    colors = coat.paint(places * 3 + 5, places, np.ones_like(places))
    for side, channel in ((places[:, 0] > 0.1, 0), (places[:, 0] < -0.1, 2)):
        assert (colors[side].argmax(1) == channel).all() and colors[side].std(0).max() < 0.01


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chair.glb"], "needs a prompt or a style"),
        (["chair.glb", "a chair", "--style", "wood"], "got both"),
        (["chair.glb", "--style", "wood", "--seed", "3"], "--seed is for prompts"),
        (["chair.glb", "a chair", "--pixels", "9"], "--pixels cannot be used"),
        (["chair.glb", "a chair"], "there is no file chair.glb"),
        (["3", "a chair"], "3 is no mesh file"),
    ],
)
def test_mistakes_are_told_in_one_line(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["texture", *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(("text", "told"), [("nonsense", "bad.glb"), ("v 0 0 0\nv 1 0 0\n", "bad.obj")])
def test_a_file_that_is_no_mesh_leaves_no_run_behind(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / told).write_text(text)
    runs = tmp_path / "runs"
    assert main(["texture", str(tmp_path / told), "a chair", "--out", str(runs), "--quiet"]) == 2
    error = capsys.readouterr().err
    assert told in error and "Traceback" not in error
    assert not list(runs.glob("0*"))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_the_command_writes_beside_the_mesh(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamlab.mesh.io.export import write
    from dreamlab.mesh.texture.unwrap import unwrap
    from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
    from tests.test_given import two_halves

    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    box = unwrap(two_halves(trimesh.creation.box((4, 2, 2))), resolution=64)
    source = write(box, tmp_path / f"box{suffix}")[0]
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    short = ("stages.paint.steps=2", "stages.paint.views=4", "stages.turntable.frames=0")
    small = (*short, "cfg.mean_color=null")
    tiny = [part for setting in small for part in ("--set", setting)]
    runs = str(tmp_path / "runs")
    asked = ["texture", str(source), "a red box", "--pixels", "64", "--out", runs, "--quiet", *tiny]
    assert main(asked) == 0
    target = tmp_path / f"box-a-red-box{suffix}"
    assert capsys.readouterr().out.splitlines()[-1] == str(target) and target.is_file()
    assert all(path.read_bytes() == data for path, data in before.items())  # the source is untouched
    assert torch.equal(load(target).vertices, load(source).vertices)
    assert main(asked) == 0  # again: another name, the first is left
    assert (tmp_path / f"box-a-red-box-export{suffix}").is_file()
