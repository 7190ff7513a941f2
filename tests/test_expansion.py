"""What a run's prior hears: decided when the run begins, kept in its config, said, and never stale."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from known import red_ball_prior, small_config

from dreamlab.cli import main
from dreamlab.cli.resume import changed
from dreamlab.core.errors import InputError
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run.config import RunConfig
from dreamlab.run.context import RunContext
from dreamlab.run.events import Phase
from dreamlab.run.expansion import with_expansion
from dreamlab.run.machine import environment
from dreamlab.run.pipeline import generate
from dreamlab.run.resolve import resolve
from dreamlab.run.run_dir import RunDir
from dreamlab.stages import ExportStageConfig
from dreamlab.studio.shapes.grammar import COLORS

FULL = "a red mushroom with white spots"


def expanded(prompt: str = "a mushroom", **settings: object) -> RunConfig:
    return with_expansion(resolve(prompt, preset="fast", settings={"expand": "full", **settings}))


def test_the_embedded_prior_hears_the_prompt_in_full() -> None:
    config = expanded()
    assert config.prompt == "a mushroom"
    assert config.heard == config.expanded != config.prompt
    assert {"mushroom", "spots"} <= set(config.heard.split())
    assert expanded() == config and expanded(seed=1).heard != config.heard
    assert with_expansion(config) == config


def test_unless_told_otherwise_a_colour_is_added_where_none_is_said() -> None:
    config = with_expansion(resolve("a mushroom", preset="fast"))
    assert config.expand == "auto" and config.heard.endswith(" mushroom")
    assert {word.word for word in COLORS} & set(config.heard.split())
    for said in ("a red mushroom", "a wooden chair", "a crimson mushroom"):
        assert with_expansion(resolve(said, preset="fast")).expanded is None


def test_off_hears_what_was_said_and_so_does_what_is_not_understood() -> None:
    assert expanded(expand="off").heard == "a mushroom"
    assert expanded("a rainbow over the sea").expanded is None
    assert expanded(expand="off", expanded=FULL).heard == "a mushroom"


@pytest.mark.parametrize("bare, word", [(False, "off"), (True, "auto")])
def test_a_bare_yaml_switch_is_its_word(bare: bool, word: str) -> None:
    assert expanded(expand=bare).expand == word


def test_other_priors_and_runs_that_begin_with_an_object_hear_the_prompt(tmp_path: Path) -> None:
    assert expanded(prior={"kind": "mvdream", "model": "none"}).expanded is None
    begun = resolve("a mushroom", preset="fast", settings={"expand": "full", "begin": str(tmp_path)})
    assert with_expansion(begun).expanded is None
    config = resolve("a mushroom", preset="fast", settings={"expand": "full"})
    assert with_expansion(config, red_ball_prior()).expanded is None
    loaded = EmbeddedPriorConfig().build()
    assert with_expansion(config, loaded).expanded == with_expansion(config).expanded
    loaded.vocabulary = None
    assert with_expansion(config, loaded).expanded is None


def test_the_negative_prompt_is_kept_out() -> None:
    assert "spots" not in expanded(negative_prompt="spots").heard


def test_an_expansion_is_checked_as_a_prompt() -> None:
    with pytest.raises(InputError, match="expanded prompt"):
        resolve("a mushroom", preset="fast", settings={"expanded": "two\nlines"})


def test_a_config_file_is_heard_exactly_and_only_for_its_own_prompt(tmp_path: Path) -> None:
    config = expanded().model_copy(update={"expanded": FULL})
    file = tmp_path / "config.yaml"
    file.write_text(config.yaml())
    assert resolve("a mushroom", preset="fast", file=file) == config
    assert resolve("a house", preset="fast", file=file).expanded is None
    assert resolve("a mushroom", preset="fast", file=file, settings={"seed": 3}).expanded is None
    assert resolve("a mushroom", preset="fast", file=file, overrides=["seed=3"]).expanded is None
    weights = ["prior.weights=other.safetensors"]
    assert resolve("a mushroom", preset="fast", file=file, overrides=weights).expanded is None
    own = resolve("a house", preset="fast", file=file, overrides=["expanded=a wide house"])
    assert own.heard == "a wide house"


def test_guidance_gets_what_is_heard_and_the_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(expanded=FULL, expand="full")
    heard = []
    plain = ViewPrompts.__init__

    def listening(self: ViewPrompts, prior: object, prompt: str, *rest: object) -> None:
        heard.append(prompt)
        plain(self, prior, prompt, *rest)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(ViewPrompts, "__init__", listening)
    run = RunDir.create(tmp_path, config, environment())
    events = list(generate(config, run, red_ball_prior()))
    assert heard == [FULL]
    assert [e.detail for e in events if isinstance(e, Phase) and e.name == "embed"] == [f"heard as: {FULL}"]
    assert f"heard as: {FULL}" in (run.path / "report.html").read_text()
    assert RunDir(run.path).config().heard == FULL


def test_a_run_that_goes_on_with_another_prompt_hears_it_as_it_is(tmp_path: Path) -> None:
    config = small_config(expanded=FULL, expand="full")
    run = RunDir.create(tmp_path, config, environment())
    assert changed(run, ["saving.keep=3"]).heard == FULL
    assert changed(run, ["prompt=a house"]).heard == "a house"


def test_the_command_line_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[RunConfig] = []
    monkeypatch.setattr("dreamlab.cli.dry_run.show", lambda config, **how: shown.append(config) or 0)
    for word in ("auto", "full", "off"):
        assert main(["run", "a mushroom", "--preset", "fast", "--dry-run", "--expand", word]) == 0
    heard = [config.heard for config in shown]
    assert len(set(heard)) == 3 and heard[2] == "a mushroom"


def test_proportions_that_the_prior_has_no_words_for_are_those_of_the_files() -> None:
    config = with_expansion(resolve("a much taller red mushroom", preset="fast"))
    assert config.prompt == "a much taller red mushroom" and config.heard == "a red mushroom"
    assert {s.bbox for s in config.stages if isinstance(s, ExportStageConfig)} == {"much taller"}
    assert with_expansion(config) == config
    bare = with_expansion(resolve("a taller mushroom", preset="fast"))
    assert bare.heard.endswith(" mushroom") and len(bare.heard.split()) == 3  # and a colour
    context = RunContext(config, torch.device("cpu"), EmbeddedPriorConfig().build(torch.device("cpu")))
    assert context.notes() == ["much taller: 1.96 times along its height, once it is finished"]


def test_a_prompt_of_several_things_is_told_of_scenes() -> None:
    prior = EmbeddedPriorConfig().build(torch.device("cpu"))
    for said, told in (("a red cat on a blue table", True), ("a red mushroom with white spots", False)):
        config = resolve(said, preset="fast", settings={"expand": "off"})
        notes = RunContext(config, torch.device("cpu"), prior).notes()
        assert any("the prompt names 2 things: `dreamlab scene`" in note for note in notes) == told


def test_proportions_are_left_where_the_thing_or_another_wish_is_not_to_be_stretched(tmp_path: Path) -> None:
    for said in ("a tall red mushroom", "a taller xyzzy", "a red mushroom with a longer stem"):
        config = with_expansion(resolve(said, preset="fast"))
        assert config.heard == said and config.last(ExportStageConfig).bbox is None
    asked = resolve("a taller red mushroom", preset="fast", overrides=["stages.export.bbox=1x1x2"])
    assert with_expansion(asked).last(ExportStageConfig).bbox == "1x1x2"
    off = with_expansion(resolve("a taller red mushroom", preset="fast", settings={"expand": "off"}))
    assert off.heard == "a taller red mushroom" and off.last(ExportStageConfig).bbox is None
    begun = resolve("a taller red mushroom", preset="fast", settings={"begin": str(tmp_path)})
    assert with_expansion(begun).heard == "a red mushroom"
