"""dreamlab export RUN|MESH: mesh files in other formats, sizes and levels of detail."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dreamlab.cli.options import Subparsers, add_output_options, add_runs_option, set_up_messages
from dreamlab.cli.tell import tell_files

if TYPE_CHECKING:
    from dreamlab.config import MeshConfig


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "export",
        help="write a run's mesh, or any mesh, in other formats",
        description="Write a run's mesh anew from its field, or convert any mesh file.",
    )
    parser.set_defaults(execute=execute)
    parser.add_argument("subject", metavar="RUN|MESH", help="a run's folder, name or number, or a mesh file")
    parser.add_argument("--format", default="glb", metavar="LIST", help="such as glb,obj,stl (default: glb)")
    parser.add_argument("--faces", type=int, metavar="N", help="face budget")
    parser.add_argument(
        "--texture", type=int, metavar="PIXELS", help="texture side; 0 colours the vertices (runs only)"
    )
    parser.add_argument(
        "--resolution", type=int, metavar="N", help="cells of the surface lattice (runs only)"
    )
    parser.add_argument("--to", type=Path, metavar="DIR", help="where to write (default: beside the source)")
    parser.add_argument(
        "--name", metavar="NAME", help="file name without suffix (default: that of the source)"
    )
    add_runs_option(parser)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.cli.subject import mesh_and_home, mesh_config
    from dreamlab.errors import InputError
    from dreamlab.mesh.clean import clean
    from dreamlab.pipeline import export

    config = mesh_config(args.subject, args.out)
    if config is None and (args.texture is not None or args.resolution is not None):
        raise InputError("--texture and --resolution need a run: a mesh file has no field to sample")
    formats = tuple(name.strip().lstrip(".").lower() for name in args.format.split(","))
    changed = _changed(config, args, formats)
    mesh, home, name = mesh_and_home(args.subject, args.out, changed)
    if config is None and args.faces is not None:
        mesh = clean(mesh, changed.clean)
    folder = args.to or home
    folder.mkdir(parents=True, exist_ok=True)
    tell_files(args, export(mesh, folder, changed.formats, args.name or name))
    return 0


def _changed(config: MeshConfig | None, args: argparse.Namespace, formats: tuple[str, ...]) -> MeshConfig:
    """The mesh settings with the options on top, checked like a config file's."""
    from dreamlab.config import MeshConfig, from_values, merge

    top: dict = {"formats": list(formats)}
    if args.faces is not None:
        top["clean"] = {"faces": args.faces}
    if args.texture is not None:
        top["texture"] = args.texture > 0
        if args.texture > 0:
            top["bake"] = {"resolution": args.texture}
    if args.resolution is not None:
        top["extract"] = {"resolution": args.resolution}
    mesh = merge((config or MeshConfig()).model_dump(mode="json", by_alias=True), top)
    return from_values({"prompt": "export", "mesh": mesh}).mesh
