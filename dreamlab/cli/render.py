"""dreamlab render RUN|MESH: turntables and stills of a mesh."""

from __future__ import annotations

import argparse
from math import radians
from pathlib import Path
from typing import TYPE_CHECKING

from dreamlab.cli.options import (
    Subparsers,
    add_output_options,
    add_runs_option,
    add_up_option,
    set_up_messages,
)  # fmt: skip
from dreamlab.cli.tell import tell_files

if TYPE_CHECKING:
    from dreamlab.core.types import Mesh
    from dreamlab.views.render import Background

STYLES = ("lit", "albedo", "normal", "clay", "wireframe")
RENDERERS = ("auto", "pyrender", "native")
STILLS = (".png", ".jpg", ".jpeg")
FILMS = (".mp4", ".webp")
SHEETS = (".png", ".jpg", ".jpeg", ".webp")


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "render",
        help="render a run's mesh, or any mesh",
        description="Render a mesh: a turntable or a still picture.",
    )
    parser.set_defaults(execute=execute)
    parser.add_argument("subject", metavar="RUN|MESH", help="a run's folder, name or number, or a mesh file")
    parser.add_argument(
        "--to",
        type=Path,
        metavar="FILE",
        help=".mp4 or .webp for a turntable, .png or .jpg for a still or a sheet (default: turntable.mp4)",
    )
    parser.add_argument(
        "--style",
        type=_styles,
        default=("lit",),
        metavar="LIST",
        help=f"of {', '.join(STYLES)}; several, or all, for a contact sheet",
    )
    parser.add_argument(
        "--sheet", type=int, metavar="N", help="a contact sheet: a row of N views around for every style"
    )
    parser.add_argument(
        "--renderer", choices=RENDERERS, default="auto", metavar="NAME", help="auto, pyrender or native"
    )
    parser.add_argument(
        "--size", type=int, default=512, metavar="PIXELS", help="side of the picture (default: 512)"
    )
    parser.add_argument(
        "--frames", type=int, default=60, metavar="N", help="views of a turntable (default: 60)"
    )
    parser.add_argument("--fps", type=int, default=20, metavar="N", help="frames a second (default: 20)")
    parser.add_argument(
        "--azimuth", type=float, default=30.0, metavar="DEG", help="of a still; 0 is the front"
    )
    parser.add_argument(
        "--elevation", type=float, default=17.0, metavar="DEG", help="camera height (default: 17)"
    )
    parser.add_argument("--transparent", action="store_true", help="no background (.png and .webp)")
    add_up_option(parser)
    add_runs_option(parser)
    add_output_options(parser)


def _styles(text: str) -> tuple[str, ...]:
    """The styles that a list names, each once, in the order given."""
    names = STYLES if text == "all" else tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in STYLES:
            from dreamlab.run.presets import did_you_mean

            clue = did_you_mean(name, STYLES)
            raise argparse.ArgumentTypeError(
                f"{name!r} is not one of {', '.join(STYLES)}. {clue}".rstrip(". ")
            )
    return names


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.cli.subject import check_up, mesh_and_home, run_config
    from dreamlab.core.errors import InputError
    from dreamlab.views.render import WHITE
    from dreamlab.views.turntable import write_turntable

    for name, value, least, most in (
        ("size", args.size, 16, 4096),
        ("frames", args.frames, 1, 2000),
        ("fps", args.fps, 1, 120),
        ("sheet", args.sheet if args.sheet is not None else 1, 1, 100),
        ("azimuth", args.azimuth, -3600, 3600),
        ("elevation", args.elevation, -90, 90),
    ):
        if not least <= value <= most:  # also where it is no number
            raise InputError(f"--{name} cannot be used", expected=f"{least} to {most}", got=str(value))
    if len(args.style) > 1 and args.sheet is None:
        raise InputError(
            "several styles make a contact sheet", got=", ".join(args.style), mend="Add --sheet 4"
        )
    _check_target(args)
    if args.up is not None:
        check_up(args.up, run_config(args.subject, args.out))
    scene, home, _ = mesh_and_home(args.subject, args.out, None, args.up)
    target = args.to or home / _usual(args)
    background = None if args.transparent else WHITE
    elevation = radians(args.elevation)
    if args.sheet is not None:
        _sheet(scene.mesh, target, args, elevation, background)
    elif target.suffix.lower() in STILLS:
        _still(scene.mesh, target, args, elevation, background)
    else:
        write_turntable(
            scene.mesh, target, frames=args.frames, size=args.size, fps=args.fps, elevation=elevation,
            style=args.style[0], background=background, renderer=args.renderer,
        )  # fmt: skip
    tell_files(args, {target.suffix.lstrip("."): target})
    return 0


def _usual(args: argparse.Namespace) -> str:
    """What is written where no --to says more."""
    return "turntable.mp4" if args.sheet is None else "sheet.png"


def _check_target(args: argparse.Namespace) -> None:
    """InputError for a --to that is no picture's or film's, and for a file that the mesh is read from."""
    from dreamlab.cli.subject import is_mesh_file
    from dreamlab.core.errors import InputError
    from dreamlab.mesh.io.sources import files_of, same_file

    if is_mesh_file(args.subject):
        target = args.to or Path(args.subject).parent / _usual(args)
        if same_file(target, files_of(Path(args.subject))) is not None:
            raise InputError(
                f"{target} would be replaced, which {args.subject} is read from", mend="Choose another --to"
            )
    if args.to is None:
        return
    known = (*FILMS, *STILLS) if args.sheet is None else SHEETS
    kind = args.to.suffix.lower()
    if kind not in known:
        expected = "a name ending in " + ", ".join(known)
        raise InputError(f"cannot write {args.to.name}", expected=expected, got=kind or "no suffix")
    if args.transparent and kind in (".jpg", ".jpeg", ".mp4"):
        raise InputError(f"{kind[1:].upper()} cannot be transparent", mend="Write .png or .webp")


def _still(
    mesh: Mesh, target: Path, args: argparse.Namespace, elevation: float, background: Background
) -> None:
    from PIL import Image

    from dreamlab.core.files import atomic_path
    from dreamlab.views.still import still_of

    azimuth, style = radians(args.azimuth), args.style[0]
    picture = still_of(mesh, azimuth, elevation, args.size, style, background, args.renderer)
    with atomic_path(target) as temporary:
        if target.suffix.lower() == ".png":
            Image.fromarray(picture).save(temporary, "png")
        else:
            Image.fromarray(picture).save(temporary, "jpeg", quality=95, subsampling=0)


def _sheet(
    mesh: Mesh, target: Path, args: argparse.Namespace, elevation: float, background: Background
) -> None:
    """A row for every style, its name under each picture."""
    from dreamlab.views.contact import write_contact_sheet
    from dreamlab.views.render import framed, render_mesh
    from dreamlab.views.turntable import turntable_cameras

    cameras = turntable_cameras(args.sheet, args.size, elevation)
    rows = [render_mesh(framed(mesh), cameras, style, background, args.renderer) for style in args.style]
    pictures = [picture for row in rows for picture in row]
    degrees = [round(360 * k / args.sheet) for k in range(args.sheet)]
    captions = [f"{style} {angle} deg" for style in args.style for angle in degrees]
    write_contact_sheet(target, pictures, captions, columns=args.sheet, transparent=background is None)
