"""dreamlab export --game ENGINE: the options, and what is told."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamlab.cli.tell import tell_files

if TYPE_CHECKING:
    from dreamlab.cli.destination import Destination
    from dreamlab.stages.protocol import SurfaceMesh

ENGINES = ("unity", "unreal", "godot", "web")
TEXTURE_FORMATS = ("png", "jpeg", "webp", "ktx2")
LEVELS, HULLS = (1, 8), (0, 64)


def add_game_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("for games")
    group.add_argument(
        "--game",
        choices=ENGINES,
        metavar="ENGINE",
        help="a folder for unity, unreal, godot or web: levels of detail, collision hulls, names and files "
        "as the engine expects them, budget.json; real size on its base unless --size and --origin say else",
    )
    group.add_argument(
        "--lods", type=int, metavar="N", help="levels of detail, each with half the faces (default: 4)"
    )
    group.add_argument(
        "--hulls", type=int, metavar="N", help="convex collision hulls at most; 0: none (default: 8)"
    )


def check_game_options(args: argparse.Namespace, to: Destination) -> None:
    """InputError for what does not go together."""
    from dreamlab.core.errors import InputError

    for option, (low, high) in (("lods", LEVELS), ("hulls", HULLS)):
        value = getattr(args, option)
        if value is not None and args.game is None:
            raise InputError(f"--{option} is for games", mend="Add --game unity, unreal, godot or web")
        if value is not None and not low <= value <= high:
            raise InputError(f"--{option} cannot be used", expected=f"{low} to {high}", got=str(value))
    if args.texture_format == "ktx2":
        if args.game != "web":
            raise InputError("KTX2 textures are for --game web: other programs hardly read them")
        from dreamlab.mesh.io.basis import basisu

        basisu()  # said now, not when everything else is done
    if args.game is None:
        return
    for option in ("format", "quads", "draco", "meshopt"):
        if getattr(args, option):
            raise InputError(f"--game decides what --{option} does", mend=f"Take --{option} away")
    if args.to is not None and args.to.lower().endswith(".glb"):
        raise InputError("--game writes a folder", got=f"--to {args.to}", mend="Name a folder")


def size_for_game(args: argparse.Namespace, name: str) -> str | None:
    """--size, else "real" where it is known how large the thing is; None where it is not, which is said."""
    import logging

    from dreamlab.core.errors import InputError
    from dreamlab.mesh.real_sizes import real_size

    if args.size is not None:
        return args.size
    try:
        real_size(name)
    except InputError:
        logging.getLogger(__name__).warning(
            "how large a %r is, is not known: its size stays as it is; --size 30cm makes it another", name
        )
        return None
    return "real"


def tell_game(
    args: argparse.Namespace,
    scene: SurfaceMesh,
    folder: Path,
    name: str,
    made_by: Mapping[str, Any] | None = None,
) -> None:
    """Write the folder and say what is in it."""
    from dreamlab.run.game import write_game

    levels, hulls = args.lods or 4, 8 if args.hulls is None else args.hulls
    asset = write_game(
        scene,
        args.game,
        folder,
        name,
        levels=levels,
        hulls=hulls,
        textures=args.texture_format,
        made_by=made_by,
    )
    if args.json:
        files = {kind: str(path) for kind, path in asset.files.items()}
        sys.stdout.write(json.dumps({"event": "finished", "files": files, "budget": asset.summary}) + "\n")
        return
    tell_files(args, asset.files)
    if not args.quiet:
        sys.stdout.write("".join(f"{line}\n" for line in _lines(asset.summary)))


def _lines(summary: dict[str, Any]) -> list[str]:
    out = []
    for row in summary["levels"]:
        calls = f"{row['draw_calls']} draw call{'s' * (row['draw_calls'] != 1)}"
        line = f"LOD{row['level']}  {row['faces']} faces, {row['vertices']} vertices, {calls}"
        if row["textures"]:
            sides = ", ".join(f"{width}x{height}" for width, height in row["textures"])
            line += f", textures {sides} ({row['texture_bytes'] / 2**20:.2f} MiB uncompressed)"
        if row["level"]:
            line += f"; silhouettes match to {row['silhouette']:.3f}, colours to {row['psnr']:.1f} dB"
        out.append(line)
    own = summary["surface"]
    closed = "closed" if own["edge_manifold"] else "open, or more than two faces at an edge"
    line = f"surface: {closed}, {own['pinched_corners']} pinched corners, "
    line += f"{own['crossing_faces']} faces through others, Euler number {own['euler_number']}, "
    line += f"{own['hidden']:.1%} never seen"
    if own["uv_islands"]:
        line += f"; {own['uv_islands']} islands in the texture, {own['uv_crumbs']} of less than 8 triangles, "
        line += f"{own['uv_used']:.0%} used"
    out.append(line)
    solid = summary["collision"]
    if solid["hulls"]:
        volume = "" if solid["volume"] is None else f", {solid['volume']:.2f} of its volume"
        what = f"{solid['hulls']} collision hulls, {solid['corners']} corners"
        out.append(f"{what}: {solid['surface_covered']:.1%} of the surface{volume}")
    size = " x ".join(f"{side:g}" for side in summary["size_in_metres"])
    return [
        *out,
        f"{size} m, {sum(summary['files'].values()) / 1024:.0f} KiB in {len(summary['files'])} files",
    ]
