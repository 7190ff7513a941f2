"""Defaults of options, by the user's file and environment. Options given on a command line win over them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from dreamlab.cli.destination import WRITTEN
from dreamlab.cli.user_file import NAMES, OTHERS, VARIABLES, config_file
from dreamlab.core.errors import ConfigError
from dreamlab.run.presets import did_you_mean, load_yaml, preset_names

FORMATS = tuple(suffix[1:] for suffix in WRITTEN)
BUILT_IN = {"out": "outputs", "preset": "default", "prior": "embedded", "device": "auto", "threads": None}
BUILT_IN |= {"expand": "auto", "formats": ("glb", "obj"), "log": ()}
"""What holds where nothing is said; of threads the machine's, shared with other runs."""


def _list(value: Any) -> Any:
    return [part.strip().lstrip(".") for part in value.split(",")] if isinstance(value, str) else value


def _first(value: Any) -> Any:
    """OMP_NUM_THREADS may list nesting levels, and so may its kin."""
    return value.split(",")[0] if isinstance(value, str) else value


class Defaults(BaseModel):
    """What options are where a command line does not give them; None: as the preset has it.

    out: the folder of all runs, of every command.
    preset: where the command line names no prior or mesh that asks for another.
    prior, device, expand: as the options of `dreamlab run`.
    threads: of the processor.
    formats: mesh formats of `dreamlab run`, one file each.
    log: what collects the figures of runs: tensorboard, wandb.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path | None = None
    preset: str | None = None
    prior: str | None = Field(default=None, min_length=1)
    device: str | None = Field(default=None, pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    threads: Annotated[int | None, BeforeValidator(_first), Field(ge=1, le=1024)] = None
    expand: Literal["auto", "full", "off"] | None = None
    formats: Annotated[tuple[str, ...] | None, BeforeValidator(_list), Field(min_length=1)] = None
    log: Annotated[tuple[Literal["tensorboard", "wandb"], ...] | None, BeforeValidator(_list)] = None

    @field_validator("out")
    @classmethod
    def _home(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser()

    @field_validator("preset")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        return name if name is None else _one_of(name, preset_names())

    @field_validator("formats")
    @classmethod
    def _written(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return names if names is None else tuple(_one_of(name, FORMATS) for name in names)


@dataclass(frozen=True)
class Chosen:
    """A default, and which variable or file says so."""

    value: Any
    origin: str


def chosen_defaults() -> dict[str, Chosen]:
    """What is said, by name: by the environment, else by the file.

    Raises ConfigError for an unknown key or a value that cannot be used; warns of a variable that nothing
    reads.
    """
    found: dict[str, Chosen] = {}
    path = config_file()
    if path is not None and path.exists():
        values = load_yaml(path)
        found |= _checked(values, dict.fromkeys([*NAMES, *values], str(path)))
    spoken = {name: text for name in VARIABLES if (text := os.environ.get(name, "").strip())}
    found |= _checked(
        {VARIABLES[name]: text for name, text in spoken.items()}, {VARIABLES[name]: name for name in spoken}
    )
    for name in sorted(os.environ):
        if name.startswith("DREAMLAB_") and name not in VARIABLES and name not in OTHERS:
            hint = did_you_mean(name, [*VARIABLES, *OTHERS])
            warnings.warn(f"the variable {name} is not read by anything. {hint}".rstrip(". "), stacklevel=1)
    return found


def settings_of(chosen: Mapping[str, Chosen]) -> dict[str, Any]:
    """The defaults that are settings of a run, as plain settings; formats go their own way.

    DREAMLAB_THREADS is not among them: it is read where threads are set, and wins over every setting.
    """
    from dreamlab.cli.prior_option import prior_settings

    settings = {name: chosen[name].value for name in ("device", "expand", "threads") if name in chosen}
    if "threads" in chosen and chosen["threads"].origin in VARIABLES:
        del settings["threads"]
    if "log" in chosen:
        settings["saving"] = {"log": list(chosen["log"].value)}
    if "prior" in chosen:
        settings["prior"] = prior_settings(chosen["prior"].value)
    return settings


def _checked(values: Mapping[str, Any], origins: Mapping[str, str]) -> dict[str, Chosen]:
    try:
        defaults = Defaults.model_validate(dict(values))
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        name = str(detail["loc"][0])
        where = origins[name]
        what = where if where in VARIABLES else f"{where}: {name}"
        if detail["type"] == "extra_forbidden":
            mend = did_you_mean(name, NAMES)
            raise ConfigError(f"{what} is no default", expected=", ".join(NAMES), mend=mend) from error
        message = detail["msg"].removeprefix("Value error, ")
        got = "" if detail["type"] == "value_error" else repr(detail["input"])
        raise ConfigError(f"{what} cannot be used", expected=message, got=got) from error
    set_ = {name: getattr(defaults, name) for name in NAMES}
    return {name: Chosen(value, origins[name]) for name, value in set_.items() if value is not None}


def _one_of(name: str, names: tuple[str, ...] | list[str]) -> str:
    if name not in names:
        hint = did_you_mean(name, names)
        raise ValueError(f"one of {', '.join(names)}, not {name!r}" + (f" ({hint.lower()})" if hint else ""))
    return name
