"""What a request may ask for: no more than the machine is meant to give, and nothing of its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dreamlab.core.errors import InputError

NOT_ASKED = ("prior", "priors", "device", "threads", "expanded", "saving")
"""Settings that are for whoever runs the server: they name files, models and devices of the machine."""
SAID_BESIDE = {"prompt": "prompt", "seed": "seed", "negative_prompt": "negative"}


class Limits(BaseModel):
    """The most that one request, and all that wait together, may take.

    prompt: characters of a prompt, and of a negative one. steps: of all stages together. views: of a step.
    pixels: sides of pictures that are rendered, and of textures. lattice: cells along a side of a surface's
    lattice or a field's finest level. faces: of a mesh. frames: of a film. variations: jobs of one request.
    waiting: jobs in the queue. body: bytes of a request. settings: how many one request may name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: int = Field(default=300, ge=1, le=1000)
    steps: int = Field(default=3000, ge=1)
    views: int = Field(default=32, ge=1)
    pixels: int = Field(default=4096, ge=16)
    lattice: int = Field(default=512, ge=16)
    faces: int = Field(default=200_000, ge=4)
    frames: int = Field(default=240, ge=0)
    variations: int = Field(default=16, ge=1)
    waiting: int = Field(default=500, ge=1)
    body: int = Field(default=65_536, ge=1024)
    settings: int = Field(default=64, ge=0)


def check_settings(settings: Mapping[str, Any], limits: Limits) -> None:
    """Refuse settings that a request may not name. Raises InputError."""
    if len(settings) > limits.settings:
        raise InputError(
            "there are too many settings", expected=f"at most {limits.settings}", got=str(len(settings))
        )
    for key in settings:
        first = key.split(".")[0]
        if first in NOT_ASKED:
            raise InputError(
                f"the setting {key!r} is not for requests",
                mend=f"Leave it out: {first} is chosen where the server is started",
            )
        if first in SAID_BESIDE:
            raise InputError(
                f"the setting {key!r} stands beside the settings", mend=f"Give it as {SAID_BESIDE[first]!r}"
            )


def check_prompt(text: str, name: str, limits: Limits) -> None:
    """Raises InputError for a text that is too long."""
    if len(text) > limits.prompt:
        raise InputError(
            f"the {name} is too long",
            expected=f"at most {limits.prompt} characters",
            got=str(len(text)),
            mend="Say it shorter",
        )


def check_size(config: Mapping[str, Any], limits: Limits) -> None:
    """Refuse resolved settings that ask for too much. Raises InputError."""
    steps = sum(stage.get("steps", 0) for stage in config["stages"])
    if steps > limits.steps:
        raise _too_much("the steps of all stages", limits.steps, steps)
    for path, value in _numbers(config):
        most = _MOST.get(path.split(".")[-1])
        if most is not None and value > getattr(limits, most):
            raise _too_much(path, getattr(limits, most), value)


_MOST = {
    "views": "views", "rings": "views", "memory": "views", "batch": "views", "supersampling": "views",
    "size": "pixels", "view_size": "pixels", "preview_size": "pixels",
    "faces": "faces", "frames": "frames",
}  # fmt: skip


def _too_much(what: str, most: float, got: float) -> InputError:
    return InputError(
        f"{what} is more than this server gives",
        expected=f"at most {most:g}",
        got=f"{got:g}",
        mend="Ask for less",
    )


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number, by the name of the setting that it is a part of."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            inner = path if key in ("start", "end", "then") else f"{path}.{key}" if path else str(key)
            yield from _numbers(part, inner)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _numbers(part, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value
