"""Settings that name only a part of something: the rest of a ramp stays as it was, or is the default's, as is
the kind of what has one."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dreamlab.core.schedules import Ramp

_PARTS = frozenset({"start", "end", "from", "to", "curve", "then"})


def as_ramp(old: Any, change: Any) -> Any:
    """A number as the constant ramp that it stands for, where `change` names parts of one; else `old`."""
    number = isinstance(old, int | float) and not isinstance(old, bool)
    return {"start": old, "end": old} if number and is_part_of_ramp(change) else old


def is_part_of_ramp(value: Any) -> bool:
    """Whether it is a mapping of nothing but a ramp's own settings, and not empty."""
    return isinstance(value, dict) and bool(value) and value.keys() <= _PARTS


def over_ramp(old: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """A ramp with parts of it changed; where both ends are named, it is another ramp."""
    return change if {"start", "end"} <= change.keys() else old | change


def whole_ramps(model: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    """Plain values of a model, where each ramp without `start` or `end` has the rest of its default's."""
    whole = dict(values)
    for name, field in model.model_fields.items():
        if name in whole:
            whole[name] = _whole(field, whole[name])
    return whole


def _whole(field: FieldInfo, value: Any) -> Any:
    models, default = _models_in(field.annotation), field.get_default(call_default_factory=True)
    if isinstance(value, dict) and Ramp in models and value.keys() <= _PARTS:
        return over_ramp(default.model_dump(mode="json"), value) if isinstance(default, Ramp) else value
    return _inside(models, default, value)


def _inside(models: list[type[BaseModel]], default: Any, value: Any) -> Any:
    """The same for what a setting holds: a model, or models in a list or by name."""
    if isinstance(value, list | tuple):
        return [_inside(models, None, item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("kind", getattr(default, "kind", None))
    fitting = [m for m in models if "kind" not in m.model_fields or m.model_fields["kind"].default == kind]
    if len(fitting) == 1 and fitting[0] is not Ramp:
        known = kind is None or "kind" not in fitting[0].model_fields
        return whole_ramps(fitting[0], value if known else {"kind": kind} | value)
    return {name: _named(models, name, part) for name, part in value.items()} if kind is None else value


def _named(models: list[type[BaseModel]], name: str, value: Any) -> Any:
    """One of several models by name; in the short form of losses the name is the kind, the value a weight."""
    kinds = {m.model_fields["kind"].default: m for m in models if "weight" in m.model_fields}
    loss = kinds.get(name)
    if loss is not None:
        return _whole(loss.model_fields["weight"], value) if is_part_of_ramp(value) else value
    return _inside(models, None, value) if isinstance(value, dict) and "kind" in value else value


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]
