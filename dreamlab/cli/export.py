"""dreamlab export RUN|MESH: mesh files in other formats, sizes and levels of detail."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dreamlab.cli.destination import Destination, destination
from dreamlab.cli.game import (
    TEXTURE_FORMATS,
    add_game_options,
    check_game_options,
    size_for_game,
    tell_game,
)  # fmt: skip
from dreamlab.cli.options import (
    Subparsers,
    add_output_options,
    add_runs_option,
    add_shape_option,
    add_up_option,
    examples,
    set_up_messages,
)  # fmt: skip
from dreamlab.cli.tell import tell_files, tell_notes
from dreamlab.run.styles import COLOR_WEIGHT, FACETED, MATERIALS, STYLES, stages_of

if TYPE_CHECKING:
    from dreamlab.run.config import RunConfig
    from dreamlab.stages.protocol import SurfaceMesh

OF_RUNS = ("lighting", "resolution", "recolor", "palette", "parts", "style")
ORIGINS = ("keep", "centre", "base")
MET = 0.9  # of the faces that were asked for: less is said


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "export",
        help="write a run's mesh, or any mesh, in other formats",
        description="Write a run's mesh anew from its field, or convert any mesh file.",
        **examples(
            "dreamlab export 1 --format stl,3mf --size 12cm",
            'dreamlab export 1 --parts materials --recolor "red=#2266cc" --recolor white=gold',
            "dreamlab export chair.glb --faces 2000 --bbox 'taller, a little narrower' --size real",
            "dreamlab export chair.glb --game web --lods 3 --texture-format jpeg --to chair-for-web",
        ),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument("subject", metavar="RUN|MESH", help="a run's folder, name or number, or a mesh file")
    parser.add_argument(
        "--format",
        metavar="LIST",
        help="mesh formats, one file each, such as glb,obj,stl (default: that of --to FILE, or glb)",
    )
    parser.add_argument(
        "--style",
        choices=STYLES,
        metavar="NAME",
        help=f"one of {', '.join(STYLES)}: another shape, another material or flat colours (of mesh files "
        "only low-poly and voxel)",
    )
    parser.add_argument("--faces", type=int, metavar="N", help="face budget")
    parser.add_argument(
        "--texture",
        type=int,
        metavar="PIXELS",
        help="pixels along each side of the textures, baked anew; 0: none, colours at vertices",
    )
    parser.add_argument(
        "--recolor",
        "--recolour",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="other colours for some of the palette's, such as red=#2266cc; may be given again (runs only)",
    )
    parser.add_argument(
        "--palette",
        choices=("auto", "on", "off"),
        metavar="MODE",
        help="'auto': only where the colours are flat by parts, and pictures agree; on or off (runs only)",
    )
    parser.add_argument(
        "--parts",
        choices=("materials", "meshes"),
        metavar="KIND",
        help="GLB and OBJ by parts of one flat colour of the palette: materials named by it (red, white_2), "
        "or meshes, one for each connected part; without a texture (runs only)",
    )
    parser.add_argument(
        "--size",
        metavar="LENGTH",
        help="longest side, such as 0.3m, 30cm or 12in; real: as what the prompt, or the file's name, says "
        "really is",
    )
    add_shape_option(parser)
    parser.add_argument(
        "--origin",
        choices=ORIGINS,
        metavar="WHERE",
        help="where 0 lies: keep, centre, or base (the middle of the underside); by default keep, with "
        "--size real base",
    )
    parser.add_argument("--quads", action="store_true", help="lay quads over the surface (OBJ keeps them)")
    packing = parser.add_mutually_exclusive_group()
    packing.add_argument("--draco", action="store_true", help="compress the geometry of GLB")
    packing.add_argument(
        "--meshopt", action="store_true", help="compress the geometry of GLB in the way that unpacks fastest"
    )
    parser.add_argument(
        "--texture-format",
        choices=TEXTURE_FORMATS,
        metavar="KIND",
        help="how images are encoded: png (default) loses nothing, jpeg, webp, which is for GLB alone, or "
        "ktx2, which is for --game web and needs basisu",
    )
    parser.add_argument(
        "--lighting",
        action="store_true",
        help="darken the colours as a white sky would light the fine surface (runs only)",
    )
    parser.add_argument(
        "--resolution",
        type=int,
        metavar="N",
        help="lattice cells along each side of [-1, 1]^3 (runs only)",
    )
    parser.add_argument(
        "--to",
        metavar="DIR|FILE",
        help="a folder, or a file such as chair.stl (default: beside the source). A mesh file is never "
        "written over itself, and over other files only where --to FILE or --name names them",
    )
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="of the files, without suffix, and of the object inside them (default: the source's and the "
        "prompt's)",
    )
    add_game_options(parser)
    add_up_option(parser)
    add_runs_option(parser)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.cli.subject import asset_of, check_up, made_by_run, mesh_and_home, run_config
    from dreamlab.core.errors import InputError
    from dreamlab.mesh.io.names import legal_name
    from dreamlab.mesh.shape_words import parse_shape
    from dreamlab.run.resolve import from_values
    from dreamlab.stages import ExportStageConfig

    to = destination(args.to, args.format, args.name)
    check_game_options(args, to)
    config = run_config(args.subject, args.out)
    check_up(args.up, config)
    asked = [option for option in OF_RUNS if getattr(args, option)]
    if args.style in FACETED:
        asked.remove("style")
    if config is None and asked:
        options = " and ".join(f"--{option}" for option in asked)
        need = "needs" if len(asked) == 1 else "need"
        mend = f"dreamlab texture {args.subject} --style {args.style}" if args.style in MATERIALS else ""
        raise InputError(f"{options} {need} a run: a mesh file has no field to sample", mend=mend)
    asset = to.name or asset_of(args.subject, config)
    own = None if config is None else config.last(ExportStageConfig)
    if args.game is not None and (own is None or own.size is None):
        args.size = size_for_game(args, asset)
    changed = _changed(config or from_values({"prompt": legal_name(asset)}), args, to)
    for stage in changed.stages:
        stage.check()
    to.make_folder()
    mesh, home, name = mesh_and_home(args.subject, args.out, changed, args.up)
    if config is None:
        mesh = _reworked(mesh, args, changed)
    _tell_fewer(args.faces, len(mesh.mesh.faces))
    if args.bbox is not None:
        tell_notes(args, map(str, parse_shape(args.bbox)))
    export = changed.last(ExportStageConfig)
    assert export is not None  # _changed has set its formats
    made_by = None if config is None else made_by_run(args.subject, args.out, config)
    if args.game is not None:
        tell_game(args, mesh, to.folder or home / f"{legal_name(asset)}-{args.game}", asset, made_by)
        return 0
    folder = to.folder or home
    stem = to.name or name
    if config is None:
        stem = to.beside(Path(args.subject), folder, stem)
    tell_files(args, export.build().write(mesh, folder, stem, asset, made_by))
    return 0


def _tell_fewer(asked: int | None, there: int) -> None:
    """Say it where a surface has far fewer faces than were asked for."""
    import logging

    if asked is not None and there < MET * asked:
        logging.getLogger(__name__).warning(
            "%d faces were asked for; the surface has %d, and more would show nothing new", asked, there
        )


def _reworked(scene: SurfaceMesh, args: argparse.Namespace, config: RunConfig) -> SurfaceMesh:
    """A mesh file's mesh with what was asked for; untouched where nothing was."""
    from dataclasses import replace

    from dreamlab.mesh.rework import in_facets, rework
    from dreamlab.stages import ExportStageConfig, SimplifyStageConfig

    mesh, simplify, export = scene.mesh, config.last(SimplifyStageConfig), config.last(ExportStageConfig)
    assert simplify is not None and export is not None  # the usual end has them
    if args.style is not None:
        mesh = in_facets(mesh, simplify, simplify.cubes)
    elif args.faces is not None or args.texture is not None or args.quads:
        faces = simplify.faces if args.faces is not None or args.quads else len(mesh.faces)
        budget = simplify.model_copy(update={"faces": faces, "color_weight": COLOR_WEIGHT})
        mesh = rework(mesh, budget, args.texture)
    return export.build().placed(
        replace(scene, mesh=mesh, quads=args.quads or (args.style is not None and simplify.cubes is not None))
    )


def _changed(config: RunConfig, args: argparse.Namespace, to: Destination) -> RunConfig:
    """The run's settings with the options on top, checked like a config file's."""
    from dreamlab.run.resolve import from_values, merge

    stages = _finish(config, args)
    stages["export"] = {"formats": list(to.formats)}
    if args.faces is not None:
        stages.setdefault("simplify", {})["faces"] = args.faces
    if args.quads:
        stages.setdefault("simplify", {})["remesh"] = "quads"
    if args.resolution is not None:
        stages["extract"] = {"resolution": args.resolution}
    if args.size is not None:
        stages["export"]["size"] = args.size
    if args.bbox is not None:
        stages["export"]["bbox"] = args.bbox
    if args.origin is not None or args.size == "real" or args.game is not None:
        stages["export"]["origin"] = args.origin or "base"
    if args.draco or args.meshopt:
        stages["export"]["compression"] = "draco" if args.draco else "meshopt"
    if args.texture_format is not None and args.game is None:
        stages["export"]["textures"] = args.texture_format
    return from_values(merge(config.model_dump(mode="json", by_alias=True), {"stages": stages}))


def _finish(config: RunConfig, args: argparse.Namespace) -> dict[str, dict]:
    """What the options change of how the mesh is coloured. InputError for two that exclude each other."""
    from dreamlab.core.errors import InputError
    from dreamlab.stages import TextureStageConfig

    stages = stages_of(args.style)
    in_faces = stages.get("texture", {}).get("into") == "faces"
    if args.texture is not None and in_faces:
        raise InputError(f"--style {args.style} has no texture: each face has a colour", mend="Take one away")
    if "cubes" in stages.get("simplify", {}) and (args.faces is not None or args.quads):
        option = "--quads" if args.faces is None else "--faces"
        raise InputError(f"{option} and --style {args.style} exclude each other", mend="Take one away")
    if args.texture and args.parts is not None:
        raise InputError("--parts has no texture: a material has a colour", mend="Take --texture away")
    texture = stages.get("texture", {})
    if args.texture:
        texture |= {"into": "image", "resolution": args.texture}
    if args.parts is not None:
        texture["parts"] = args.parts
    own = config.last(TextureStageConfig)
    into = texture.get("into", own.into if own else "image")
    if args.texture == 0 or (args.parts is not None and into == "image"):
        texture["into"] = "vertices"
        stages.setdefault("simplify", {})["color_weight"] = COLOR_WEIGHT
    if args.lighting:
        texture["lighting"] = True
    if args.recolor:
        texture["recolor"] = _recoloring(args.recolor)
    if args.palette is not None:
        texture["palette"] = {"mode": args.palette}
    return stages | ({"texture": texture} if texture else {})


def _recoloring(options: list[str]) -> dict[str, str]:
    """The colours of --recolor. InputError for what is no pair of two."""
    from dreamlab.core.errors import InputError

    changes: dict[str, str] = {}
    for option in options:
        old, _, new = (part.strip() for part in option.partition("="))
        if not old or not new:
            raise InputError("--recolor cannot be read", expected="OLD=NEW, such as red=navy", got=option)
        changes[old] = new
    return changes
