"""`dreamlab edit`: the colours of an object changed in a word."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import trimesh
from known import red_ball_prior

from dreamlab.cli import main
from dreamlab.evaluate.classifier import Channels, Judge, Prediction
from dreamlab.mesh.geometry.color import texture_of
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.load import load
from dreamlab.mesh.material_words import Finish
from dreamlab.mesh.repaint import Coat
from dreamlab.mesh.retexture import retexture
from dreamlab.mesh.texture.mask import BoxMaskConfig
from dreamlab.mesh.texture.unwrap import unwrap
from dreamlab.run.run_dir import RunDir
from dreamlab.stages import RetextureStageConfig
from tests.test_given import plain, two_halves

SMALL = (
    "stages.paint.steps=2",
    "stages.paint.views=4",
    "stages.turntable.frames=0",
    "stages.retexture.pixels=64",
    "cfg.mean_color=null",
)
TINY = [part for setting in SMALL for part in ("--set", setting)]


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """Half red and half blue, in a texture."""
    mesh = two_halves(trimesh.creation.box((4, 2, 2)))
    (tmp_path / "plain").mkdir()
    flat = write(mesh, tmp_path / "plain" / "box.glb")[0]
    own = Coat(lambda x, normal, own: own, Finish())
    return retexture(flat, tmp_path / "box.glb", lambda _: own, 64).files[0]


def black(x: np.ndarray, normal: np.ndarray) -> np.ndarray:
    return np.zeros_like(x)


def test_strength_is_the_share_of_the_way_to_the_new_colours() -> None:
    ball = plain(trimesh.creation.icosphere(1))
    places, own = np.eye(3), np.full((3, 3), 0.8)
    for strength in (0.0, 0.25, 1.0):
        coat = RetextureStageConfig(strength=strength).coat(black, ball, "a black ball")
        assert coat.paint(places, places, own) == pytest.approx(0.8 * (1 - strength))


def test_outside_a_mask_the_colours_are_the_old_ones_to_the_bit() -> None:
    ball = plain(trimesh.creation.icosphere(2))
    mask = BoxMaskConfig(low=(0, -1, -1), high=(1, 1, 1)).build(ball)
    coat = RetextureStageConfig().coat(black, ball, "x", mask)
    places = ball.vertices.double().numpy()
    own = np.random.default_rng(0).random((len(places), 3))
    painted = coat.paint(places, places, own)
    left = places[:, 0] <= 0
    assert (painted[left] == own[left]).all() and painted[places[:, 0] > 0.1].max() == 0


def test_metal_and_roughness_are_the_words_or_stay(tmp_path: Path) -> None:
    ball = plain(trimesh.creation.icosphere(1))
    assert RetextureStageConfig().coat(black, ball, "a golden ball").finish == (1.0, 0.3)
    kept = RetextureStageConfig(finish="own").coat(black, ball, "a golden ball")
    assert kept.finish is None
    from dataclasses import replace

    from dreamlab.core.types import Material

    metal = replace(two_halves(trimesh.creation.box()), material=Material(metallic=0.75, roughness=0.25))
    flat = unwrap(metal, resolution=64)
    for suffix in ("glb", "obj"):
        source = write(flat, tmp_path / f"m.{suffix}")[0]
        retexture(source, tmp_path / f"o.{suffix}", lambda _: kept, 64)
        found = load(tmp_path / f"o.{suffix}").material
        assert (found.metallic, found.roughness) == (0.75, 0.25), suffix


@pytest.mark.slow
def test_an_edit_is_a_run_of_its_own_that_changes_the_masked_half_alone(
    box: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamlab.priors.embedded.prior import EmbeddedPriorConfig

    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    before, runs = box.read_bytes(), tmp_path / "runs"
    asked = ["edit", str(box), "make it green", "--was", "a blue box", "--mask", "part:blue"]
    assert main([*asked, "--out", str(runs), *TINY]) == 0
    assert "now: a green box" in capsys.readouterr().out
    (folder,) = runs.iterdir()
    run = RunDir(folder)
    assert run.config().prompt == "a green box" and box.read_bytes() == before
    assert (folder / "before-after.png").is_file()
    assert (run.environment() or {})["edit"] == {"of": str(box), "by": "make it green"}
    after, source = load(folder / "mesh.glb"), load(box)
    assert after.uv is not None and source.uv is not None
    assert torch.equal(after.vertices, source.vertices) and torch.equal(after.uv, source.uv)
    texture = texture_of(after, "albedo")
    assert texture is not None
    red = np.abs(texture[..., :3].reshape(-1, 3) / 255 - [0.9, 0.1, 0.1]).max(1) < 0.03
    assert 0.2 < red.mean() < 0.8  # the red half is as it was


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["box.glb", "make it green", "--strength", "2"], "--strength cannot be used"),
        (["box.glb", "make it green", "--mask", "red"], "--mask cannot be read"),
        (["box.glb", "make it green", "--was", "a box", "--mask", "box:9,9,9,10,10,10"], "misses the mesh"),
        (["box.glb", "make it green", "--was", "a box", "--mask", "part:green"], "has no green"),
        (["box.glb", "remove the lid", "--was", "a box with a lid"], "takes no parts away"),
        (["box.glb", "a box with a hat", "--was", "a box"], "only where it is asked for that alone"),
        (["box.glb", "add a scarf", "--was", "a box"], "has not learned what 'a scarf' is"),
        (["box.glb", "add a hat", "--was", "a box", "--mask", "part:red"], "--mask is for edits of"),
        (["box.glb", "add a hat", "--was", "a box", "--geometry", "free"], "--geometry is for edits of"),
        (["box.glb", "a ball", "--was", "a box", "--strength", "0.5"], "--strength is for edits of colours"),
        (["box.glb", "make it", "--was", "a box"], "does not say what to change"),
        (["no.glb", "make it green"], "there is no file no.glb"),
        (["7", "make it green"], "there is no run '7'"),
        (["bad.glb", "make it green"], "bad.glb"),
        (["points.obj", "make it green"], "points.obj"),
    ],
)
def test_mistakes_are_told_in_one_line_before_a_run_is_made(
    arguments: list[str],
    told: str,
    box: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "bad.glb").write_text("nonsense")
    (tmp_path / "points.obj").write_text("v 0 0 0\nv 1 0 0\n")
    monkeypatch.chdir(tmp_path)
    assert main(["edit", *arguments, "--out", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


class Sure(Judge):
    """As sure of a chair as it is told to be, and of red."""

    def __init__(self, sure: float) -> None:
        super().__init__(("chair", "mug"))
        self.sure = sure

    def look(self, x: torch.Tensor, channels: Channels = "color") -> Prediction:
        noun = torch.tensor([[self.sure, 0.1]]).expand(len(x), 2)
        return Prediction(noun, torch.eye(20)[:1].expand(len(x), 20))


@pytest.mark.parametrize(
    ("sure", "told"), [(0.9, "guess: a red chair (90% sure"), (0.2, "not known what box.glb is")]
)
def test_what_a_mesh_is_is_guessed_and_said_or_asked_for(
    sure: float, told: str, box: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamlab.evaluate import looks, shipped_judge

    monkeypatch.setattr(shipped_judge, "read_judge", lambda: SimpleNamespace(judge=Sure(sure)))
    monkeypatch.setattr(looks, "judged_views", lambda mesh: torch.zeros(8, 5, 64, 64))
    assert main(["edit", str(box), "remove the lid"]) == 2  # stops there either way
    shown = capsys.readouterr()
    assert told in shown.out + shown.err


@pytest.mark.parametrize(
    ("said", "shape", "preset"),
    [
        ("make it blue", "closed", ("own", False)),
        ("make it golden", "closed", ("words", False)),
        ("turn it into a ball", "closed", (None, True)),
        ("turn it into a ball", "open", (None, False)),
    ],
)
def test_colours_freeze_the_shape_and_another_thing_begins_as_it(
    said: str, shape: str, preset: tuple[str | None, bool], box: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from argparse import Namespace
    from dataclasses import replace

    from dreamlab.cli.edit import Source, _config, _frozen
    from dreamlab.run.instructions import edited

    mesh = load(box)
    source = Source(box, mesh if shape == "closed" else replace(mesh, faces=mesh.faces[1:]), "a red box")
    args = Namespace(
        geometry="auto", mask=None, strength=None, prior=None, seed=None, device=None, set=None,
        json=False, quiet=False,
    )  # fmt: skip
    edit = edited(said, source.prompt)
    frozen = _frozen(args, edit, source)
    config, _ = _config(args, source, edit, frozen)
    stage, (finish, begun) = config.last(RetextureStageConfig), preset
    assert frozen == (finish is not None) and (None if stage is None else stage.finish) == finish
    place = config.begin if config.shape is None else config.shape.file
    assert (config.shape is not None) == begun and place == box.resolve()
    assert ("bent instead of made anew" in capsys.readouterr().out) == (shape == "open")


def test_a_mask_that_finds_its_place_is_tried_first_and_told(
    box: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from argparse import Namespace

    from dreamlab.cli.edit import Source, _try_mask
    from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
    from dreamlab.run.resolve import resolve
    from tests.test_auto_mask import Painter

    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": Painter())
    mask = {"kind": "auto", "was": "red"}
    settings = {"begin": str(box), "stages": {"retexture": {"mask": mask}}}
    config = resolve("blue", preset="texture", settings=settings)
    _try_mask(Namespace(json=False, quiet=False), config, Source(box, load(box), "red"))
    share = int(capsys.readouterr().out.removeprefix("mask: ").partition("%")[0])
    assert 40 < share < 60
