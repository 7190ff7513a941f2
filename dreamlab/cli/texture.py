"""dreamlab texture MESH --style NAME: a mesh file in another material, its shape and layout as they are."""

from __future__ import annotations

import argparse
from pathlib import Path

from dreamlab.cli.destination import destination
from dreamlab.cli.options import Subparsers, add_output_options, examples, set_up_messages
from dreamlab.cli.tell import tell_files
from dreamlab.run.styles import MATERIALS


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "texture",
        help="give a mesh file another material",
        description="Give a mesh file another material. Its positions and texture coordinates stay as they "
        "are, to the bit; of GLB and glTF all the rest too: nodes, names, skins, morph targets, animations.",
        **examples(
            "dreamlab texture chair.glb --style wood",
            "dreamlab texture knight.glb --style marble --pixels 2048 --to statue.glb",
        ),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument("subject", metavar="MESH", help="a mesh file; OBJ is written as OBJ, all else as GLB")
    parser.add_argument(
        "--style", choices=MATERIALS, metavar="NAME", required=True, help=f"one of {', '.join(MATERIALS)}"
    )
    parser.add_argument(
        "--pixels", type=int, metavar="N", help="along each side of every image (default: as the old ones)"
    )
    parser.add_argument(
        "--to",
        metavar="DIR|FILE",
        help="a folder, or a file (default: beside the mesh, with the style in its name). The mesh itself is "
        "never written over, and other files only where --to FILE or --name names them",
    )
    parser.add_argument("--name", metavar="NAME", help="of the file, without suffix")
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    import logging

    from dreamlab.cli.subject import is_mesh_file
    from dreamlab.core.errors import InputError
    from dreamlab.mesh.repaint import solid_coat
    from dreamlab.mesh.retexture import format_of, retexture

    if args.pixels is not None and not 16 <= args.pixels <= 8192:
        raise InputError("--pixels cannot be used", expected="16 to 8192", got=str(args.pixels))
    source = Path(args.subject)
    if not is_mesh_file(args.subject):
        raise InputError(
            f"{args.subject} is no mesh file",
            mend=f"Of a run: dreamlab export {args.subject} --style {args.style}",
        )
    kind = format_of(source)
    to = destination(args.to, kind, args.name)
    to.make_folder()
    folder = to.folder or source.parent
    stem = to.beside(source, folder, to.name or f"{source.stem}-{args.style}")
    done = retexture(
        source, folder / f"{stem}.{kind}", lambda pieces: solid_coat(args.style, pieces), args.pixels
    )
    if done.changed:
        logging.getLogger(__name__).warning("not as it was: %s", "; ".join(done.changed))
    tell_files(args, {kind: done.files[0]})
    return 0
