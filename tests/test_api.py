"""The Python API does what the command line does, and its examples run."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from known import red_ball_prior, small_values

import dreamlab
from dreamlab import api
from dreamlab.core.errors import ConfigError, InputError
from dreamlab.mesh.io.load import load
from dreamlab.run.events import Begun, Finished, Phase, Step


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, dreamlab; print([m for m in ('torch', 'numpy', 'pydantic') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"


def test_what_the_package_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'generat'"):
        _ = dreamlab.generat
    assert set(dir(dreamlab)) >= {"generate", "events", "load_run", "Result"}


@pytest.fixture(scope="module")
def ball(tmp_path_factory: pytest.TempPathFactory) -> tuple[api.Result, list[object], Path]:
    out, seen = tmp_path_factory.mktemp("runs"), []
    settings = small_values()
    prompt = settings.pop("prompt")
    result = dreamlab.generate(
        prompt, settings=settings, out=out, prior=red_ball_prior(), on_event=seen.append
    )
    return result, seen, out


def test_a_result_holds_files_mesh_field_and_settings(ball: tuple[api.Result, list[object], Path]) -> None:
    result, _, out = ball
    assert result.folder.parent == out
    assert result.prompt == "a red ball"
    assert set(result.files) >= {"glb", "obj", "html"}
    assert all(path.is_file() for path in result.files.values())
    assert 0 < len(result.mesh.faces) <= 300
    middle, corner = result.field.density(torch.tensor([[0.0, 0, 0], [0.95, 0.95, 0.95]])).tolist()
    assert middle > corner


def test_a_run_is_written_anew_with_other_settings(
    ball: tuple[api.Result, list[object], Path], tmp_path: Path
) -> None:
    result, _, _ = ball
    (same,) = result.export(tmp_path / "mesh.glb")
    assert same.read_bytes() == result.files["glb"].read_bytes()
    blue = {"stages.texture.recolor": {"pink": "#0000ff"}, "stages": {"texture": {"palette": {"mode": "on"}}}}
    (other,) = result.export(tmp_path / "blue.glb", blue)
    assert load(other).colors.mean(0).argmax() == 2 and result.mesh.colors.mean(0).argmax() == 0


def test_events_come_in_order_and_end_with_the_files(ball: tuple[api.Result, list[object], Path]) -> None:
    result, seen, _ = ball
    assert seen[0] == Begun(result.folder) and isinstance(seen[1], Phase)
    assert sum(isinstance(event, Step) for event in seen) == 12
    assert isinstance(seen[-1], Finished) and seen[-1].folder == result.folder


def test_pictures_show_the_object_on_white(ball: tuple[api.Result, list[object], Path]) -> None:
    pictures = ball[0].render(style="clay")
    assert pictures.shape == (4, 512, 512, 3)
    assert (pictures[:, :4, :4] == 255).all()
    assert (pictures[:, 256, 256] < 250).all()


def test_a_run_is_found_again_by_number_name_folder_and_as_the_latest(
    ball: tuple[api.Result, list[object], Path],
) -> None:
    result, _, out = ball
    for name in (1, "1", result.folder.name, result.folder, "latest"):
        assert dreamlab.load_run(name, out=out).folder == result.folder
    with pytest.raises(InputError, match="no run"):
        dreamlab.load_run(7, out=out)


def test_an_iterator_that_is_closed_keeps_a_checkpoint_that_load_run_reads(tmp_path: Path) -> None:
    settings = small_values()
    prompt = settings.pop("prompt")
    events = api.events(prompt, settings=settings, out=tmp_path, prior=red_ball_prior())
    steps = (event for event in events if isinstance(event, Step))
    for _ in range(5):
        next(steps)
    events.close()
    left = dreamlab.load_run(out=tmp_path)
    assert left.files == {}
    assert torch.isfinite(left.field.density(torch.zeros(1, 3)).detach())


def test_dotted_settings_mean_what_set_means_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stepz"):
        dreamlab.generate("a ball", preset="fast", settings={"stages.0.stepz": 3}, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_examples_of_the_api_run(tmp_path: Path) -> None:
    tests = doctest.DocTestFinder().find(api.generate, "generate", globs={"folder": tmp_path})
    runner = doctest.DocTestRunner()
    assert sum(len(test.examples) for test in tests) >= 3
    for test in tests:
        runner.run(test)
    assert runner.failures == 0


def test_a_callback_that_raises_ends_the_run_with_a_checkpoint_kept(tmp_path: Path) -> None:
    def fail(event: object) -> None:
        if isinstance(event, Step) and event.done == 2:
            raise ZeroDivisionError

    settings = small_values()
    with pytest.raises(ZeroDivisionError) as raised:
        dreamlab.generate(
            settings.pop("prompt"), settings=settings, out=tmp_path, prior=red_ball_prior(), on_event=fail
        )
    (run,) = tmp_path.iterdir()
    assert (run / "checkpoints" / "000002").is_dir() and raised.traceback  # kept now, not when that goes
