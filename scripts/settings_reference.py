"""Writes docs/settings.md: every setting of a run, read from the models that check it.

scripts/settings_reference.py            # write it
scripts/settings_reference.py --check    # exit 1 if it is out of date
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dreamlab.run.config import RunConfig

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
HEAD = """# Settings

Every setting of a run, as `dreamlab run --set KEY=VALUE`, presets (`configs/*.yaml`) and `--config FILE` take
it. Presets change them: `dreamlab run PROMPT --preset fast --dry-run` prints what a run would have. Where a
setting has kinds, `KEY.kind=NAME` chooses one, and the others of its table are that kind's. What can stand in
several places is listed at the first of them.

This page is written by `scripts/settings_reference.py` from the models themselves; a test compares.
"""


NAMES = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "NoneType": "null",
    "Ramp": "number or ramp",
    "Path": "path",
}


def members(annotation: Any) -> list[type[BaseModel]]:
    """The models in a type: itself, or those of a union, a tuple or an optional."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is Literal:
        return []
    return [model for part in get_args(annotation) for model in members(part)]


def spelled(annotation: Any) -> str:
    """A type as a reader of YAML would say it."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return spelled(parts[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(spelled(part) for part in parts))
    if origin in (tuple, list):
        return "list of " + spelled(parts[0])
    if origin is dict:
        return "mapping to " + spelled(parts[1])
    names = {
        "str": "text",
        "int": "whole number",
        "float": "number",
        "bool": "true or false",
        "NoneType": "null",
    }
    name = getattr(annotation, "__name__", str(annotation))
    return names.get(name, {"Ramp": "number or ramp", "Path": "path"}.get(name, "settings"))


def bounds(info: FieldInfo) -> str:
    """The range that is checked, such as `>= 1, <= 1024`."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = [f"{signs[k]} {getattr(rule, k)}" for rule in info.metadata for k in signs if hasattr(rule, k)]
    return ", ".join(limits)


def default_of(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True)
    if info.is_required():
        return "needed"
    if isinstance(value, BaseModel) or (
        isinstance(value, tuple) and any(isinstance(v, BaseModel) for v in value)
    ):
        kind = getattr(value, "kind", None)
        return f"`{kind}`" if kind else plain_ramp(value)
    return f"`{value}`" if value is not None else "null"


def plain_ramp(value: Any) -> str:
    start, end = getattr(value, "start", None), getattr(value, "end", None)
    if start is None:
        return ""
    return f"`{start}`" if start == end else f"`{start}` to `{end}`"


def explained(model: type[BaseModel]) -> str:
    """The model's docstring without what is said of single settings, which stands in the table."""
    text = re.sub(r"(?ms)^\w+: .+?(?=^\S+(?:, \S+)*: |^$|\Z)", "", inspect.cleandoc(model.__doc__ or ""))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def described(model: type[BaseModel], name: str, info: FieldInfo) -> str:
    """The field's own description, else what its class, or one that it is made from, says as `name: ...`."""
    if info.description:
        return info.description
    for cls in model.__mro__:
        text = inspect.cleandoc(cls.__doc__ or "") if cls is not BaseModel else ""
        found = re.search(rf"^{name}: (.+?)(?=\n\S+(?:, \S+)*: |\n\n|\Z)", text, re.S | re.M)
        if found:
            return re.sub(r"\s+", " ", found[1])
    return ""


def sections(model: type[BaseModel], path: str, seen: set[type]) -> Iterator[str]:
    """A table of a model's settings, then one for each model inside it that has not been shown yet."""
    seen.add(model)
    rows, inner = [], []
    for name, info in model.model_fields.items():
        below = [m for m in members(info.annotation) if m.__name__ != "Ramp"]
        facts = [spelled(info.annotation), bounds(info)]
        text = described(model, name, info)
        if below:
            kinds = [str(m.model_fields["kind"].default) for m in below if "kind" in m.model_fields]
            facts = [
                "kinds: " + ", ".join(f"`{k}`" for k in kinds) if len(kinds) > 1 else "settings of its own"
            ]
            spot = f"{path}{name}.{'N.' if 'tuple' in str(info.annotation) else ''}"
            inner += [(m, spot) for m in below]
        rows.append(f"| `{path}{name}` | {'; '.join(f for f in facts if f)} | {default_of(info)} | {text} |")
    kind = model.model_fields.get("kind")
    yield f"\n## {path.rstrip('.') or 'The run'}{f': {kind.default}' if kind else ''}\n"
    yield explained(model) + "\n"
    yield "| setting | type | default | what |\n|---|---|---|---|"
    yield from rows
    for below, spot in inner:
        if below not in seen:
            yield from sections(below, spot, seen)


def page() -> str:
    return HEAD + "\n".join(sections(RunConfig, "", set())) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    args = parser.parse_args()
    text = page()
    if args.check:
        return int(not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
