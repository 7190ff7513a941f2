"""dreamlab dataset RUN|MESH|FOLDER|PROMPTS --out DIR: posed pictures for training and benchmarks."""

from __future__ import annotations

import argparse
import re
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamlab.cli.options import (
    Subparsers,
    add_output_options,
    add_up_option,
    examples,
    set_up_messages,
    view_mode,
)
from dreamlab.cli.tell import tell_files
from dreamlab.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from jaxtyping import UInt8

    from dreamlab.dataset.config import DatasetConfig
    from dreamlab.dataset.write import Progress
    from dreamlab.run.events import Step

FORMATS = ("nerfstudio", "blender", "coco", "bop")
CAMERAS = ("sphere", "orbit", "hemisphere", "spiral")
LIGHTS = ("three-point", "sun", "headlight", "random", "none")
BUFFERS = ("depth", "normal", "normal_camera", "mask", "alpha", "parts", "instances")
DEPTHS = ("png", "exr")


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "dataset",
        help="render posed pictures of meshes for training and benchmarks",
        description="Render posed pictures of a run, of any mesh, of a folder of meshes or of prompts: "
        "colour, depth, normals, masks and cameras, in a format that other tools read. The same command "
        "goes on where it was stopped.",
        **examples(
            "dreamlab dataset latest --out data/mushroom                 100 views for nerfstudio",
            "dreamlab dataset chair.glb --out data/chair --format blender --scale unit",
            "dreamlab dataset meshes/ --out data/poses --format bop --objects 5 --scenes 20",
            "dreamlab dataset meshes/ --out data/coco --format coco --lights random --background photos/",
            "dreamlab dataset prompts.txt --out data/toys --preset fast --views 24 --cameras orbit",
        ),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument(
        "subjects",
        nargs="+",
        metavar="RUN|MESH|FOLDER|PROMPTS",
        help="a run's folder, name or number; a mesh file; a folder of meshes; a .txt file of prompts",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the data set")
    parser.add_argument(
        "--format", default="nerfstudio", choices=FORMATS, metavar="NAME", help=", ".join(FORMATS)
    )
    _add_views(parser)
    _add_looks(parser)
    _add_files(parser)
    _add_subjects(parser)
    add_output_options(parser)


def _add_views(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("views")
    group.add_argument("--views", type=int, default=100, metavar="N", help="of each scene (default: 100)")
    group.add_argument("--size", default="512", metavar="PIXELS", help="512, or 640x480 (default: 512)")
    group.add_argument("--fovy", type=float, default=40.0, metavar="DEG", help="field of view (default: 40)")
    group.add_argument(
        "--cameras",
        default="sphere",
        metavar="KIND|FILE",
        help=f"{', '.join(CAMERAS)}, or a JSON file of keyframes (default: sphere)",
    )
    group.add_argument(
        "--elevation", metavar="DEG,..", help="rings of an orbit (20); lowest and highest of the others"
    )
    group.add_argument(
        "--distance", metavar="A,B", help="nearest and furthest, 1 just holds the object (default: 1.1)"
    )
    group.add_argument("--turns", type=float, metavar="N", help="of a spiral (default: 3)")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is random (default: 0)")


def _add_looks(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("light and background")
    group.add_argument(
        "--lights",
        default="three-point",
        metavar="KIND",
        help=f"{', '.join(LIGHTS)}; sun:AZIMUTH,ELEVATION (default: three-point)",
    )
    group.add_argument(
        "--background",
        default="transparent",
        metavar="WHAT",
        help="transparent, a colour, gradient, gradient:TOP,FOOT, or a folder of pictures",
    )
    group.add_argument(
        "--samples", type=int, default=2, metavar="N", help="samples of a pixel each way (default: 2)"
    )


def _add_files(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is written")
    group.add_argument(
        "--buffers",
        metavar="LIST",
        help=f"beside the colour, of {', '.join(BUFFERS)}, or none (default: all but alpha)",
    )
    group.add_argument("--depth", default="png", metavar="LIST", help="png (16 bits), exr, or both: png,exr")
    group.add_argument(
        "--depth-unit", default="1mm", metavar="LENGTH", help="one step of 16-bit depth (default: 1mm)"
    )
    group.add_argument(
        "--split", default="0.8,0.1,0.1", metavar="A,B,C", help="shares of train, val and test (0.8,0.1,0.1)"
    )
    group.add_argument("--workers", type=int, metavar="N", help="threads (default: the machine's cores)")


def _add_subjects(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("subjects and scenes")
    group.add_argument(
        "--scale",
        default="keep",
        metavar="SIZE",
        help="keep, unit (into the unit ball), or a length of the longest side such as 30cm (default: keep)",
    )
    group.add_argument(
        "--objects",
        type=int,
        default=1,
        metavar="N",
        help="objects of a scene, picked and placed by the seed",
    )
    group.add_argument(
        "--scenes", type=int, default=1, metavar="N", help="scenes, with --objects (default: 1)"
    )
    group.add_argument(
        "--palette-parts",
        action="store_true",
        help="a run's mesh made anew, with the colours of its palette as parts",
    )
    group.add_argument(
        "--preset", default="default", metavar="NAME", help="for prompts: as dreamlab run --preset"
    )
    group.add_argument(
        "--runs",
        type=Path,
        default=Path("outputs"),
        metavar="DIR",
        help="folder of all runs (default: outputs)",
    )
    add_up_option(group)  # type: ignore[arg-type]


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.cli.console import open_view
    from dreamlab.cli.dataset_subjects import run_prompts, sources_of
    from dreamlab.cli.stopping import StopRequest
    from dreamlab.dataset.write import Progress, write_dataset
    from dreamlab.run.events import Note, Phase

    config = config_of(args)
    if args.workers is not None and not 1 <= args.workers <= 256:
        raise InputError("--workers cannot be used", expected="1 to 256", got=str(args.workers))
    code = run_prompts(args)
    if code != 0:
        return code
    sources = sources_of(args)
    with (
        StopRequest(patient=True) as stop,
        open_view(view_mode(args)) as view,
        closing(write_dataset(config, sources, args.out, args.workers)) as events,
    ):
        count = f"{len(sources)} subject" + ("s" if len(sources) > 1 else "")
        for number, event in enumerate(events):
            if number == 0:
                view.show(Phase("views", f"of {count}, {config.format.kind}", steps=config.views))
            view.show(_step(event) if isinstance(event, Progress) else Note(event.text))
            if stop.signal is not None:
                view.show(Note("stopped; the same command goes on"))
                break
    if stop.signal is not None:
        return 128 + stop.signal
    tell_files(args, {"dataset": args.out})
    return 0


@dataclass(frozen=True)
class _View:
    """What the console shows of a run's step, here of a view: there is no optimiser."""

    stage: str
    rgb: UInt8[np.ndarray, "H W 3"]
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def preview(self, size: int) -> torch.Tensor:
        import numpy as np
        import torch
        from PIL import Image

        return torch.from_numpy(np.array(Image.fromarray(self.rgb).resize((size, size))))


def _step(event: Progress) -> Step:
    """A view as the console shows a step of a run, with its picture."""
    from dreamlab.run.events import Step

    shown: Any = _View(event.record.scene, event.rgb)
    return Step(shown, event.done, event.total)


# ---- from options to settings ----


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
