"""A run with pictures: kept in its folder, placed once, gone on with exactly, refused where it cannot be."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from known import red_ball_prior, small_config, small_values
from PIL import Image
from test_pipeline import result

from dreamlab.cli import main
from dreamlab.core.cameras import turntable
from dreamlab.core.errors import ConfigError, DamagedError, InputError
from dreamlab.core.types import Cameras, Condition
from dreamlab.guidance.camera_guess import guess_azimuth
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.reference import Picture
from dreamlab.pictures.cutout import cut_out
from dreamlab.pictures.framing import picture_camera
from dreamlab.pictures.option import image_settings
from dreamlab.priors.analytic import TargetImagesPrior
from dreamlab.run import pictures
from dreamlab.run.begin import new_run
from dreamlab.run.context import RunContext
from dreamlab.run.events import Note, Step
from dreamlab.run.pictures import kept_name, shown_prior
from dreamlab.run.pipeline import generate, surface_of_run
from dreamlab.run.resolve import from_values, resolve
from dreamlab.run.run_dir import RunDir


def ball_picture(file: Path, color: tuple[int, int, int] = (230, 26, 26)) -> Path:
    y, x = np.mgrid[0:48, 0:64] + 0.5
    alpha = (np.hypot(x - 30, y - 25) < 18).astype(np.uint8) * 255
    Image.fromarray(np.dstack([np.full((48, 64, 3), color, np.uint8), alpha])).save(file)
    return file


def with_picture(file: Path, **image: Any) -> dict[str, Any]:
    return {"images": [{"path": str(file), "azimuth": 0, **image}]}


def begun(root: Path, **image: Any) -> RunDir:
    file = ball_picture(root / "ball.png")
    run = new_run(small_config(**with_picture(file, **image)), root / "out", red_ball_prior())
    file.unlink()  # the run has its own
    return run


# ---- runs ----


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    run = begun(tmp_path_factory.mktemp("whole"))
    list(generate(run.config(), run, red_ball_prior()))
    return run


@pytest.mark.parametrize("step", [3, 9])
def test_a_run_with_a_picture_goes_on_exactly_without_the_users_file(
    whole: RunDir, tmp_path: Path, step: int
) -> None:
    run = begun(tmp_path)
    events = generate(run.config(), run, red_ball_prior())
    next(event for event in events if isinstance(event, Step) and event.done == step)
    events.close()
    list(generate(run.config(), run, red_ball_prior()))
    assert result(run) == result(whole)


def test_the_picture_takes_part(whole: RunDir, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (whole.path / "metrics.jsonl").read_text().splitlines()]
    assert all(0 < row["reference"] < 1 for row in rows)
    run = new_run(small_config(), tmp_path, red_ball_prior())
    list(generate(run.config(), run, red_ball_prior()))
    assert result(run)["mesh.glb"] != result(whole)["mesh.glb"]
    assert not list(run.path.glob("picture*")) and "reference" not in run.metrics()[0][0]


def test_how_the_picture_was_cut_out_is_said_once(tmp_path: Path) -> None:
    run = begun(tmp_path)
    line = "ball.png is cut out by its transparency"
    events = generate(run.config(), run, red_ball_prior())
    notes = []
    for event in events:
        notes += [event.text] if isinstance(event, Note) else []
        if isinstance(event, Step) and event.done == 4:
            break
    events.close()
    assert notes.count(line) == 1
    again = [e.text for e in generate(run.config(), run, red_ball_prior()) if isinstance(e, Note)]
    assert line not in again


def test_a_picture_is_cut_out_once_for_words_colour_and_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    monkeypatch.setattr(pictures, "SURE", 0.0)
    monkeypatch.setattr(pictures, "cut_out", lambda rgba, name: names.append(name) or cut_out(rgba, name))
    file = ball_picture(tmp_path / "ball.png")
    config = resolve("a ball", preset="fast", settings=with_picture(file))
    pictures.suggested_prompt(config.images[0])
    run = new_run(config, tmp_path / "out")
    assert run.config().expanded == "a red sphere" and names == [str(file)]
    ball_picture(file, (20, 20, 230))
    assert pictures.color_of(config.images[0]) != "red" and names == [str(file)] * 2


def test_a_run_writes_down_which_pictures_it_was_asked_for_with(tmp_path: Path) -> None:
    file = ball_picture(tmp_path / "ball.png")
    digest = sha256(file.read_bytes()).hexdigest()
    environment = begun(tmp_path, azimuth=None).environment()
    assert environment is not None
    (shown,) = environment["shown"]
    assert (shown["path"], shown["azimuth"], shown["fill"]) == (digest, None, 0.9)


def test_the_mesh_is_made_anew_with_the_runs_own_picture(whole: RunDir) -> None:
    assert len(surface_of_run(whole, whole.config()).mesh.faces) > 20


def test_a_copy_that_is_gone_is_said(tmp_path: Path) -> None:
    run = begun(tmp_path)
    (run.path / kept_name(0)).unlink()
    with pytest.raises(DamagedError, match="the run's copy of its picture"):
        list(generate(run.config(), run, red_ball_prior()))


def test_a_picture_that_cannot_be_used_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_text("no picture")
    with pytest.raises(InputError, match="cannot be read"):
        new_run(small_config(**with_picture(tmp_path / "p.png")), tmp_path / "out", red_ball_prior())
    assert not (tmp_path / "out").exists()


def test_a_run_that_fails_at_once_leaves_no_picture(tmp_path: Path) -> None:
    run = begun(tmp_path)
    with pytest.raises(RuntimeError), run.unless_stillborn():
        raise RuntimeError
    assert not run.path.exists()


# ---- from where it was taken ----


def test_a_prior_that_cannot_tell_says_front_and_the_config_keeps_it(tmp_path: Path) -> None:
    run = begun(tmp_path, azimuth=None)
    events = generate(run.config(), run, red_ball_prior())
    notes = []
    for event in events:
        notes += [event.text] if isinstance(event, Note) else []
        if isinstance(event, Step):
            break
    events.close()
    assert any("is taken to show the front: this prior cannot tell" in note for note in notes)
    assert run.config().images[0].azimuth == 0.0
    again = [e.text for e in generate(run.config(), run, red_ball_prior()) if isinstance(e, Note)]
    assert not any("front" in note or "settings were changed" in note for note in again)


class KnowsSides(TargetImagesPrior):
    """Its mean pictures are a bar whose height tells the side; the front is the lowest."""

    def mean(self, condition: Condition, cameras: Cameras) -> torch.Tensor:
        images = torch.full((len(cameras), 4, 16, 16), -1.0)
        for row, azimuth in enumerate(cameras.azimuth.rad2deg().tolist()):
            images[row, :, : 2 + int(azimuth / 30 + 0.25)] = 1.0
        return images

    def with_mean_color_of(self, x0: torch.Tensor, like: torch.Tensor, blur: float | None = None):
        return x0


def bar(height: int) -> Picture:
    solid = torch.zeros(16, 16, 1)
    solid[:height] = 1
    return Picture(solid.expand(16, 16, 3), solid, picture_camera(0.0, 15.0, 40.0))


def test_the_side_whose_mean_picture_is_nearest_is_guessed() -> None:
    cameras = turntable(4, 0.3, 2.5, 0.7, (16, 16))
    prior = KnowsSides(torch.zeros(4, 4, 16, 16), cameras)
    prompts = ViewPrompts(prior, "it", view_dependent=False)
    for azimuth in (0, 90, 270):
        found = guess_azimuth(prior, prompts, bar(2 + azimuth // 30))
        assert found is not None and found.azimuth == azimuth and found.apart < 1e-6
    assert guess_azimuth(red_ball_prior(), prompts, bar(2)) is None


@pytest.mark.parametrize(("share", "azimuth"), [(0.51, 0.0), (0.6, 30.0)])
def test_the_front_is_left_only_for_a_side_that_is_clearly_nearer(share: float, azimuth: float) -> None:
    """A bar of two rows is the front, of three the side at 30 degrees; the third row is there in part."""
    prior = KnowsSides(torch.zeros(4, 4, 16, 16), turntable(4, 0.3, 2.5, 0.7, (16, 16)))
    solid = bar(2).opacity.clone()
    solid[2] = share
    between = Picture(solid.expand(16, 16, 3), solid, picture_camera(0.0, 15.0, 40.0))
    found = guess_azimuth(prior, ViewPrompts(prior, "it", view_dependent=False), between)
    assert found is not None and found.azimuth == azimuth


# ---- settings ----


def test_what_takes_no_pictures_refuses_them(tmp_path: Path) -> None:
    image = with_picture(ball_picture(tmp_path / "b.png"))
    fit = [{"kind": "fit-views", "steps": 2}, *small_values()["stages"][2:]]
    with pytest.raises(ConfigError, match=r"this prior is shown no picture\. .*--prior imagedream"):
        from_values(small_values(**image) | {"stages": fit})
    shown = {"kind": "imagedream", "model": "x/y"}
    assert from_values(small_values(**image, prior=shown) | {"stages": fit}).images
    with pytest.raises(ConfigError, match="dds edits an object"):
        from_values(
            small_values(**image)
            | {"guidance": {"kind": "dds", "source_prompt": "it"}, "begin": str(tmp_path)}
        )
    for kind, title in (("zero123", "Zero123"), ("imagedream", "ImageDream")):
        prior = {"kind": kind, "model": "x/y"}
        with pytest.raises(ConfigError, match=f"{title} is shown the front"):
            from_values(small_values(images=[image["images"][0] | {"azimuth": 90}], prior=prior))


def test_zero123_is_shown_the_runs_picture(tmp_path: Path) -> None:
    image = with_picture(ball_picture(tmp_path / "b.png"), elevation=20)
    config = from_values(small_values(**image, prior={"kind": "zero123", "model": "x/y"}))
    shown = shown_prior(config, tmp_path)
    assert shown.image == tmp_path / "picture-1.png" and shown.image_elevation == 20
    own = from_values(small_values(**image, prior={"kind": "zero123", "model": "x/y", "image": "o.png"}))
    assert shown_prior(own, tmp_path) == own.prior
    with pytest.raises(ConfigError, match="Zero123 has no picture"):
        config.prior.build()


def test_imagedream_is_shown_the_runs_picture_and_told_what_is_asked_without_it(tmp_path: Path) -> None:
    image = with_picture(ball_picture(tmp_path / "b.png"))
    values = small_values(**image, prior={"kind": "imagedream", "model": "x/y"})
    shown = shown_prior(from_values(values | {"negative_prompt": "ugly"}), tmp_path)
    assert (shown.image, shown.negative_prompt) == (tmp_path / "picture-1.png", "ugly")


@pytest.mark.parametrize(("kind", "rows"), [("embedded", 4), ("imagedream", 5)])
def test_a_prior_that_is_shown_the_picture_keeps_its_groups_of_views(
    tmp_path: Path, kind: str, rows: int
) -> None:
    """One that is not looks at the picture's view among its four; else it is a fifth, which a loss holds."""
    image = with_picture(ball_picture(tmp_path / "b.png"))
    named = {"embedded": {}, "imagedream": {"prior": {"kind": "imagedream", "model": "x/y"}}}[kind]
    config = from_values(small_values(**image, **named))
    prior = red_ball_prior()
    prior.views_per_group = 4
    context = RunContext(config, torch.device("cpu"), prior)
    stage = config.distillations[0].model_copy(update={"views": 4})
    cameras = stage.cameras.build((8, 8)).sample(4, 0.0, torch.Generator().manual_seed(0))
    method = context.guidance(stage)
    seen = method.select_cameras(cameras, 0.0, torch.Generator().manual_seed(0))
    assert len(seen) == rows
    if kind == "imagedream":
        assert torch.equal(seen.c2w[1:], cameras.c2w)


# ---- the command ----


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a.png", {}),
        ("a.png@90", {"azimuth": 90.0}),
        ("a.png@-45,15", {"azimuth": -45.0, "elevation": 15.0}),
        ("a@2x.png", {}),
        ("a@2x.png@10", {"azimuth": 10.0}),
    ],
)
def test_cameras_are_said_after_an_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, wanted: dict[str, float]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "a@2x.png"):
        Path(name).touch()
    name = "a@2x.png" if "2x" in text else "a.png"
    assert image_settings(text) == {"path": name, **wanted}


@pytest.mark.parametrize("text", ["a.png@left", "a.png@1,2,3", "a.png@nan", "a.png@1,", "b.png@3", "b.png"])
def test_a_camera_that_cannot_be_read_and_a_missing_file_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").touch()
    with pytest.raises(
        InputError, match="there is no such file" if text[0] == "b" else "cannot read the camera"
    ):
        image_settings(text)


def test_names_are_relative_to_the_folder_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert image_settings("a.png@9", tmp_path) == {"path": str(tmp_path / "a.png"), "azimuth": 9.0}
    assert image_settings(str(tmp_path / "a.png"), Path("elsewhere")) == {"path": str(tmp_path / "a.png")}


def test_without_words_and_picture_the_command_says_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run"]) == 2
    assert "nothing says what to make" in capsys.readouterr().err


def test_settings_of_a_picture_are_set_by_its_number(tmp_path: Path) -> None:
    image = {"path": str(ball_picture(tmp_path / "b.png"))}
    config = resolve("a ball", preset="fast", settings={"images": [image]}, overrides=["images.0.fill=0.7"])
    assert config.images[0].fill == 0.7 and config.images[0].azimuth is None
