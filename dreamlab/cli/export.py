"""dreamlab export RUN|MESH: mesh files in other formats, sizes and levels of detail."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dreamlab.cli.options import Subparsers, add_output_options, add_runs_option, set_up_messages
from dreamlab.cli.tell import tell_files

if TYPE_CHECKING:
    from dreamlab.core.types import Mesh
    from dreamlab.run.config import MeshConfig

ORIGINS = ("keep", "centre", "base")


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
        "--texture", type=int, metavar="PIXELS", help="side of a newly baked texture; 0 colours the vertices"
    )
    parser.add_argument("--size", metavar="LENGTH", help="longest side, such as 0.3m, 30cm or 12in")
    parser.add_argument(
        "--origin",
        choices=ORIGINS,
        default="keep",
        metavar="WHERE",
        help="base (middle of the underside), centre or keep",
    )
    parser.add_argument("--quads", action="store_true", help="lay quads over the surface (OBJ keeps them)")
    parser.add_argument("--draco", action="store_true", help="compress the geometry of GLB")
    parser.add_argument(
        "--lighting", action="store_true", help="bake soft daylight into the colours (runs only)"
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
    from dreamlab.core.errors import InputError
    from dreamlab.mesh.io.export import check_packages
    from dreamlab.run.pipeline import export

    config = mesh_config(args.subject, args.out)
    if config is None and (args.lighting or args.resolution is not None):
        raise InputError("--lighting and --resolution need a run: a mesh file has no field to sample")
    formats = tuple(name.strip().lstrip(".").lower() for name in args.format.split(","))
    changed = _changed(config, args, formats)
    check_packages(changed.formats, changed.compression, changed.clean.remesh == "quads")
    folder = _folder(args.to)
    mesh, home, name = mesh_and_home(args.subject, args.out, changed)
    if config is None:
        mesh = _reworked(mesh, args, changed)
    tell_files(args, export(mesh, folder or home, changed, args.name or name))
    return 0


def _folder(to: Path | None) -> Path | None:
    """--to, made if it is not there. InputError if it cannot be."""
    from dreamlab.core.errors import InputError

    try:
        if to is not None:
            to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--to {to} cannot be made", got=error.strerror or str(error)) from error
    return to


def _reworked(mesh: Mesh, args: argparse.Namespace, config: MeshConfig) -> Mesh:
    """A mesh file's mesh with what was asked for; untouched where nothing was."""
    from dreamlab.mesh.geometry.shape import parse_size, place
    from dreamlab.mesh.rework import rework

    if args.faces is not None or args.texture is not None or args.quads:
        faces = config.clean.faces if args.faces is not None or args.quads else len(mesh.faces)
        mesh = rework(mesh, config.clean.model_copy(update={"faces": faces}), args.texture)
    size = None if config.size is None else parse_size(config.size)
    return place(mesh, size=size, origin=config.origin)


def _changed(config: MeshConfig | None, args: argparse.Namespace, formats: tuple[str, ...]) -> MeshConfig:
    """The mesh settings with the options on top, checked like a config file's."""
    from dreamlab.run.config import MeshConfig, from_values, merge

    top: dict = {"formats": list(formats), "clean": {}, "bake": {}}
    if args.faces is not None:
        top["clean"]["faces"] = args.faces
    if args.quads:
        top["clean"]["remesh"] = "quads"
    if args.texture is not None:
        top["texture"] = args.texture > 0
        if args.texture > 0:
            top["bake"]["resolution"] = args.texture
    if args.lighting:
        top["bake"]["lighting"] = True
    if args.resolution is not None:
        top["extract"] = {"resolution": args.resolution}
    if args.size is not None:
        top["size"] = args.size
    if args.origin != "keep":
        top["origin"] = args.origin
    if args.draco:
        top["compression"] = "draco"
    mesh = merge((config or MeshConfig()).model_dump(mode="json", by_alias=True), top)
    return from_values({"prompt": "export", "mesh": mesh}).mesh
