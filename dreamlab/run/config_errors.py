"""What pydantic complains of in a config, in the words of those who wrote it, with the nearest valid name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from dreamlab.core.errors import ConfigError
from dreamlab.run.migrate import moved_kind, moved_section, moved_to
from dreamlab.run.presets import did_you_mean

_MOST_TOLD = 4  # names of settings in one line


def explained(error: ValidationError, model: type[BaseModel]) -> ConfigError:
    """pydantic's first complaint in our own words, with the nearest valid name; of the others, the names."""
    detail = error.errors(include_url=False)[0]
    kind, place, context = detail["type"], detail["loc"], detail.get("ctx", {})
    path = ".".join(str(part) for part in _walk(model, place)[0]) or "the config"
    more = _others(error, model)
    if kind == "extra_forbidden" and (new := moved_to(path.split("."), _kind_at(place))):
        return ConfigError(f"{path} is a setting of its own now{more}", mend=f"Set {new}")
    if kind == "extra_forbidden" and (new := moved_section(path.split("."))):
        return ConfigError(f"{path} is no section of its own any more{more}", mend=f"Use {new}")
    if kind == "extra_forbidden":
        names = _names_at(model, place[:-1])
        return ConfigError(
            f"unknown setting {path}{more}",
            expected="one of " + ", ".join(names) if names else "",
            mend=did_you_mean(str(place[-1]), names),
        )
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        if new := moved_kind(str(context.get("tag"))):
            gone = f"{path}.kind={context['tag']} is no guidance any more{more}"
            return ConfigError(gone, mend=f"Use {new}")
        told = str(context.get("expected_tags", "")).replace("'", "")
        tags = told.split(", ") if told else _kinds_at(model, place)
        return ConfigError(
            f"{path}.kind cannot be used{more}",
            expected="one of " + ", ".join(tags),
            got=repr(context["tag"]) if "tag" in context else "nothing",
            mend=did_you_mean(str(context.get("tag", "")), tags),
        )
    if kind == "missing":
        return ConfigError(
            f"{path} is missing{more}", mend=f"Give it with --set {path}=VALUE or in the config file"
        )
    expected = str(context.get("expected", "")).replace("'", "")
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if kind == "model_type":
        message = "a mapping of settings"
    return ConfigError(
        f"{path} cannot be used{more}",
        expected=expected or message[:1].lower() + message[1:],
        got=_short(detail["input"]),
        mend=did_you_mean(str(detail["input"]), expected.replace(" or ", ", ").split(", "))
        if expected
        else "",
    )


def _others(error: ValidationError, model: type[BaseModel]) -> str:
    """The settings that are wrong beside the first one."""
    places = [detail["loc"] for detail in error.errors(include_url=False)[1:]]
    names = dict.fromkeys(".".join(map(str, _walk(model, place)[0])) or "the config" for place in places)
    if not names:
        return ""
    told = list(names)[:_MOST_TOLD]
    rest = f" and {len(names) - len(told)} more" if len(names) > len(told) else ""
    return f" (also wrong: {', '.join(told)}{rest})"


def _kind_at(place: Sequence[int | str]) -> str:
    """The kind of the union member that a setting was given to."""
    return str(place[-2]) if len(place) > 1 else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _walk(model: Any, place: Sequence[int | str]) -> tuple[list[int | str], list[type[BaseModel]]]:
    """Follow a pydantic location through models, lists and union tags: the path as users write it, and the
    models that stand at its end.
    """
    path: list[int | str] = []
    models: list[type[BaseModel]] = [model]
    for part in place:
        tagged = [m for m in models if "kind" in m.model_fields and m.model_fields["kind"].default == part]
        fields = [m.model_fields[str(part)] for m in models if part in m.model_fields]
        if tagged and len(models) > 1:
            models = tagged  # a union's tag, which is no key; some member may have a setting of that name
        elif fields:
            models = [found for field in fields for found in _models_in(field.annotation)]
            path.append(part)
        elif isinstance(part, int):
            path.append(part)
        elif part in [m.__name__ for m in models]:
            models = [m for m in models if m.__name__ == part]
        else:
            path.append(part)
            models = []
    return path, models


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]


def _names_at(model: Any, place: Sequence[int | str]) -> list[str]:
    return sorted({name for found in _walk(model, place)[1] for name in found.model_fields})


def _kinds_at(model: Any, place: Sequence[int | str]) -> list[str]:
    return [m.model_fields["kind"].default for m in _walk(model, place)[1] if "kind" in m.model_fields]
