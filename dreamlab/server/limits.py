"""What a request may ask for: no more than the machine is meant to give, and nothing of its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dreamlab.core.errors import InputError

NOT_ASKED = (
    "shape", "prior", "priors", "prior_devices", "device", "threads", "expanded", "saving",
)  # fmt: skip
"""Settings that are for whoever runs the server: they name files, models and devices of the machine."""
SAID_BESIDE = {"prompt": "prompt", "seed": "seed", "negative_prompt": "negative", "images": "images"}


class Limits(BaseModel):
    """The most that one request, and all that wait together, may take.

    prompt: characters of a prompt, and of a negative one. steps: of all stages together, and denoising steps
    of views that are drawn. views: of a step. pixels: along a side of pictures that are optimised on, film:
    of the turntable, texture: of textures. frames: of the turntable. lattice: cells along a side of a
    surface's lattice. faces: of a mesh. variations: jobs of one request. settings: that one request names.
    waiting: jobs in the queue. body: bytes of a request. picture, megapixels: bytes and size of a picture
    that is sent; pictures: how many are kept that no job needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: int = Field(default=300, ge=1, le=1000)
    steps: int = Field(default=3000, ge=1)
    views: int = Field(default=32, ge=1)
    pixels: int = Field(default=512, ge=16)
    film: int = Field(default=1024, ge=32)
    texture: int = Field(default=4096, ge=16)
    frames: int = Field(default=240, ge=0)
    lattice: int = Field(default=384, ge=16)
    faces: int = Field(default=200_000, ge=4)
    variations: int = Field(default=16, ge=1)
    settings: int = Field(default=64, ge=0)
    waiting: int = Field(default=500, ge=1)
    body: int = Field(default=65_536, ge=1024)
    picture: int = Field(default=20_000_000, ge=1024)
    megapixels: int = Field(default=64, ge=1, le=178)
    pictures: int = Field(default=200, ge=1)


CEILINGS: dict[str, str | int] = {
    "views": "views", "memory": "views",
    "size": "pixels", "view_size": "pixels", "turntable.size": "film", "frames": "frames",
    "faces": "faces", "cubes": 128, "extract.resolution": "lattice", "texture.resolution": "texture",
    "voxel.resolution": "lattice", "retexture.pixels": "texture",
    "max_batch": 1024, "hole_edges": 4096, "points": 100_000, "features": 8, "log2_table_size": 20,
    "width": 512, "inversion_steps": 100, "sampling_steps": 200, "updates": 10, "attempts": 10,
}  # fmt: skip
"""The most of a setting, by its name or by the kind of what it is a setting of and its name: a limit, or a
number where nobody will want another. A test finds settings that are neither here nor among `FREE`."""

FREE = frozenset(
    "steps stop_after rings every keep_every patience iterations vertex_iterations samples supersample "
    "levels depth blocks base_resolution finest_resolution frequencies resolution refine warm_up interval "
    "colors fps seed weight lr background_lr negative_share t_min t_max beta then".split()
)
"""Whole numbers and ramps that need no ceiling: their schema has one, others bound them, or they cost
nothing."""
_MOST_STAGES = 16


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
    stages = config["stages"]
    if len(stages) > _MOST_STAGES:
        raise _too_much("the number of stages", _MOST_STAGES, len(stages))
    for what, count in (
        ("the steps of all stages", sum(stage.get("steps", 0) for stage in stages)),
        ("the denoising steps of drawn views", sum(_drawing(stage) for stage in stages)),
    ):
        if count > limits.steps:
            raise _too_much(what, limits.steps, count)
    for stage in stages:
        views = sum(count for count, _ in stage.get("rings", ()))
        if views > limits.views:
            raise _too_much(f"stages.{stage['name']}.rings", limits.views, views)
    for owner, name, path, value in _numbers(config):
        most = CEILINGS.get(f"{owner}.{name}", CEILINGS.get(name))
        most = getattr(limits, most) if isinstance(most, str) else most
        if most is not None and value > most:
            raise _too_much(path, most, value)


def _drawing(stage: Mapping[str, Any]) -> int:
    """Denoising steps of a stage that draws views anew every so often."""
    if "sampling_steps" not in stage:
        return 0
    return -(-stage["steps"] // stage["every"]) * stage["sampling_steps"]


def _too_much(what: str, most: float, got: float) -> InputError:
    return InputError(
        f"{what} is more than this server gives",
        expected=f"at most {most:g}",
        got=f"{got:g}",
        mend="Ask for less",
    )


def _numbers(value: Any, owner: str = "", path: str = "") -> Iterator[tuple[str, str, str, float]]:
    """Every number: the kind of what it is a setting of, its name, its path, and itself. What a ramp begins
    and ends with counts as the ramp."""
    if isinstance(value, Mapping):
        owner = str(value.get("kind", owner))
        for key, part in value.items():
            inner = path if key in _RAMP else f"{path}.{key}" if path else str(key)
            yield from _numbers(part, owner, inner)
    elif isinstance(value, list | tuple):
        for k, part in enumerate(value):
            name = part.get("name", part.get("kind")) if isinstance(part, Mapping) else None
            yield from _numbers(part, owner, f"{path}.{name or k}" if isinstance(part, Mapping) else path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield owner, path.rpartition(".")[2], path, value


_RAMP = ("start", "end", "then")
