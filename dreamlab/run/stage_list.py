"""How the list of stages may be written, as plain values.

    stages:
      - {name: shape, steps: 150, views: 8}     # no kind: distil
      - {kind: extract, resolution: 128}
      - export                                  # a kind alone, with its defaults

A list of nothing but `distil` and `fit-views` goes on to the usual end. On top of a list, in a config file or
from Python, a mapping changes single stages by name or kind: `stages: {extract: {resolution: 64}}`.
"""

from __future__ import annotations

from typing import Any

from dreamlab.core.errors import ConfigError
from dreamlab.run.partial_ramps import as_ramp, is_part_of_ramp, over_ramp
from dreamlab.run.presets import did_you_mean

_WHOLE_LIST = "A stage more is a line more of the whole list, in a file for --config"
OPTIMISATIONS = ("distil", "fit-views")
USUAL_END = ("extract", "clean", "simplify", "texture", "export", "turntable")


def listed(stages: Any) -> Any:
    """The list with a kind in every item, and with the usual end where it names only optimisations; anything
    that is no list as it is."""
    if not isinstance(stages, list | tuple):
        return stages
    items = [_item(stage) for stage in stages]
    if items and all(not isinstance(item, dict) or item["kind"] in OPTIMISATIONS for item in items):
        items += [{"kind": kind} for kind in USUAL_END]
    return items


def _item(stage: Any) -> Any:
    if isinstance(stage, str):
        return {"kind": stage}
    return {"kind": "distil"} | stage if isinstance(stage, dict) else stage


def inheriting(run: dict[str, Any], stage: Any) -> Any:
    """A stage whose `cfg` and `noise` are whole: what it does not set is the run's."""
    if not isinstance(stage, dict):
        return stage
    parts = {name: (run.get(name), stage.get(name)) for name in ("cfg", "noise")}
    return stage | {
        name: whole | {key: _changed(whole.get(key), value) for key, value in part.items()}
        for name, (whole, part) in parts.items()
        if isinstance(whole, dict) and isinstance(part, dict)
    }


def _changed(old: Any, change: Any) -> Any:
    """The stage's own value; of a ramp that it names a part of, the rest is the run's."""
    old = as_ramp(old, change)
    return over_ramp(old, change) if is_part_of_ramp(change) and is_part_of_ramp(old) else change


def index_of(items: list[Any], key: str, path: str) -> int:
    """Which item a key means: by name, else by kind (the last of it), else by number.

    Raises ConfigError, naming `path`, where there is none.
    """
    named = [item if isinstance(item, dict) else {} for item in items]
    names = [str(item.get("name", item.get("kind", ""))) for item in named]
    kinds = [str(item.get("kind", "")) for item in named]
    for words in (names, kinds):
        if key in words:
            return len(words) - 1 - words[::-1].index(key) if words is kinds else words.index(key)
    if key.isdigit() and int(key) < len(items):
        return int(key)
    known = [name for name in names if name] + [str(i) for i in range(len(items))]
    raise ConfigError(
        f"{path}: there is no item {key!r}",
        expected="one of " + ", ".join(known),
        mend=did_you_mean(key, known) or _WHOLE_LIST * (f"stages.{key}" in path),
    )
