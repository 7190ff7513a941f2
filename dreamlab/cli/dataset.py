"""dreamlab dataset RUN|MESH|FOLDER|PROMPTS --out DIR: posed pictures for training and benchmarks."""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamlab.cli.dataset_options import BUFFERS, CAMERAS, FORMATS, LIGHTS, config_of
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

    from dreamlab.dataset.write import Progress
    from dreamlab.run.events import Step


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "dataset",
        help="render posed pictures of meshes for training and benchmarks",
        description="Render posed pictures of a run, of any mesh, of a folder of meshes or of prompts: "
        "colour, depth, normals, masks and cameras, in a format that other tools read. The same command "
        "goes on where it was stopped.",
        **examples(
            "dreamlab dataset latest --out data/mushroom",
            "dreamlab dataset chair.glb --out data/chair --format blender --scale unit",
            "dreamlab dataset meshes/ --out data/poses --format bop --objects 5 --scenes 20",
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
    from dreamlab.dataset.write import Begun, Progress, write_dataset
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
        for event in events:
            if isinstance(event, Begun):
                there = f"; {event.done} are there already" if event.done else ""
                told = f"{event.total} of {count}, {config.format.kind}{there}"
                view.show(Phase("views", told, steps=event.total))
            else:
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
