"""The list of stages: what may follow what, and a run that refines its mesh."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from known import SMALL_END, red_ball_prior, small_config, small_values

import dreamlab
from dreamlab.core.errors import ConfigError, UnavailableError
from dreamlab.mesh.io.load import load
from dreamlab.run.config import RunConfig
from dreamlab.run.events import Note, Phase, Step
from dreamlab.run.machine import environment
from dreamlab.run.pipeline import generate
from dreamlab.run.resolve import from_values, merge, resolve
from dreamlab.run.restore import newest, scene_in
from dreamlab.run.run_dir import RunDir
from dreamlab.run.stage_list import USUAL_END
from dreamlab.stages import STAGE_KINDS, SurfaceMesh

REFINE = {"name": "refine", "steps": 4, "views": 4, "lr": 0.01, "losses": {"creases": 0.5}}


def refining(**changes: Any) -> RunConfig:
    """Eight steps on a field, four on its mesh."""
    extract, clean, *end = SMALL_END
    shape = small_values()["stages"][0]
    return small_config(stages=[shape, extract, clean, REFINE, *end], **changes)


def whole(root: Path, config: RunConfig) -> RunDir:
    run = RunDir.create(root, config, environment())
    list(generate(config, run, red_ball_prior()))
    return run


def result(run: RunDir) -> dict[str, bytes]:
    return {name: (run.path / name).read_bytes() for name in ("mesh.glb", "mesh.obj", "metrics.jsonl")}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return whole(tmp_path_factory.mktemp("reference"), refining())


# ---- the list ----


def test_a_list_of_optimisations_goes_on_to_files() -> None:
    config = from_values({"prompt": "it", "stages": [{"steps": 3}]})
    assert [stage.kind for stage in config.stages] == ["distil", *USUAL_END]
    assert set(STAGE_KINDS) >= {"distil", *USUAL_END}


def test_a_kind_alone_stands_for_its_defaults() -> None:
    one = from_values({"prompt": "it", "stages": ["distil", "extract", {"kind": "export"}]})
    two = from_values({"prompt": "it", "stages": [{"kind": "distil"}, {"kind": "extract"}, "export"]})
    assert one == two


def test_settings_find_a_stage_by_name_by_kind_and_by_number_and_leave_the_others() -> None:
    plain = resolve("it", preset="fast")
    at = [stage.kind for stage in plain.stages].index("simplify")
    for key in ("simplify", str(at)):
        config = resolve("it", preset="fast", overrides=[f"stages.{key}.faces=77"])
        assert config.stages[at].faces == 77
        assert config.stages[:at] + config.stages[at + 1 :] == plain.stages[:at] + plain.stages[at + 1 :]
    merged = resolve("it", preset="fast", settings={"stages": {"simplify": {"faces": 77}}})
    assert merged == config
    with pytest.raises(ConfigError, match=r"no item 'simplfy'.*The nearest is simplify"):
        resolve("it", preset="fast", settings={"stages": {"simplfy": {"faces": 77}}})


def test_a_ramp_begins_anew_with_every_stage(tmp_path: Path) -> None:
    """The run's levels fall from 0.9 to 0.1 in the first stage, and in the second once more."""
    config = small_config(noise={"t_min": 0.1, "t_max": 0.9, "levels": "linear"})
    first, second = (stage.steps for stage in config.optimisations)
    run = RunDir.create(tmp_path, config, environment())
    list(generate(config, run, red_ball_prior()))
    rows = (run.path / "metrics.jsonl").read_text().splitlines()
    levels = [json.loads(row)["t"] for row in rows]
    assert levels[0] == levels[first] == pytest.approx(0.9)
    assert levels[first - 1] == levels[first + second - 1] == pytest.approx(0.1)


def test_a_kind_that_stands_twice_means_the_last() -> None:
    """What `export --faces` changes is what the files have."""
    stages = ["distil", "extract", {"kind": "simplify", "name": "rough"}, "simplify", "export"]
    values = {"prompt": "it", "stages": stages}
    config = from_values(merge(values, {"stages": {"simplify": {"faces": 9}}}))
    assert [stage.faces for stage in config.stages[2:4]] == [5000, 9]


@pytest.mark.parametrize(
    ("stages", "output"),
    [
        (["extract", "export"], r"'extract' cannot stand there; expected a field before it, got nothing yet"),
        (["distil", "clean"], r"'clean' cannot stand there; expected a mesh before it, got a field"),
        (["distil", "extract", {"kind": "extract", "name": "again"}], "got a mesh already"),
        (["distil", "extract", "clean", {"kind": "clean"}], "two stages are called 'clean'"),
        (["distil", "extrakt"], "The nearest is extract"),
        (["distil", "extract", {"kind": "export", "faces": 3}], "unknown setting stages.2.faces"),
    ],
)
def test_a_list_that_cannot_work_is_refused_before_anything_is_loaded(stages: list[Any], output: str) -> None:
    with pytest.raises(ConfigError, match=output):
        from_values({"prompt": "it", "stages": stages})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mesh.extract.resolution=64", "stages.extract.resolution"),
        ("mesh.clean.faces=64", "stages.simplify.faces"),
        ("mesh.clean.keep=largest", "stages.clean.keep"),
        ("mesh.bake.resolution=64", "stages.texture.resolution"),
        ("mesh.texture=false", "stages.texture.into=image or stages.texture.into=vertices"),
        ("mesh.formats=[glb]", "stages.export.formats"),
        ("turntable.frames=0", "stages.turntable.frames"),
    ],
)
def test_a_setting_of_the_former_sections_is_refused_with_its_new_name(old: str, new: str) -> None:
    with pytest.raises(ConfigError, match=f"Set {new}"):
        resolve("it", preset="fast", overrides=[old])
    section, *_ = old.split(".")
    with pytest.raises(ConfigError, match=f"{section} is no section"):
        resolve("it", preset="fast", settings={section: {}})


def test_a_loss_of_meshes_beside_a_field_is_refused() -> None:
    with pytest.raises(ConfigError, match="'creases' of stage 'shape' is for meshes"):
        resolve("it", preset="fast", overrides=["stages.shape.losses.creases=1"])


def test_what_a_stage_will_need_is_looked_for_before_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamlab.mesh.io.export.importable", lambda name: False)
    for change in ({"simplify": {"remesh": "quads"}}, {"export": {"formats": ["usdz"]}}):
        config = small_config(stages=change)
        run = RunDir.create(tmp_path, config, environment())
        with pytest.raises(UnavailableError, match="pip install"):
            next(generate(config, run))


# ---- a run that refines ----


def test_a_refined_run_tells_its_stages_and_leaves_a_closed_mesh(reference: RunDir) -> None:
    config = reference.config()
    rows = [row for row in (reference.path / "metrics.jsonl").read_text().splitlines() if "refine" in row]
    assert len(rows) == REFINE["steps"] and config.scene_before(4) == "mesh"
    mesh = load(reference.path / "mesh.glb")
    assert mesh.colors is not None
    red, green, blue = mesh.colors.mean(0).tolist()
    assert red > green + 0.1 and red > blue + 0.1


def test_refinement_moves_the_surface(reference: RunDir, tmp_path: Path) -> None:
    run = whole(tmp_path, refining(seed=3))
    assert result(run) == result(reference)  # the same seed: the same bytes
    scene = scene_in(newest(run), run.config())
    assert isinstance(scene, SurfaceMesh)
    still = refining(seed=3).model_dump(mode="json", by_alias=True)
    still["stages"][3]["lr_scale"] = {"geometry": 0.0}
    other = whole(tmp_path / "still", from_values(still))
    kept = scene_in(newest(other), other.config())
    assert isinstance(kept, SurfaceMesh) and torch.equal(kept.mesh.faces, scene.mesh.faces)
    assert (kept.mesh.vertices - scene.mesh.vertices).abs().max() > 1e-4


@pytest.mark.parametrize("step", [7, 8, 9, 11, 12])
def test_a_run_stopped_before_within_and_after_refinement_ends_as_if_it_had_not_been(
    reference: RunDir, tmp_path: Path, step: int
) -> None:
    config = refining()
    run = RunDir.create(tmp_path, config, environment())
    events = generate(config, run, red_ball_prior())
    for event in events:
        if isinstance(event, Step) and event.done == step:
            events.close()
            break
    rest = list(generate(run.config(), run, red_ball_prior()))
    assert [event.done for event in rest if isinstance(event, Step)] == list(range(step + 1, 13))
    phases = [event.name for event in rest if isinstance(event, Phase)]
    assert ("refine" in phases) == (step < 12) and ("extract" in phases) == (step <= 8)
    assert any("step" in event.text for event in rest if isinstance(event, Note))
    assert result(run) == result(reference)


def test_the_mesh_of_a_stopped_refinement_is_the_present_one(tmp_path: Path) -> None:
    config = refining()
    run = RunDir.create(tmp_path, config, environment())
    events = generate(config, run, red_ball_prior())
    for event in events:
        if isinstance(event, Step) and event.done == 10:
            events.close()
            break
    result = dreamlab.load_run(run.path)
    scene = scene_in(newest(run), config)
    assert isinstance(scene, SurfaceMesh)
    assert result.mesh.colors is not None and len(result.mesh.faces) <= len(scene.mesh.faces)
    sigma, rgb = result.field(scene.mesh.vertices)
    assert sigma.shape == (len(rgb),) and rgb[:, 0].mean() > rgb[:, 1].mean()


# ---- renderers ----


def test_a_renderer_that_cannot_draw_what_stands_there_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(
        ConfigError, match=r"'raster' does not draw a field.*stages.shape.renderer.kind=volume"
    ):
        resolve("it", preset="fast", overrides=["stages.shape.renderer.kind=raster"])
    with pytest.raises(ConfigError, match="'raster' does not draw a field"):
        resolve("it", preset="fast", overrides=["renderer.kind=raster"])
    stages = ["distil", "extract", {"name": "refine", "renderer": {"kind": "volume"}}, "export"]
    with pytest.raises(
        ConfigError, match=r"'volume' does not draw a mesh.*stages.refine.renderer.kind=raster"
    ):
        from_values({"prompt": "it", "stages": stages})


def test_the_renderer_of_a_run_is_a_volume_renderer_unless_it_says_otherwise() -> None:
    config = from_values({"prompt": "it", "renderer": {"samples": 24}})
    assert config.renderer.kind == "volume" and config.renderer.samples == 24
    assert from_values(config.model_dump(mode="json")) == config


def test_a_stage_that_is_not_in_the_list_is_added_to_the_list() -> None:
    with pytest.raises(ConfigError, match=r"no item 'polish'.*line more of the whole list"):
        resolve("it", preset="fast", settings={"stages": {"polish": {"rounds": 3}}})


@pytest.mark.parametrize(
    ("prompt", "finish", "material"),
    [
        ("a golden ball", "words", (1.0, 0.3)),
        ("a ball", "words", (0.0, 0.8)),
        ("a golden ball", "matt", (0.0, 1.0)),
    ],
)
def test_what_a_prompt_says_of_the_material_stands_in_the_file(prompt, finish, material, tmp_path) -> None:
    run = whole(tmp_path, small_config(prompt=prompt, stages={"texture": {"finish": finish}}))
    data = (run.path / "mesh.glb").read_bytes()
    (told,) = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])["materials"]
    told = told["pbrMetallicRoughness"]
    assert (told["metallicFactor"], told["roughnessFactor"]) == material
    assert load(run.path / "mesh.glb").material.metallic == material[0]
