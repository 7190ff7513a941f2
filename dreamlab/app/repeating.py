"""What to ask for to get a run again, or a variation of it: prompt, preset, seed, and settings that differ
from the preset's. Loads torch, which the settings are checked with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamlab.core.errors import DreamlabError
from dreamlab.run.compare import flat
from dreamlab.run.glance import glance

_DECIDED_APART = (
    *("prompt", "negative_prompt", "seed"),  # a recipe names them
    *("threads", "device", "saving"),  # decided anew where it is run
    "expanded",  # follows from the rest
    "images",  # a recipe has them by the run's own copies
)
_PRIORS = ("prior", "priors")  # no request may name them
_USUAL = "default"


@dataclass(frozen=True)
class Recipe:
    """settings: by the dotted names that `--set` takes. images: the cameras of the run's pictures, each with
    `file`, the run's copy. lost: why the run cannot be repeated to the letter; empty where it can."""

    prompt: str
    negative: str
    preset: str
    seed: int
    settings: dict[str, Any]
    images: list[dict[str, Any]]
    lost: str


def recipe_of(run: Path) -> Recipe:
    """Raises DamagedError where the run's settings cannot be read."""
    from dreamlab.run.pictures import kept_name
    from dreamlab.run.run_dir import RunDir

    config = RunDir(run).config()
    preset = glance(run).preset or _USUAL
    settings, lost = _changes(flat(config.model_dump(mode="json", by_alias=True)), config.prompt, preset)
    images = [
        image.model_dump(exclude={"path"}) | {"file": kept_name(number)}
        for number, image in enumerate(config.images)
    ]
    return Recipe(config.prompt, config.negative_prompt, preset, config.seed, settings, images, lost)


def _changes(own: dict[str, Any], prompt: str, preset: str) -> tuple[dict[str, Any], str]:
    """What is to be said on top of the preset, and what is lost. Tried, before it is promised."""
    try:
        usual = _settings_of(prompt, preset, {})
    except DreamlabError as error:
        return {}, f"its preset cannot be used: {error}"
    if _stages(own) != _stages(usual):
        return {}, "its stages are others than its preset's, as those of a run that began with another object"
    other = {key: value for key, value in _lasting(own).items() if usual.get(key) != value}
    if any(key.partition(".")[0] in _PRIORS for key in other):
        return {}, "its prior is another than its preset's"
    # A `kind` clears its section, so it goes before what is said inside that section.
    kinds = {key: value for key, value in other.items() if key.rpartition(".")[2] == "kind"}
    settings = kinds | other
    try:
        same = _lasting(_settings_of(prompt, preset, settings)) == _lasting(own)
    except DreamlabError:
        same = False
    return settings, "" if same else "some of its settings cannot be said on top of its preset"


def _settings_of(prompt: str, preset: str, settings: dict[str, Any]) -> dict[str, Any]:
    import yaml

    from dreamlab.run.resolve import resolve

    overrides = [
        f"{key}={yaml.safe_dump(value, default_flow_style=True, width=10**6).partition(chr(10))[0]}"
        for key, value in settings.items()
    ]
    return flat(resolve(prompt, preset=preset, overrides=overrides).model_dump(mode="json", by_alias=True))


def _lasting(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key.partition(".")[0] not in _DECIDED_APART}


def _stages(values: dict[str, Any]) -> list[str]:
    return [
        key for key in values if key.startswith("stages.") and key.endswith(".kind") and key.count(".") == 2
    ]
