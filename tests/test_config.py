from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from known import small_config, small_values
from pydantic import BaseModel

from dreamlab.core.cameras import OrbitCamerasConfig
from dreamlab.core.errors import ConfigError, InputError
from dreamlab.core.schedules import Ramp
from dreamlab.guidance import CFGConfig, GuidanceConfig
from dreamlab.run.config import LONGEST_PROMPT, checked_prompt
from dreamlab.run.migrate import MOVED, migrated
from dreamlab.run.presets import load_yaml, parse_yaml, preset_names
from dreamlab.run.resolve import assign, from_values, merge, resolve
from dreamlab.stages import TextureStageConfig


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_resolves_and_survives_a_round_trip(name: str) -> None:
    shown = dict.fromkeys(("zero123", "imagedream"), "prior.image=seen.png")
    on_mesh = name.startswith(("refine", "texture"))
    wanted = ["begin=chair.glb"] if on_mesh else [shown[name]] if name in shown else []  # no defaults
    config = resolve("a red mushroom", preset=name, overrides=wanted)
    assert from_values(parse_yaml(config.yaml(), "round trip")) == config


def test_the_presets_that_the_readme_names_are_there() -> None:
    assert {"fast", "default", "quality", "dreamfusion"} <= set(preset_names())


def test_fast_costs_less_than_default_and_default_less_than_quality() -> None:
    costs = []
    for name in ("fast", "default", "quality"):
        config = resolve("a red mushroom", preset=name)
        costs.append(sum(stage.steps * stage.views for stage in config.distillations))
    assert costs == sorted(costs) and len(set(costs)) == 3


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 5\ncfg: {text: 9}\n")
    config = resolve("a cat", preset="fast", file=file, settings={"seed": 6}, overrides=["cfg.text=11"])
    assert config.seed == 6 and config.cfg.text == 11
    assert resolve("a cat", preset="fast", file=file).seed == 5


def test_another_kind_replaces_the_old_settings_whole() -> None:
    base = {"field": {"kind": "hashgrid", "levels": 4}}
    assert merge(base, {"field": {"kind": "mlp"}}) == {"field": {"kind": "mlp"}}
    assert merge(base, {"field": {"width": 8}}) == {"field": {"kind": "hashgrid", "levels": 4, "width": 8}}
    assert base == {"field": {"kind": "hashgrid", "levels": 4}}


@pytest.mark.parametrize("long", [False, True], ids=["short form", "long form"])
def test_set_reaches_losses_in_either_form(long: bool) -> None:
    """The short form is what people write, the long form what a resolved config says."""
    losses = [{"kind": "opacity", "weight": 1}, {"kind": "eikonal", "weight": 1, "points": 64}]
    values = small_values(field={"kind": "sdf"})
    values["stages"][0]["losses"] = losses if long else {"opacity": 1, "eikonal": {"weight": 1, "points": 64}}
    assign(values, "stages.0.losses.opacity=0.1")
    assign(values, "stages.shape.losses.eikonal.points=32")
    opacity, eikonal = from_values(values).stages[0].losses
    assert opacity.weight(0) == 0.1 and (eikonal.kind, eikonal.points) == ("eikonal", 32)
    again = from_values(from_values(values).model_dump(mode="json", by_alias=True))
    assert again == from_values(values)


def test_a_loss_of_distances_beside_a_density_is_refused_before_anything_is_loaded() -> None:
    losses = ["stages.0.losses.eikonal=20"]
    with pytest.raises(ConfigError, match=r"'eikonal' of stage 'shape'.*=hashgrid.*Set field\.kind=sdf"):
        resolve("a cat", preset="fast", overrides=losses)
    (loss,) = resolve("a cat", preset="fast", overrides=["field.kind=sdf", *losses]).stages[0].losses
    assert loss.kind == "eikonal"


def test_set_adds_a_loss_where_there_is_none() -> None:
    (loss,) = resolve("a cat", preset="fast", overrides=["stages.0.losses.orientation=0.1"]).stages[0].losses
    assert loss.kind == "orientation" and loss.weight(0.5) == 0.1


def test_set_reaches_list_items_by_number_and_by_name() -> None:
    values = small_values()
    assign(values, "stages.0.steps=2")
    assign(values, "stages.colour.steps=3")
    assign(values, "field.kind=mlp")
    config = from_values(values)
    assert [stage.steps for stage in config.distillations] == [2, 3] and config.field.kind == "mlp"


@pytest.mark.parametrize(("text", "value"), [("1e-3", 0.001), ("0.5", 0.5), ("{start: 1, end: 2}", None)])
def test_set_values_are_read_as_yaml(text: str, value: float | None) -> None:
    values = small_values()
    assign(values, f"stages.0.lr={text}")
    lr = from_values(values).stages[0].lr
    assert lr(0.0) == (1 if value is None else value) and lr(1.0) == (2 if value is None else value)


# ---- the calibration, which outlasts a change of method ----


def kinds() -> list[str]:
    return [config.model_fields["kind"].default for config in get_args(get_args(GuidanceConfig)[0])]


@pytest.mark.parametrize("word", ["off", "on"])
def test_off_and_on_are_words_where_a_setting_has_them_and_truths_where_it_is_one(word: str) -> None:
    chosen = [f"stages.texture.palette.mode={word}", f"stages.texture.normal_map={word}"]
    config = resolve("a ball", overrides=chosen)
    texture = config.last(TextureStageConfig)
    assert texture is not None and texture.palette.mode == word and texture.normal_map is (word == "on")
    assert parse_yaml(f"a: {word}\nb: true\nc: False", "it") == {"a": word, "b": True, "c": False}


@pytest.mark.parametrize(
    "kind", sorted({*kinds()} - {"dds", "mixture"})
)  # which have no settings to be alone
def test_another_method_keeps_the_priors_calibration(kind: str) -> None:
    plain = resolve("a cat", preset="fast")
    config = resolve("a cat", preset="fast", overrides=[f"guidance.kind={kind}"])
    assert config.guidance.kind == kind
    assert (config.cfg, config.noise) == (plain.cfg, plain.noise)
    assert (
        plain.cfg == CFGConfig(text=3, camera=3, mean_color=1, mean_color_blur=0.125) and plain.noise.shared
    )


def test_a_stage_overrides_a_part_of_the_calibration_or_all_of_it() -> None:
    values = small_values(cfg={"text": 3, "camera": 2}, noise={"t_min": 0.5, "t_max": 0.9})
    assign(values, "stages.0.cfg.text=5")
    assign(values, "stages.colour.noise={t_min: 0.1, t_max: {start: 0.8, end: 0.3}, levels: sqrt}")
    config = from_values(values)
    shape, color = config.distillations
    assert shape.cfg == CFGConfig(text=5, camera=2) and shape.noise is None and color.cfg is None
    assert color.noise is not None and (color.noise.t_min(1), color.noise.t_max(1)) == (0.1, 0.3)
    assert from_values(parse_yaml(config.yaml(), "round trip")) == config
    assign(values, "stages.colour.noise={t_max: 0.4}")
    with pytest.raises(ConfigError, match=r"stages\.1\.noise.*t_min <= t_max"):  # beside the run's t_min
        from_values(values)


OLD_STAGE = {"kind": "sdi", "guidance_scale": 3.0, "inversion_scale": -6.0, "levels": "linear", "t_min": 0.3}
OLD_PARTS = [{"guidance": {"kind": "sds", "perp_neg": True, "t_max": 0.5}, "prior": "other"}]


@pytest.mark.parametrize("old", MOVED)
@pytest.mark.parametrize("home", ["", "stages.0."])
def test_a_setting_that_moved_is_refused_with_its_new_name(old: str, home: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve("a cat", preset="fast", overrides=[f"{home}guidance={{kind: csd, {old}: 0.5}}"])
    line = str(caught.value)
    assert (
        f"{home}guidance.{old} is" in line
        and f"Set {home}{'.'.join(MOVED[old])}." in line
        and "\n" not in line
    )


def test_what_was_never_a_setting_is_not_said_to_have_moved() -> None:
    with pytest.raises(ConfigError, match=r"unknown setting field\.t_min"):
        resolve("a cat", preset="fast", overrides=["field.t_min=0.5"])
    with pytest.raises(ConfigError, match=r"Set guidance\.rescale"):
        resolve("a cat", preset="fast", overrides=["guidance={kind: x0, cfg_rescale: 0.5}"])


def test_the_config_of_an_older_run_is_read_in_todays_settings() -> None:
    old = small_values()
    del old["cfg"], old["noise"]
    old["stages"] = old["stages"][:2]
    old["mesh"] = {"extract": {"resolution": 24}, "clean": {"faces": 300, "hole_edges": 9}, "texture": False}
    old["mesh"] |= {"formats": ["ply"], "size": "30cm"}
    old["turntable"] = {"frames": 3}
    old["guidance"] = {"kind": "x0", "guidance_scale": 9, "cfg_rescale": 0.3, "shared_t": True, "t_min": 0.2}
    old["stages"][0]["guidance"] = OLD_STAGE
    old["stages"][1]["guidance"] = {"kind": "mixture", "mode": "draw", "parts": OLD_PARTS}
    old["mesh"]["clean"]["colour_weight"] = 0.02
    old["stages"][0]["background"] = {"kind": "solid", "colour": [0.0, 0.5, 1.0]}
    old["priors"] = {"other": {"kind": "embedded"}}
    new = from_values(migrated(old))
    assert new.cfg.text == 9 and new.cfg.rescale == 0 and new.guidance.rescale == 0.3
    assert new.noise.shared and new.noise.t_min(0) == 0.2
    extract, clean, simplify, texture, export, film = new.stages[2:]
    assert (extract.resolution, clean.hole_edges, simplify.faces, film.frames) == (24, 9, 300, 3)
    assert (simplify.color_weight, texture.into) == (0.02, "vertices")
    assert (export.formats, export.size) == (("ply",), "30cm")
    sdi, mixture = new.distillations
    assert sdi.background.color == (0.0, 0.5, 1.0)
    assert sdi.guidance.inversion_scale == -2 and sdi.cfg.text == 3 and sdi.noise.levels == "linear"
    (part,) = mixture.guidance.parts
    assert mixture.guidance.mode == "sample"
    assert part.cfg.perp_neg and part.noise.t_max(0) == 0.5 and mixture.cfg is None
    today = new.model_dump(mode="json", by_alias=True)
    assert migrated(today) == today


def test_a_prior_that_no_one_names_is_refused_where_a_guidance_asks_for_it() -> None:
    nested = {"kind": "mixture", "parts": [{"guidance": {"kind": "sds"}, "prior": "vews"}]}
    mixture = {"kind": "mixture", "parts": [{"guidance": nested}]}
    with pytest.raises(ConfigError, match=r"'vews'.*--set priors\.vews\.kind"):
        small_config(guidance=mixture)
    with pytest.raises(ConfigError, match="The nearest is views"):
        small_config(guidance=mixture, priors={"views": {"kind": "embedded"}})


def test_an_edit_of_nothing_is_refused_before_anything_is_loaded() -> None:
    edit = {"kind": "dds", "source_prompt": "a blue ball"}
    for guidance in (edit, {"kind": "mixture", "parts": [{"guidance": edit}]}):
        with pytest.raises(ConfigError, match="--set begin="):
            small_config(guidance=guidance)
    stages = small_values()["stages"]
    assert small_config(stages=[stages[0], stages[1] | {"guidance": edit}]).begin is None


def changed(path: str, value: Any) -> dict[str, Any]:
    values = small_values()
    here: Any = values
    *keys, last = path.split(".")
    for key in keys:
        here = here[int(key)] if isinstance(here, list) else here.setdefault(key, {})
    here[last] = value
    return values


@pytest.mark.parametrize(
    ("path", "value", "output"),
    [
        ("seeed", 1, ["unknown setting seeed", "The nearest is seed"]),
        ("stages.0.stepps", 1, ["unknown setting stages.0.stepps", "The nearest is steps"]),
        ("field.levles", 1, ["unknown setting field.levles", "The nearest is levels"]),
        ("stages.0.losses.opasity", 1, ["stages.0.losses.opasity", "The nearest is opacity"]),
        ("stages.0.cameras", {"kind": "orbti"}, ["stages.0.cameras.kind", "orbit", "The nearest is orbit"]),
        ("field", {"kind": "hashgird"}, ["field.kind", "hashgrid, mlp", "The nearest is hashgrid"]),
        ("stages.0.renderer", {"supersample": 3}, ["stages.0.renderer.kind", "volume, raster", "nothing"]),
        ("stages.0.background", {"color": 1}, ["setting stages.0.background.color;", "one of kind, still"]),
        ("guidance.weighting", "sigma", ["guidance.weighting", "The nearest is sigma2"]),
        ("stages.0.steps", "many", ["stages.0.steps", "integer", "'many'"]),
        ("stages.0.steps", 0, ["stages.0.steps", "greater than or equal to 1", "got 0"]),
        ("seed", -1, ["seed", "got -1"]),
        ("stages.6.formats", ["glb", "fbx"], ["stages.6.formats.1", "'fbx'"]),
        ("stages", [], ["stages", "at least 1"]),
        ("stages.0.lr", float("nan"), ["stages.0.lr", "finite"]),
    ],
)
def test_a_wrong_setting_is_named_with_the_nearest_right_one(
    path: str, value: Any, output: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        from_values(changed(path, value))
    line = str(caught.value)
    assert "\n" not in line and all(part in line for part in output), line


def test_all_wrong_settings_are_named() -> None:
    values = changed("seeed", 1) | {"pompt": "x", "stages": [{"kind": "distil", "stepps": 1}]}
    with pytest.raises(ConfigError) as caught:
        from_values(values)
    line = str(caught.value)
    assert "\n" not in line and all(name in line for name in ("seeed", "pompt", "stages.0.stepps")), line


def test_of_very_many_wrong_settings_some_are_named_and_the_others_counted() -> None:
    with pytest.raises(ConfigError, match=r"also wrong: wrong1, wrong2, wrong3, wrong4 and 5 more"):
        from_values(small_values() | {f"wrong{k}": k for k in range(10)})


def test_what_is_named_without_its_kind_is_of_the_kind_that_it_has_by_default() -> None:
    config = from_values(changed("stages.0.cameras", {"shared": False}))
    assert config.stages[0].cameras == OrbitCamerasConfig(shared=False)
    assert from_values(changed("field", {"levels": 3})).field.levels == 3


def test_a_missing_prompt_is_told() -> None:
    values = small_values()
    del values["prompt"]
    with pytest.raises(ConfigError, match="prompt is missing"):
        from_values(values)


@pytest.mark.parametrize(
    "override", ["stages.0", "=3", "a..b=3", "stages.7.steps=3", "stages.shap.steps=3", "stagess.0.steps=1"]
)
def test_an_override_that_leads_nowhere_is_refused(override: str) -> None:
    with pytest.raises(ConfigError):
        resolve("a cat", preset="fast", overrides=[override])


def test_an_unknown_preset_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match="The nearest is fast"):
        resolve("a cat", preset="fsat")


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("a: [1, 2", "line 1"),
        ("a: 1\na: 2\n", "given twice"),
        ("- 1\n- 2\n", "mapping"),
        ("just words", "mapping"),
        ("a: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
        ("a: \x00\n", "not valid YAML"),
        ("seed: 2001-99-99\n", "a value cannot be read"),
        ("seed: !!timestamp soon\n", "not valid YAML"),
        ("seed: !!int ''\n", "a value cannot be read"),
        ("seed: !!float x\n", "a value cannot be read"),
        ("seed: !!binary x\n", "not valid YAML"),
        ("seed: !!set [1]\n", "not valid YAML"),
        ("seed: !unknown 3\n", "not valid YAML"),
        ("? [a, b]\n: 3\n", "a key must be a word"),
        ("? {a: b}\n: 3\n", "a key must be a word"),
        ("3: seed\n", "'3' is no word"),
        ("2001-01-01: seed\n", "is no word"),
        ("seed: " + "[" * 2000 + "]" * 2000, "nested too deeply"),
        ("a: &a [*a]\n", "nested too deeply"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
            ),
            "too many values",
        ),
        ("a: '" + "x" * 1_000_001 + "'\n", "a megabyte at most"),
    ],
)
def test_damaged_or_dangerous_yaml_is_refused(tmp_path: Path, text: str, output: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=output):
        load_yaml(file)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00bad"])
def test_an_unreadable_config_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "gone.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"gone\.yaml"):
        load_yaml(file)


def test_an_empty_config_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert resolve("a cat", file=tmp_path / "empty.yaml") == resolve("a cat")


@pytest.mark.parametrize(
    "prompt", ["", "   ", "\n", "x" * 10_000, "a\x07b", "a\x1b[31mb", "two\nlines", "a\u202eb", "\ud800"]
)
def test_prompts_that_cannot_be_used_are_refused(prompt: str) -> None:
    with pytest.raises(InputError):
        checked_prompt(prompt)


@pytest.mark.parametrize(
    "prompt",
    ["🍄", "👩‍🚀 on a horse", "../../etc/passwd", "ein süßer Käse", "赤いきのこ", "x" * LONGEST_PROMPT],
)
def test_unusual_prompts_are_taken_as_they_are(prompt: str) -> None:
    assert checked_prompt(f" {prompt} ") == prompt


def test_a_negative_prompt_is_checked_too_but_may_be_empty() -> None:
    assert small_config(negative_prompt="").negative_prompt == ""
    with pytest.raises(InputError, match="negative prompt"):
        small_config(negative_prompt="a\x00")


@given(
    st.dictionaries(st.text(max_size=5), st.integers() | st.dictionaries(st.text(max_size=5), st.integers()))
)
def test_merging_with_nothing_or_itself_changes_nothing(values: dict[str, Any]) -> None:
    assert merge(values, {}) == values == merge({}, values) == merge(values, values)


def test_a_resolved_config_is_plain_yaml() -> None:
    text = small_config().yaml()
    assert "!!" not in text and yaml.safe_load(text)["prompt"] == "a red ball"


def test_a_config_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        small_config().seed = 5


@pytest.mark.parametrize("name", ["pipe", "folder"])
def test_a_config_that_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    os.mkfifo(path) if name == "pipe" else path.mkdir()
    with pytest.raises(ConfigError, match="no regular file"):
        load_yaml(path)


@pytest.mark.parametrize("path", ["stages.0.betas.1", "stages.0.lr", "seed", "noise.t_min"])
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), "inf"])
def test_no_setting_is_infinite(path: str, value: Any) -> None:
    values = small_values()
    values["stages"][0]["betas"] = [0.9, 0.99]
    here: Any = values
    *keys, last = path.split(".")
    for key in keys:
        here = here[int(key)] if isinstance(here, list) else here[key]
    here[int(last) if isinstance(here, list) else last] = value
    with pytest.raises(ConfigError, match=path.replace(".", r"\.")):
        from_values(values)


# ---- ramps of which a part is set ----


def ramps_of(model: Any, prefix: str = "") -> list[str]:
    """The paths of all ramps in a resolved config."""
    found = []
    for name, value in [(name, getattr(model, name)) for name in type(model).model_fields]:
        if isinstance(value, Ramp):
            found.append(prefix + name)
        elif isinstance(value, BaseModel):
            found += ramps_of(value, f"{prefix}{name}.")
        elif name == "stages":
            for i, stage in enumerate(value):
                found += ramps_of(stage, f"stages.{i}.")
    return found


def at(config: Any, path: str) -> Any:
    for key in path.split("."):
        config = config[int(key)] if key.isdigit() else getattr(config, key)
    return config


@pytest.mark.parametrize("base", [["field.kind=sdf"], ["guidance={kind: csd}"], ["guidance={kind: ism}"]])
def test_the_end_of_any_ramp_can_be_set_and_its_beginning_stays(base: list[str]) -> None:
    plain = resolve("a cat", preset="fast", overrides=base)
    paths = ramps_of(plain)
    assert len(paths) > 6
    for path in paths:
        if path.endswith("size"):
            continue  # whole pixels only
        before = at(plain, path)
        end = before.end * 0.9 if "t_min" in path else (before.end + before.start) / 2 + 0.01
        config = resolve("a cat", preset="fast", overrides=[*base, f"{path}.end={end}"])
        after = at(config, path)
        assert after == before.model_copy(update={"end": end}), path
        if base[0].startswith(path.partition(".")[0]):
            continue  # another kind, set later, forgets what stood there
        nested: dict[str, Any] = {"end": end}
        for key in reversed(path.split(".")):
            nested = {key: nested}
        assert at(resolve("a cat", preset="fast", overrides=base, settings=nested), path) == after


def test_a_part_of_a_stages_ramp_leaves_the_rest_as_the_runs() -> None:
    values = small_values(noise={"t_min": 0.1, "t_max": {"start": 0.9, "end": 0.6, "to": 0.5}})
    values["stages"][0]["noise"] = {"t_max": {"end": 0.4}}
    noise = from_values(values).stages[0].noise
    assert noise is not None and noise.t_max == Ramp(start=0.9, end=0.4, to=0.5) and noise.t_min(0) == 0.1


def test_a_ramp_that_has_no_default_says_what_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"stages\.0\.size\.start is missing"):
        small_config(stages={"shape": {"size": {"end": 16}}})


@pytest.mark.parametrize("short", ["opacity", "orientation"])
def test_the_short_form_of_losses_takes_a_part_of_a_ramp_too(short: str) -> None:
    (loss,) = small_config(stages={"shape": {"losses": {short: {"end": 0}}}}).stages[0].losses
    assert loss.weight == Ramp(start=1, end=0)
