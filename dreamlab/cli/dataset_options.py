"""The options of `dreamlab dataset` as settings."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamlab.core.errors import InputError

if TYPE_CHECKING:
    from dreamlab.dataset.config import DatasetConfig

FORMATS = ("nerfstudio", "blender", "coco", "bop")
CAMERAS = ("sphere", "orbit", "hemisphere", "spiral")
LIGHTS = ("three-point", "sun", "headlight", "random", "none")
BUFFERS = ("depth", "normal", "normal_camera", "mask", "alpha", "parts", "instances")
DEPTHS = ("png", "exr")


def config_of(args: argparse.Namespace) -> DatasetConfig:
    """The settings that the options name. Raises InputError for one that cannot be used."""
    from pydantic import ValidationError

    from dreamlab.dataset.config import DatasetConfig
    from dreamlab.mesh.geometry.shape import parse_size

    values: dict[str, Any] = {
        "format": {"kind": args.format},
        "views": args.views,
        "size": _size(args.size),
        "fovy": args.fovy,
        "cameras": _cameras(args),
        "lights": _lights(args.lights),
        "background": _background(args.background),
        "depth": _listed("depth", args.depth, DEPTHS),
        "depth_unit": parse_size(args.depth_unit),
        "scale": args.scale if args.scale in ("keep", "unit") else parse_size(args.scale),
        "split": _numbers("split", args.split, 3, 3),
        "samples": args.samples,
        "objects": args.objects,
        "scenes": args.scenes,
        "seed": args.seed,
    }
    if args.objects == 1 and args.scenes != 1:
        raise InputError("--scenes is for scenes of several objects", mend="Add --objects 2, or more")
    if args.buffers is not None:
        values["buffers"] = () if args.buffers == "none" else _listed("buffers", args.buffers, BUFFERS)
    try:
        return DatasetConfig.model_validate(values)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        where = [str(part) for part in detail["loc"]] or ["split"]
        option = where[-1] if where[0] == "cameras" and len(where) > 2 else where[0]
        got = repr(detail["input"]) if detail["type"] != "value_error" else ""
        message = detail["msg"].removeprefix("Value error, ")
        raise InputError(f"--{option.replace('_', '-')} cannot be used", expected=message, got=got) from error


def _cameras(args: argparse.Namespace) -> dict[str, Any] | Any:
    given = {
        "elevation": None if args.elevation is None else _numbers("elevation", args.elevation, 1, 100),
        "distance": None if args.distance is None else _numbers("distance", args.distance, 1, 2),
        "turns": args.turns,
    }
    values = {key: value for key, value in given.items() if value is not None}
    if "distance" in values:
        values["distance"] = (values["distance"] * 2)[:2]
    if args.cameras.lower().endswith(".json"):
        from dreamlab.dataset.cameras import KeyframesConfig

        if values:
            raise InputError(f"--{next(iter(values))} is not for a path of keyframes", mend="Take it away")
        return KeyframesConfig.read(Path(args.cameras))
    _known("cameras", args.cameras, CAMERAS, "or a JSON file of keyframes")
    if "turns" in values and args.cameras != "spiral":
        raise InputError("--turns is for --cameras spiral", got=f"--cameras {args.cameras}")
    if "elevation" in values and args.cameras != "orbit" and len(values["elevation"]) != 2:
        raise InputError(
            f"--elevation of --cameras {args.cameras} is the lowest and the highest",
            expected="two angles such as 0,60",
            got=str(args.elevation),
        )
    return {"kind": args.cameras, **values}


def _lights(text: str) -> dict[str, Any]:
    kind, colon, angles = text.partition(":")
    _known("lights", kind, LIGHTS)
    if not colon:
        return {"kind": kind}
    if kind != "sun":
        raise InputError(f"--lights {kind} has no angles", expected="sun:AZIMUTH,ELEVATION", got=text)
    azimuth, elevation = _numbers("lights", angles, 2, 2)
    return {"kind": "sun", "azimuth": azimuth, "elevation": elevation}


def _background(text: str) -> dict[str, Any]:
    if text in ("transparent", "gradient"):
        return {"kind": text}
    if text.startswith("gradient:"):
        colors = [_color(name) for name in re.split(r",(?![^(]*\))", text.partition(":")[2])]
        if len(colors) != 2:
            raise InputError("--background gradient has two colours", expected="gradient:TOP,FOOT", got=text)
        return {"kind": "gradient", "colors": colors}
    if Path(text).is_dir():
        return {"kind": "images", "folder": text}
    return {"kind": "color", "color": _color(text)}


def _color(text: str) -> tuple[int, ...]:
    from dreamlab.mesh.texture.color_names import parse_color

    try:
        return tuple(round(255 * float(c)) for c in parse_color(text))
    except InputError as error:
        expected = "transparent, gradient, a CSS colour such as navy or #rrggbb, or a folder of pictures"
        raise InputError("--background cannot be used", expected=expected, got=repr(text)) from error


def _size(text: str) -> tuple[int, int]:
    """(height, width) of "512" or "640x480"."""
    found = re.fullmatch(r"(\d{1,6})(?:x(\d{1,6}))?", text.strip().lower())
    if found is None:
        raise InputError("--size cannot be used", expected="512, or 640x480 (wide x high)", got=repr(text))
    return int(found[2] or found[1]), int(found[1])


def _numbers(option: str, text: str, least: int, most: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not least <= len(numbers) <= most:
        count = str(least) if least == most else f"{least} to {most}"
        raise InputError(
            f"--{option} cannot be used", expected=f"{count} numbers with commas", got=repr(text)
        )
    return numbers


def _listed(option: str, text: str, names: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in found:
        _known(option, name, names)
    return found


def _known(option: str, name: str, names: tuple[str, ...], otherwise: str = "") -> None:
    if name not in names:
        from dreamlab.run.presets import did_you_mean

        expected = ", ".join(names) + (f", {otherwise}" if otherwise else "")
        raise InputError(
            f"--{option} cannot be used", expected=expected, got=repr(name), mend=did_you_mean(name, names)
        )
