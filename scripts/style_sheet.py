"""Draws every style of finished runs, side by side: docs/figures/styles.png.

usage: python scripts/style_sheet.py styles.png outputs/0001-a-red-mushroom outputs/0002-a-blue-chair

The files of each style are kept in --folder, and not made again where they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from math import radians
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dreamlab.core.cameras import distance_to_fit, orbit_cameras
from dreamlab.mesh.io.load import load
from dreamlab.run.pipeline import surface_of_run
from dreamlab.run.resolve import from_values, merge
from dreamlab.run.run_dir import RunDir
from dreamlab.run.styles import STYLES, stages_of
from dreamlab.stages import ExportStageConfig
from dreamlab.views.contact import contact_sheet
from dreamlab.views.render import render_mesh

PLAIN = "as made"
PAPER = (0.91, 0.92, 0.93)  # sRGB: darker than what is white


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path, help="PNG to write")
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("outputs/styles"), help="(default %(default)s)")
    parser.add_argument("--size", type=int, default=180, help="pixels a tile (default %(default)s)")
    parser.add_argument("--columns", type=int, default=6, help="(default %(default)s)")
    args = parser.parse_args(arguments)
    names = (PLAIN, *STYLES)
    stills = [_still(_file(run, name, args.folder), args.size) for run in args.runs for name in names]
    sheet = contact_sheet(stills, names * len(args.runs), columns=args.columns)
    picture = Image.fromarray(sheet).quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
    picture.save(args.picture, optimize=True)


def _file(run: Path, style: str, folder: Path) -> Path:
    """The run's GLB in a style, made if it is not there."""
    made = folder / run.name / f"{style}.glb"
    if style == PLAIN:
        return run / "mesh.glb"
    if not made.is_file():
        made.parent.mkdir(parents=True, exist_ok=True)
        changes = {"stages": {**stages_of(style), "export": {"formats": ["glb"]}}}
        found = RunDir.find(run.parent, run.name)
        config = from_values(merge(found.config().model_dump(mode="json", by_alias=True), changes))
        export = config.last(ExportStageConfig)
        assert export is not None  # the changes name it
        export.build().write(surface_of_run(found, config), made.parent, style)
    return made


def _still(path: Path, size: int) -> np.ndarray:
    """RGB [size,size,3] from the front right: lit, unless the material is not."""
    mesh = load(path)
    fovy = torch.tensor([radians(36.0)])
    angles = torch.tensor([radians(30.0)]), torch.tensor([radians(17.0)])
    camera = orbit_cameras(*angles, distance_to_fit(fovy), fovy, (size, size))
    style = "albedo" if mesh.material.unlit else "lit"
    return render_mesh(mesh, camera, style, PAPER, "native")[0][..., :3]


if __name__ == "__main__":
    main()
