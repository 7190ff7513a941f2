"""How good is a preset's surface where the prior is perfect? True objects by lot, made again and compared.

usage: python scripts/measure_surface.py --folder MODELS --count 6 --out surface.json --sheet surface.png
       python scripts/measure_surface.py --preset fast default --only mug --noise 0.05

Every object stands in for a prior that answers any view with its true picture (or, as stated, with blur,
noise or slightly turned views); the preset makes its mesh of that, as it is. Half of the objects are drawn
from a folder of captioned models (see `dreamlab studio`), half are procedural. Mesh and truth are compared by
`dreamlab.evaluate.mesh_fidelity` from where most presets look, and (`all_round`) from straight above and
below too. Runs are kept, and an interrupted measurement goes on where it was; after a change of the code take
another --runs folder. The sheet shows each truth on the left and what was made of it on the right, lit above
and without colour below.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contact_sheet import failure_tile
from surface_lot import OF_FOLDER, OF_GENERATORS, Subject, lot, made, picked

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.errors import DreamlabError
from dreamlab.core.files import write_atomic
from dreamlab.core.types import Cameras, Mesh
from dreamlab.evaluate.mesh_fidelity import (
    ALL_ROUND,
    LOOKED_AT,
    SIZE,
    VIEWS,
    MeshFidelity,
    mesh_fidelity,
    survey,
)
from dreamlab.evaluate.true_pictures import TruePicturesConfig
from dreamlab.mesh.geometry.shape import face_normals_of
from dreamlab.mesh.io.load import load
from dreamlab.ops import threads
from dreamlab.run.config import RunConfig
from dreamlab.run.resolve import resolve
from dreamlab.views.contact import write_contact_sheet
from dreamlab.views.render import render_mesh

WORST = {
    "silhouette_iou": min, "normal_angle": max, "normal_within": min, "depth": max, "psnr": min,
    "faces": max, "seconds": max, "cpu_seconds": max, "peak_mb": max,
}  # fmt: skip
"""The figures of a row that are summed up, and which end of each is the bad one."""
TILE, COLUMNS = 150, 4
# A perfect prior has no answer without the camera; the rest is nothing that the mesh could show.
_ALWAYS = (
    "cfg.camera=null",
    "stages.turntable.frames=0",
    "stages.export.formats=[glb]",
    "saving.preview_every=0",
)


def main(arguments: Sequence[str] | None = None) -> int:
    args = parsed(arguments)
    try:
        threads.apply()
        report, tiles = measured(args)
        if args.sheet:
            args.sheet.parent.mkdir(parents=True, exist_ok=True)
            pictures, captions = zip(*tiles, strict=True)
            write_contact_sheet(args.sheet, pictures, captions, columns=COLUMNS)
    except DreamlabError as error:
        sys.stderr.write(f"measure_surface: {error}\n")
        return 2
    text = json.dumps(report, indent=1) + "\n"
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(args.out, text.encode())
    sys.stdout.write(text)
    return 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    prior = TruePicturesConfig()
    parser.add_argument("--preset", nargs="+", default=["default"], help="(default: default)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="on every preset")
    parser.add_argument("--folder", type=Path, help="captioned models (default: procedural objects alone)")
    parser.add_argument("--count", type=int, default=6, help="objects of each sort (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the lot (default %(default)s)")
    parser.add_argument("--only", nargs="+", default=[], help="parts of the names of some of the lot")
    parser.add_argument("--resolution", type=int, default=prior.resolution, help="(default %(default)s)")
    parser.add_argument("--blur", type=float, default=0.0, help="of the prior's pictures, in pixels")
    parser.add_argument("--noise", type=float, default=0.0, help="standard deviation a pixel, of 1")
    parser.add_argument("--jitter", type=float, default=0.0, help="turn of each view, in degrees")
    parser.add_argument("--runs", type=Path, default=Path("outputs/surface"), help="where runs are kept")
    parser.add_argument("--out", type=Path, help="JSON to write besides printing it")
    parser.add_argument("--sheet", type=Path, help="PNG to write")
    return parser.parse_args(arguments)


def measured(args: argparse.Namespace) -> tuple[dict[str, Any], list[tuple[np.ndarray, str]]]:
    """Make what is not made yet, and compare everything: the report, and a captioned tile a row."""
    errors = {name: getattr(args, name) for name in ("resolution", "blur", "noise", "jitter")}
    subjects, among = lot(args.folder, args.count, args.seed)
    chosen = picked(subjects, args.only)
    rows, tiles = [], []
    for preset in args.preset:
        for subject in chosen:
            config = resolve(subject.prompt, preset=preset, overrides=[*_ALWAYS, *args.set])
            row, picture = one(subject, preset, config, prior_of(config, errors), args.runs)
            rows.append(row)
            tiles.append((picture, captioned(row)))
            sys.stderr.write(f"{len(rows)}/{len(chosen) * len(args.preset)} {preset}: {captioned(row)}\n")
    report = {
        "lot": {"seed": args.seed, "count": args.count, "among": among, "only": args.only},
        "teacher": errors,
        "settings": [*_ALWAYS, *args.set],
        "views": {"count": VIEWS, "size": SIZE, "elevation": LOOKED_AT, "all_round": ALL_ROUND},
        "summary": {preset: summaries([r for r in rows if r["preset"] == preset]) for preset in args.preset},
        "objects": rows,
    }
    return report, tiles


def prior_of(config: RunConfig, errors: dict[str, Any]) -> TruePicturesConfig:
    """The perfect prior that takes the place of the config's: views belong together as they do there."""
    return TruePicturesConfig(**errors, views_per_group=getattr(config.prior, "views_per_group", 1))


def one(
    subject: Subject, preset: str, config: RunConfig, prior: TruePicturesConfig, home: Path
) -> tuple[dict[str, Any], np.ndarray]:
    """The row of one object, and its tile."""
    outcome = made(subject, preset, config, prior, home)
    row = {"name": subject.name, "source": subject.source, "prompt": subject.prompt, "preset": preset}
    row |= {"failure": outcome["failure"], "true_faces": len(subject.faces)}
    if outcome["glb"] is None:
        return row, failure_tile(outcome["failure"], 2 * TILE)
    mesh, truth = load(home / outcome["glb"]), subject.mesh()
    row |= rounded(mesh_fidelity(mesh, truth))
    row["all_round"] = rounded(mesh_fidelity(mesh, truth, survey(elevation=ALL_ROUND)))
    row |= {"faces": len(mesh.faces), "seconds": outcome["seconds"]["wall"], "phases": outcome["seconds"]}
    row["cpu_seconds"] = outcome["seconds"].get("cpu")
    row["peak_mb"] = round(outcome["peak"] / 2**20)
    return row, tile(truth, mesh)


def rounded(likeness: MeshFidelity) -> dict[str, float | None]:
    """Figures as plain values; None for those that are not numbers."""
    return {k: round(v, 5) if math.isfinite(v) else None for k, v in likeness._asdict().items()}


def summaries(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Counts, medians and worst figures of the rows of each source and of all."""
    sources = {name: [r for r in rows if r["source"] == name] for name in (OF_FOLDER, OF_GENERATORS)}
    return {name: summed(some) for name, some in {**sources, "all": rows}.items() if some}


def summed(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Median and worst of every figure, over the rows that were made; `failed` counts the others."""
    done = [row for row in rows if not row["failure"]]
    summary = {"objects": len(rows), "failed": len(rows) - len(done), **spread(done)}
    return summary | ({"all_round": spread([row["all_round"] for row in done])} if done else {})


def spread(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Median and worst of every figure that is known of any row."""
    summary = {}
    for name, worst in WORST.items():
        values = [row[name] for row in rows if row.get(name) is not None]
        if values:
            summary[name] = {"median": round(statistics.median(values), 5), "worst": worst(values)}
    return summary


def captioned(row: dict[str, Any]) -> str:
    """The normals' angle, the silhouettes' overlap and the colours' likeness first: names are cut to fit."""
    if row["failure"]:
        return f"{row['name']}: {row['failure']}"
    figures = [row["normal_angle"], row["silhouette_iou"], row["psnr"]]
    angle, iou, psnr = (math.nan if value is None else value for value in figures)
    return f"{angle:.1f} deg, {iou:.3f}, {psnr:.1f} dB, {row['name'].partition('-')[2]}"


def tile(truth: Mesh, mesh: Mesh) -> np.ndarray:
    """Truth and mesh from one camera, both where they lie: lit above, clay below."""
    azimuth, elevation, fovy = (torch.tensor([a]) for a in (0.6, 0.35, 0.6))
    camera = orbit_cameras(azimuth, elevation, 1.02 / torch.sin(fovy / 2), fovy, (TILE, TILE))
    pair = (facing(truth, camera), mesh)
    rows = [[render_mesh(m, camera, style, renderer="native")[0] for m in pair] for style in ("lit", "clay")]
    return stacked(rows)


def stacked(rows: Iterable[Sequence[np.ndarray]]) -> np.ndarray:
    return np.concatenate([np.concatenate(list(row), 1) for row in rows], 0)


def facing(mesh: Mesh, camera: Cameras) -> Mesh:
    """A mesh of separate flat faces with normals towards the camera: true models may be wound any way."""
    normals = torch.from_numpy(face_normals_of(mesh)).float().repeat_interleave(3, 0)
    away = ((camera.c2w[0, :3, 3] - mesh.vertices) * normals).sum(-1, keepdim=True) < 0
    return replace(mesh, normals=torch.where(away, -normals, normals))


if __name__ == "__main__":
    sys.exit(main())
