"""What YAML, presets and `--set` come to: one checked RunConfig."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dreamlab.core.errors import ConfigError
from dreamlab.losses import LOSS_KINDS
from dreamlab.run.config import RunConfig, checked_prompt
from dreamlab.run.config_errors import explained
from dreamlab.run.migrate import moved_section
from dreamlab.run.partial_ramps import as_ramp
from dreamlab.run.presets import load_preset, load_yaml, parse_value
from dreamlab.run.stage_list import index_of, listed

_EXPANDED_FROM = ("prompt", "seed", "negative_prompt", "prior", "begin")


def resolve(
    prompt: str | None = None,
    *,
    preset: str = "default",
    defaults: dict[str, Any] | None = None,
    formats: Sequence[str] | None = None,
    file: Path | None = None,
    settings: dict[str, Any] | None = None,
    overrides: Sequence[str] = (),
) -> RunConfig:
    """Preset, then the user's `defaults`, then the config file, then `settings`, then `key.path=value`
    overrides; later ones win.

    formats: those of export stages that name none by then.

    Raises:
        ConfigError: an unknown preset, key or kind, or a value of the wrong type or range.
        InputError: a prompt that cannot be used.
    """
    values = merge(load_preset(preset), defaults or {})
    if file is not None:
        values = merge(values, load_yaml(file))
    if formats is not None:
        values["stages"] = _with_formats(listed(values.get("stages", [{}])), list(formats))
    of_file = deepcopy(values)
    values = merge(values, settings or {})
    if prompt is not None:
        values["prompt"] = checked_prompt(prompt)
    values["stages"] = listed(values.get("stages", [{}]))
    for override in overrides:
        assign(values, override)
    forget_expansion(values, of_file)
    return from_values(values)


def _with_formats(stages: Any, formats: list[str]) -> Any:
    if not isinstance(stages, list):
        return stages
    return [
        {"formats": formats} | stage if isinstance(stage, dict) and stage.get("kind") == "export" else stage
        for stage in stages
    ]


def forget_expansion(values: dict[str, Any], before: dict[str, Any]) -> None:
    """In place: `expanded` goes where what it was made from is another now, and it is still the one of
    `before`."""
    others = [key for key in _EXPANDED_FROM if key in before and values.get(key) != before[key]]
    if others and values.get("expanded") == before.get("expanded"):
        values.pop("expanded", None)


def from_values(values: dict[str, Any]) -> RunConfig:
    """Check plain values against RunConfig; a ConfigError tells the first thing that is wrong."""
    _refuse_infinite(values)
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        raise explained(error, RunConfig) from error
    _refuse_infinite(config.model_dump(by_alias=True))  # text such as "inf" may have become a number
    return config


def _refuse_infinite(value: Any, path: str = "") -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{path} cannot be used", expected="a finite number", got=str(value))
    if isinstance(value, dict):
        for key, part in value.items():
            _refuse_infinite(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            _refuse_infinite(part, f"{path}.{number}")


def merge(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """`top` over `base`, mapping by mapping. A mapping of another `kind` replaces the old one whole; a
    mapping over the list of stages changes those that its keys name.
    """
    merged = dict(base)
    for key, value in top.items():
        old = as_ramp(merged.get(key), value)
        if isinstance(old, dict) and isinstance(value, dict):
            if value.get("kind", old.get("kind")) == old.get("kind"):
                value = merge(old, value)
        elif key == "stages" and isinstance(old, list) and isinstance(value, dict):
            value = _stages_merged(listed(old), value)
        merged[key] = value
    return merged


def _stages_merged(stages: list[Any], changes: dict[str, Any]) -> list[Any]:
    for name, change in changes.items():
        index = index_of(stages, name, f"stages.{name}")
        if not isinstance(change, dict):
            raise ConfigError(f"stages.{name} cannot be used", expected="a mapping of settings")
        stages[index] = merge(stages[index], change)
    return stages


def assign(values: dict[str, Any], override: str) -> None:
    """Apply one `a.b=c` in place. List items go by number, name or kind: `stages.0.steps=9`."""
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"--set cannot read {override!r}", expected="key=value, such as stages.0.steps=200")
    if new := moved_section(keys):
        raise ConfigError(f"{path.strip()} is a setting of its stage now", mend=f"Set {new}")
    value = parse_value(text)
    here: Any = values
    for key in keys[:-1]:
        if isinstance(here, list):
            here = here[index_of(here, key, f"--set {path}")]
        else:
            here[key] = as_ramp(here.get(key), {keys[-1]: value})
            if not isinstance(here[key], dict | list):
                here[key] = {}
            here = here[key]
    last = keys[-1]
    if isinstance(here, list):
        index = index_of(here, last, f"--set {path}")
        # Losses in their long form, set as in the short one: the value is the weight.
        here[index] = here[index] | {"weight": value} if _is_loss(here[index], last) else value
    elif last == "kind":
        here.clear()
        here["kind"] = value
    else:
        here[last] = listed(value) if keys == ["stages"] else value


def _is_loss(item: Any, kind: str) -> bool:
    return isinstance(item, dict) and item.get("kind") == kind in LOSS_KINDS
