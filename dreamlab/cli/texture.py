"""dreamlab texture MESH PROMPT or --style NAME: a mesh file in other colours, its shape and layout as they
are."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from dreamlab.cli.destination import Destination, destination
from dreamlab.cli.options import (
    Subparsers,
    add_output_options,
    add_runs_option,
    examples,
    set_up_messages,
    view_mode,
)
from dreamlab.cli.tell import tell_files
from dreamlab.run.styles import MATERIALS

PROMPTED = ("prior", "seed", "device", "set")  # options that need a prompt


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "texture",
        help="give a mesh file other colours, by a prompt or of a material",
        description="Give a mesh file other colours: those of a prompt, by a run, or of a material. Its "
        "positions and texture coordinates stay as they are, to the bit; of GLB and glTF all the rest too: "
        "nodes, names, skins, morph targets, animations.",
        **examples(
            'dreamlab texture chair.glb "a wooden chair"',
            'dreamlab texture mug.obj "a golden mug" --pixels 2048 --to golden.obj',
            "dreamlab texture knight.glb --style marble --to statue.glb",
        ),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument("subject", metavar="MESH", help="a mesh file; OBJ is written as OBJ, all else as GLB")
    parser.add_argument("prompt", metavar="PROMPT", nargs="?", help='such as "a wooden chair": a run')
    parser.add_argument("--style", choices=MATERIALS, metavar="NAME", help=f"one of {', '.join(MATERIALS)}")
    parser.add_argument(
        "--pixels", type=int, metavar="N", help="along each side of every image (default: as the old ones)"
    )
    parser.add_argument("--prior", metavar="WHICH", help="the 2D diffusion model; see `dreamlab priors`")
    parser.add_argument("--seed", type=int, metavar="N", help="same seed, same bytes")
    parser.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    parser.add_argument(
        "--set",
        action="append",
        metavar="KEY=VALUE",
        help="a setting of the run, such as stages.paint.steps=200",
    )
    parser.add_argument(
        "--to",
        metavar="DIR|FILE",
        help="a folder, or a file (default: beside the mesh, with style or prompt in its name). The mesh "
        "itself is never written over, and other files only where --to FILE or --name names them",
    )
    parser.add_argument("--name", metavar="NAME", help="of the file, without suffix")
    add_runs_option(parser)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.cli.subject import is_mesh_file
    from dreamlab.core.errors import InputError
    from dreamlab.mesh.retexture import format_of

    _check(args)
    source = Path(args.subject)
    if not is_mesh_file(args.subject):
        raise InputError(
            f"{args.subject} is no mesh file",
            mend=f"Of a run: dreamlab export {args.subject} --style {args.style or 'wood'}",
        )
    to = destination(args.to, format_of(source), args.name)
    to.make_folder()
    return _styled(args, source, to) if args.prompt is None else _prompted(args, source, to)


def _check(args: argparse.Namespace) -> None:
    """InputError for options that do not fit each other."""
    from dreamlab.core.errors import InputError

    if (args.style is None) == (args.prompt is None):
        got = "neither" if args.prompt is None else "both"
        mend = f'Say what it is to be: dreamlab texture {args.subject} "a wooden chair"'
        raise InputError(
            "texture needs a prompt or a style", expected='"PROMPT" or --style NAME', got=got, mend=mend
        )
    if args.pixels is not None and not 16 <= args.pixels <= 8192:
        raise InputError("--pixels cannot be used", expected="16 to 8192", got=str(args.pixels))
    if args.style and (asked := [name for name in PROMPTED if getattr(args, name) is not None]):
        raise InputError(
            f"--{asked[0]} is for prompts: a style needs no prior", mend=f"Leave --{asked[0]} out"
        )


def _styled(args: argparse.Namespace, source: Path, to: Destination) -> int:
    from dreamlab.mesh.repaint import solid_coat
    from dreamlab.mesh.retexture import format_of, retexture

    target = _target(source, to, args.style)
    done = retexture(source, target, lambda pieces: solid_coat(args.style, pieces), args.pixels)
    if done.changed:
        logging.getLogger(__name__).warning("not as it was: %s", "; ".join(done.changed))
    tell_files(args, {format_of(source): target})
    return 0


def _prompted(args: argparse.Namespace, source: Path, to: Destination) -> int:
    """A run of the preset `texture`, or of the one for other priors, and its file in the source's format
    beside the source."""
    from dreamlab.cli.drive import drive
    from dreamlab.core.errors import InputError
    from dreamlab.mesh.retexture import format_of
    from dreamlab.priors.diffusers.aliases import preset_on_mesh
    from dreamlab.run.begin import new_run
    from dreamlab.run.pipeline import surface_of_run
    from dreamlab.run.resolve import resolve
    from dreamlab.run.run_dir import slug

    settings = _settings(args)
    preset = preset_on_mesh("texture", settings.get("prior", {}).get("kind", "embedded"))
    config = resolve(args.prompt, preset=preset, settings=settings, overrides=args.set or [])
    run = new_run(config, args.out, chosen={"preset": preset})
    with run.unless_stillborn():
        if code := drive(run.config(), run, view_mode(args)):
            return code
    dressed = surface_of_run(run, run.config()).dressed
    if dressed is None:
        raise InputError(
            "the run's list of stages has no stage `retexture`, so that nothing is written beside the mesh",
            mend=f"Its own files are in {run.path}",
        )
    target = _target(source, to, slug(args.prompt))
    dressed.write(target)
    tell_files(args, {format_of(source): target})
    return 0


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """The options as plain settings of a run."""
    from dreamlab.cli.prior_option import prior_settings

    settings: dict[str, Any] = {"begin": args.subject}
    if args.prior is not None:
        settings["prior"] = prior_settings(args.prior)
    settings |= {name: getattr(args, name) for name in ("seed", "device") if getattr(args, name) is not None}
    if args.pixels is not None:
        settings["stages"] = {"retexture": {"pixels": args.pixels}}
    return settings


def _target(source: Path, to: Destination, word: str) -> Path:
    """The file to write: as asked for, else beside the source with a word in its name."""
    folder = to.folder or source.parent
    stem = to.beside(source, folder, to.name or f"{source.stem}-{word}")
    return folder / f"{stem}.{to.formats[0]}"
