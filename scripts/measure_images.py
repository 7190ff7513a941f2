"""Measures objects made from one picture, beside the same asked for in words alone.

usage: python scripts/measure_images.py --count 20 --seed 5 --out images.json --sheet images.png

Nouns, colours and sides are sampled by the seed. Each is a fresh procedural object that no training has seen,
rendered from one side of its front half with transparency; `dreamlab run` gets that picture with its words,
and once more the words alone. Figures, as medians over objects:

  named         share of eight views that the shipped judge calls by the noun; `ceiling` is that of the true
                object, and `named_of_ceiling` the quotient of the means
  psnr          of the view from the picture's camera against the picture, both over white, in dB
  unseen_iou    of silhouettes from five other sides and from above, against the true object's, both framed in
                the unit sphere
  seconds       from start to files

Runs are kept in --runs, and an interrupted measurement goes on where it was. --guess leaves out where the
pictures were taken from, so that the runs have to guess it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from commissions import Commission, add_options, fulfil, nouns_to_sample, random_prompts
from PIL import Image

from dreamlab.core.cameras import distance_to_fit, orbit_cameras
from dreamlab.core.errors import DreamlabError
from dreamlab.core.types import Cameras, Mesh
from dreamlab.evaluate.classifier import Judge
from dreamlab.evaluate.looks import judged_views
from dreamlab.evaluate.prompts import HELD_OUT
from dreamlab.evaluate.shipped_judge import read_judge
from dreamlab.evaluate.surface_views import flat_mesh, surface_views
from dreamlab.mesh.io.load import load
from dreamlab.pictures.framing import picture_camera
from dreamlab.studio import shapes
from dreamlab.studio.render import render_views
from dreamlab.views.contact import contact_sheet
from dreamlab.views.render import framed, render_mesh

FOVY, SIDE, SEEN = 40.0, 512, 256
TURNS = (60, 120, 180, 240, 300)  # degrees from the picture's side, for what it does not show
TILE, TILES = 160, 5  # pixels of a picture's side in the sheet, and pictures of an object


@dataclass(frozen=True)
class Subject:
    """A true object, the picture of it, and from where that was taken, in degrees."""

    prompt: str
    noun: int
    mesh: Mesh
    picture: Path
    azimuth: float
    elevation: float


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=20, help="objects (default %(default)s)")
    parser.add_argument("--guess", action="store_true", help="leave the pictures' cameras out")
    parser.add_argument("--no-text", action="store_true", help="leave the runs by words alone out")
    parser.add_argument("--out", type=Path, help="JSON to write besides printing it")
    parser.add_argument("--sheet", type=Path, help="PNG: each picture, and its object from four sides")
    add_options(parser)
    args = parser.parse_args(arguments)
    try:
        report, tiles = measured(args)
    except DreamlabError as error:
        sys.stderr.write(f"measure_images: {error}\n")
        return 2
    text = json.dumps(report, indent=1) + "\n"
    if args.out:
        args.out.write_text(text)
    if args.sheet and tiles:
        stills, names = zip(*tiles, strict=True)
        columns = TILES if len(stills) <= 8 * TILES else 2 * TILES
        Image.fromarray(contact_sheet(list(stills), list(names), columns=columns)).save(args.sheet)
    sys.stdout.write(text)
    return 0


def measured(args: argparse.Namespace) -> tuple[dict[str, object], list[tuple[np.ndarray, str]]]:
    """Run what is not run yet and look at everything; the figures, and tiles of the sheet."""
    judge = read_judge().judge
    rows: dict[str, list[dict[str, Any]]] = {"picture": [], "text": []}
    tiles = []
    for subject in subjects(args, judge):
        image = {"path": str(subject.picture.resolve())}
        if not args.guess:
            image |= {"azimuth": subject.azimuth, "elevation": subject.elevation}
        asked = {"picture": (*args.set, f"images={json.dumps([image])}"), "text": tuple(args.set)}
        for kind in rows if not args.no_text else ("picture",):
            one = Commission(subject.prompt, args.preset, args.seed, asked[kind], args.weights)
            (outcome,) = fulfil([one], args.runs)
            row: dict[str, Any] = {
                "prompt": subject.prompt,
                "failure": outcome.failure,
                "seconds": outcome.seconds["wall"],
            }
            mesh = None if outcome.glb is None else load(outcome.glb)
            if mesh is not None and outcome.glb is not None:
                row |= figures(mesh, subject, judge)
                row |= seen_psnr(mesh, outcome.glb.parent / "picture-1.png", subject)
            rows[kind].append(row)
            tiles += tiles_of(mesh, subject) if kind == "picture" else []
            sys.stderr.write(f"{kind} {json.dumps(row)}\n")
    about = {"preset": args.preset, "seed": args.seed, "count": args.count, "guessed": args.guess}
    told = {kind: summary(found) for kind, found in rows.items() if found}
    return {**about, **told, "each": rows}, tiles


def subjects(args: argparse.Namespace, judge: Judge) -> Iterator[Subject]:
    """True objects, each with its picture, which is written beside the runs."""
    nouns, folder = nouns_to_sample(args), args.runs / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for number, prompt in enumerate(random_prompts(nouns, args.count, args.seed)):
        rng = np.random.default_rng((HELD_OUT, 8, args.seed, number))
        shape, azimuth, elevation = prompt.real(nouns, rng), rng.uniform(-75, 75), rng.uniform(5, 25)
        path = folder / f"{args.seed}-{number}.png"
        if not path.is_file():
            picture_of(shape, azimuth, elevation).save(path)
        noun = judge.nouns.index(nouns[prompt.noun])
        mesh = flat_mesh(shape.vertices, shape.faces, shape.face_colors)
        yield Subject(prompt.prompt, noun, mesh, path, round(azimuth, 2), round(elevation, 2))


def picture_of(shape: shapes.Shape, azimuth: float, elevation: float) -> Image.Image:
    """The object with transparency, unlit."""
    camera = picture_camera(azimuth, elevation, FOVY, SIDE)
    view = (v.numpy() for v in (camera.azimuth, camera.elevation, camera.distance, camera.fovy))
    seen = render_views(shape.vertices, shape.faces, shape.face_colors, *view, size=SIDE)[0]
    color = seen[..., :3] / np.maximum(seen[..., 3:4], 1e-6)
    return Image.fromarray(
        (np.concatenate([color, seen[..., 3:4]], -1).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    )


def figures(mesh: Mesh, subject: Subject, judge: Judge) -> dict[str, float]:
    """How it is named, and its silhouettes from other sides."""
    named, ceiling = (
        float((judge.look(judged_views(m)).noun.argmax(1) == subject.noun).float().mean())
        for m in (mesh, subject.mesh)
    )
    around = other_sides(subject.azimuth)
    a, b = (surface_views(framed(m), around).seen for m in (mesh, subject.mesh))
    iou = (a & b).sum((1, 2)) / (a | b).sum((1, 2)).clamp_min(1)
    return {"named": named, "ceiling": ceiling, "unseen_iou": round(float(iou.mean()), 4)}


def other_sides(azimuth: float) -> Cameras:
    """Five sides that the picture does not show, and one from above."""
    turns = torch.tensor([math.radians(azimuth + turn) for turn in (*TURNS, 0)])
    heights = torch.tensor([math.radians(e) for e in (*(15.0 for _ in TURNS), 60.0)])
    lens = torch.full_like(turns, math.radians(FOVY))
    return orbit_cameras(turns, heights, distance_to_fit(lens), lens, (SEEN, SEEN))


def seen_psnr(mesh: Mesh, kept: Path, subject: Subject) -> dict[str, float]:
    """The picture's own view against what the run was shown; nothing where it was shown none."""
    if not kept.is_file():
        return {}
    camera = picture_camera(subject.azimuth, subject.elevation, FOVY, SEEN)
    rgba = np.asarray(Image.open(kept).reduce(SIDE // SEEN), np.float32) / 255
    got = render_mesh(mesh, camera, "albedo", None, "native")[0].astype(np.float32) / 255
    a, b = (view[..., :3] * view[..., 3:] + 1 - view[..., 3:] for view in (rgba, got))
    return {"psnr": round(-10 * math.log10(max(float(((a - b) ** 2).mean()), 1e-10)), 2)}


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Medians; and the share of names against that of the true objects, by their means. A run that failed
    has no name."""
    names = ("named", "ceiling", "psnr", "unseen_iou", "seconds")
    found = {name: [float(row[name]) for row in rows if name in row] for name in names}
    told = {name: round(median(values), 4) for name, values in found.items() if values}
    if sum(found["ceiling"]) > 0:
        told["named_of_ceiling"] = round(sum(found["named"]) / sum(found["ceiling"]), 4)
    return told | {"failed": float(sum(bool(row["failure"]) for row in rows))}


def tiles_of(mesh: Mesh | None, subject: Subject) -> list[tuple[np.ndarray, str]]:
    """The picture, and the object from its side and three others."""
    picture = Image.open(subject.picture).resize((TILE, TILE))
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    views = [np.full((TILE, TILE, 3), 255, np.uint8)] * 4
    if mesh is not None:
        turns = torch.tensor([math.radians(subject.azimuth + turn) for turn in (0, 90, 180, 270)])
        height, lens = torch.full_like(turns, math.radians(subject.elevation)), torch.full_like(turns, 0.7)
        cameras = orbit_cameras(turns, height, 1.02 * distance_to_fit(lens), lens, (TILE, TILE))
        views = list(render_mesh(framed(mesh), cameras, "albedo"))
    names = (subject.prompt, "its side", "90", "180", "270")
    return list(zip([np.asarray(paper.convert("RGB")), *views], names, strict=True))


if __name__ == "__main__":
    sys.exit(main())
