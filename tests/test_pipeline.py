from __future__ import annotations

import base64
import json
import re
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from known import SMALL_END, red_ball_prior, small_config, small_values

from dreamlab.core.errors import DamagedError, InputError, UnavailableError
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run.config import RunConfig
from dreamlab.run.context import RunContext
from dreamlab.run.events import Finished, Note, Phase, Step
from dreamlab.run.machine import changes, environment, pick_device
from dreamlab.run.pipeline import generate
from dreamlab.run.restore import field_of
from dreamlab.run.run_dir import RunDir
from dreamlab.views.figures import figure

TOTAL = 12


def whole_run(root: Path, config: RunConfig) -> tuple[RunDir, list]:
    run = RunDir.create(root, config, environment())
    return run, list(generate(config, run, red_ball_prior()))


def stop_after(root: Path, config: RunConfig, step: int) -> RunDir:
    """A run whose watcher walks away after a step."""
    run = RunDir.create(root, config, environment())
    events = generate(config, run, red_ball_prior())
    for event in events:
        if isinstance(event, Step) and event.done == step:
            events.close()
            return run
    raise AssertionError(f"step {step} never came")


def result(run: RunDir) -> dict[str, bytes]:
    return {name: (run.path / name).read_bytes() for name in ("mesh.glb", "mesh.obj", "metrics.jsonl")}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return whole_run(tmp_path_factory.mktemp("reference"), small_config())[0]


def test_a_run_leaves_what_it_says(tmp_path: Path) -> None:
    config = small_config(stages={"turntable": {"frames": 3, "size": 32}})
    run, events = whole_run(tmp_path, config)
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert set(finished.files) == {"glb", "obj", "mp4", "webp", "report"}
    assert all(path.stat().st_size > 100 for path in finished.files.values())
    phases = [event.name for event in events if isinstance(event, Phase)]
    assert phases == [
        *("load", "embed", "shape", "colour"),
        *("extract", "clean", "simplify", "texture", "export", "turntable"),
    ]
    assert [event.done for event in events if isinstance(event, Step)] == list(range(1, TOTAL + 1))
    assert sorted(p.name for p in (run.path / "previews").iterdir()) == ["000005.png", "000010.png"]
    assert run.config() == config
    summary = json.loads((run.path / "summary.json").read_text())
    assert summary["files"]["mesh.glb"] == sha256((run.path / "mesh.glb").read_bytes()).hexdigest()
    assert {"shape", "shape.render", "colour.prior", "colour.backward"} <= set(summary["seconds"])
    page = (run.path / "report.html").read_text("utf-8")
    assert "<td>watertight</td><td>yes</td>" in page
    for measure in ("silhouette_iou", "psnr", "psnr_worst"):
        assert f"<td>{figure(measure).name}</td>" in page and measure in summary["measures"]
    assert not list(run.path.rglob(".writing-*"))


def test_the_object_of_the_prior_comes_out_red(reference: RunDir) -> None:
    from dreamlab.mesh.io.load import load

    mesh = load(reference.path / "mesh.glb")
    assert mesh.colors is not None
    red, green, blue = mesh.colors.mean(0).tolist()
    assert red > green + 0.1 and red > blue + 0.1


def test_same_seed_same_bytes(reference: RunDir, tmp_path: Path) -> None:
    run, _ = whole_run(tmp_path, small_config())
    assert result(run) == result(reference)


def test_another_seed_gives_other_bytes(reference: RunDir, tmp_path: Path) -> None:
    run, _ = whole_run(tmp_path, small_config(seed=4))
    assert result(run)["mesh.glb"] != result(reference)["mesh.glb"]


@pytest.mark.parametrize("step", [1, 2, 7, 8, 9, 12])
def test_a_run_stopped_at_any_step_ends_as_if_it_had_not_been(
    reference: RunDir, tmp_path: Path, step: int
) -> None:
    run = stop_after(tmp_path, small_config(), step)
    assert not (run.path / "mesh.glb").exists()
    events = list(generate(run.config(), run, red_ball_prior()))
    assert [event.done for event in events if isinstance(event, Step)] == list(range(step + 1, TOTAL + 1))
    assert result(run) == result(reference)


@pytest.mark.parametrize("step", [8, 10])
def test_what_stages_hand_on_is_handed_on_after_a_stop(tmp_path: Path, step: int) -> None:
    """A learned background and a hardening surface, stopped where the second stage begins, and within it."""
    field = {**small_values()["field"], "kind": "sdf"}
    del field["density"]  # a signed distance has none
    stages = [
        stage | {"background": {"kind": "learned"}, "losses": {"eikonal": {"weight": 1, "points": 64}}}
        for stage in small_values()["stages"][:2]
    ] + SMALL_END
    config = small_config(field=field, stages=stages)
    whole, _ = whole_run(tmp_path / "whole", config)
    run = stop_after(tmp_path / "stopped", config, step)
    assert list(generate(run.config(), run, red_ball_prior()))
    assert result(run) == result(whole)


def test_a_run_that_lost_its_newest_checkpoint_says_so_and_ends_alike(
    reference: RunDir, tmp_path: Path
) -> None:
    run = stop_after(tmp_path, small_config(), 7)
    newest = run.path / "checkpoints" / "000007" / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1] + b"\x55")
    events = list(generate(run.config(), run, red_ball_prior()))
    notes = [event.text for event in events if isinstance(event, Note)]
    assert any("damaged checkpoint" in text and "000007" in text for text in notes)
    assert next(event.done for event in events if isinstance(event, Step)) == 7
    assert result(run) == result(reference)


def test_a_finished_run_can_be_run_again_without_new_steps(reference: RunDir) -> None:
    before = result(reference)
    events = list(generate(reference.config(), reference, red_ball_prior()))
    assert not [event for event in events if isinstance(event, Step)]
    assert result(reference) == before


def test_a_run_whose_steps_are_done_goes_on_without_its_prior(
    reference: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stop_after(tmp_path, small_config(), TOTAL)

    def build(self: EmbeddedPriorConfig, device: str = "cpu") -> None:
        raise AssertionError("the prior is not needed")

    monkeypatch.setattr(EmbeddedPriorConfig, "build", build)
    events = list(generate(run.config(), run))
    assert any("what is left is the mesh" in event.text for event in events if isinstance(event, Note))
    assert [event.name for event in events if isinstance(event, Phase)] == [
        *("extract", "clean", "simplify", "texture", "export")
    ]
    assert result(run) == result(reference)
    with pytest.raises(AssertionError, match="not needed"):
        list(generate(run.config(), stop_after(tmp_path, small_config(), 7)))


def test_the_words_that_a_prior_will_not_read_are_said_before_the_first_step(tmp_path: Path) -> None:
    """Of the prompt and of the negative one; short ones are not spoken of."""
    prior = EmbeddedPriorConfig().build()
    long = "a red mushroom " + "with white spots and " * 9
    for prompt, negative, lost in (
        (long + "a wooden door", "", "wooden door'"),
        ("a mug", long + "an iron gate", "iron gate'"),
        ("a mug", "", None),
    ):
        config = small_config(prompt=prompt, negative_prompt=negative)
        run = RunDir.create(tmp_path, config, environment())
        events = generate(config, run, prior)
        notes = []
        while not (isinstance(event := next(events), Phase) and event.steps):
            notes += [event.text] if isinstance(event, Note) else []
        events.close()
        said = [note for note in notes if "will not read" in note]
        assert len(said) == (lost is not None) and all(lost is not None and lost in note for note in said)


def test_a_collapse_is_said_kept_and_resumed_exactly(tmp_path: Path) -> None:
    def stage(**watchdog: float) -> dict:
        return {"name": "shape", "steps": 8, "views": 4, "lr": 0.02, "watchdog": watchdog}

    # Every step counts as empty, so the first recoveries come at once, and then one step is left to go on
    # with.
    config = small_config(stages=[stage(empty_below=0.99, patience=6, attempts=1), *SMALL_END])
    run = RunDir.create(tmp_path, config, environment())
    events = generate(config, run, red_ball_prior())
    notes = []
    for event in events:
        if isinstance(event, Note):
            notes.append(event.text)
        if isinstance(event, Step) and event.event.recovery:
            events.close()
            break
    assert len(notes) == 1 and "the volume is empty" in notes[0]
    rows = [json.loads(row) for row in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert "recovery" in rows[-1] and "recovery" not in rows[0]
    resumed = generate(config, run, red_ball_prior())
    first = next(event for event in resumed if isinstance(event, Step))
    resumed.close()
    assert first.done < rows[-1]["step"]  # it goes on from where the recovery led, not from before it


def test_the_field_of_a_run_is_the_one_that_was_learned(reference: RunDir) -> None:
    config = reference.config()
    fresh = config.field.build(torch.Generator().manual_seed(config.seed))
    x = torch.rand(64, 3) - 0.5
    assert not torch.allclose(field_of(reference).density(x), fresh.density(x))


def test_the_report_of_a_compressed_run_holds_plain_glb(tmp_path: Path) -> None:
    """The page's viewer does not know Draco: what the run has packed is unpacked for it."""
    pytest.importorskip("DracoPy", reason="DracoPy is not installed (pip install 'dreamlab[draco]')")
    from dreamlab.mesh.io.load import load

    run, _ = whole_run(
        tmp_path, small_config(stages={"export": {"formats": ["glb"], "compression": "draco"}})
    )
    packed, page = run.path / "mesh.glb", (run.path / "report.html").read_text("utf-8")
    assert b"KHR_draco_mesh_compression" in packed.read_bytes()
    found = re.search(r'id="model">([^<]+)<', page)
    assert found
    shown = tmp_path / "shown.glb"
    shown.write_bytes(base64.b64decode(found[1]))
    assert b"KHR_draco_mesh_compression" not in shown.read_bytes()
    one, two = load(packed), load(shown)
    assert torch.equal(one.faces, two.faces)
    assert torch.allclose(one.vertices, two.vertices, atol=1e-6)
    assert one.colors is not None and two.colors is not None
    assert torch.allclose(one.colors, two.colors, atol=1e-3)


def test_a_run_without_checkpoint_has_no_field(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, small_config(), {})
    with pytest.raises(InputError, match="no checkpoint yet"):
        field_of(run)


def test_a_field_is_not_built_from_checkpoints_that_are_all_damaged(tmp_path: Path) -> None:
    run = stop_after(tmp_path, small_config(), 2)
    for path in run.path.glob("checkpoints/*/meta.json"):
        path.write_text("{")
    with pytest.raises(DamagedError, match="no checkpoint"):
        field_of(run)


@pytest.mark.parametrize("name", ["cuda:97", "toaster", "meta", "cuda"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    if name == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(UnavailableError):
        pick_device(name)


def test_automatic_device_is_always_there() -> None:
    assert pick_device("auto").type in ("cpu", "cuda")


def test_another_machine_is_noticed() -> None:
    now = environment()
    assert changes(now) == []
    output = changes(now | {"threads": 97, "packages": now["packages"] | {"torch": "0.1"}})
    assert len(output) == 2 and "threads was 97" in output[0] and "torch was 0.1" in output[1]


@pytest.mark.parametrize(("setting", "views", "expected"), [
    ("auto", 1, True), ("auto", 4, False), (True, 4, True), (False, 1, False),
])  # fmt: skip
def test_view_words_are_for_priors_that_are_not_told_the_camera(
    setting: bool | str, views: int, expected: bool
) -> None:
    prior = red_ball_prior()
    prior.views_per_group = views
    setup = RunContext(small_config(view_dependent=setting), torch.device("cpu"), prior)
    assert setup.prompts.view_dependent is expected
