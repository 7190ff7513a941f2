"""Measures what is guessed from a picture before a run: what it shows, and from which side it was taken.

usage: python scripts/measure_picture_guesses.py --count 100

The pictures are those of scripts/measure_images.py, from all around: fresh procedural objects with
transparency. The guesses are those of `dreamlab run --image`: the noun and colour that the shipped judge
sees, and the side whose mean picture under the true words is nearest. Objects that look alike from all sides
have no side to be right about, so a side is measured by what is seen from there of the true object: the
intersection over union of its silhouette with that from the true side, beside the same for the front.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from commissions import nouns_to_sample, random_prompts
from measure_images import FOVY, picture_of

from dreamlab.evaluate.named_picture import name_picture
from dreamlab.evaluate.prompts import HELD_OUT
from dreamlab.evaluate.shipped_judge import read_judge
from dreamlab.guidance.camera_guess import guess_azimuth
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.pictures.config import ImageConfig
from dreamlab.pictures.framing import picture_camera
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run.pictures import SURE, judged_views_of, pictures_of
from dreamlab.studio import shapes
from dreamlab.studio.render import render_views


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100, help="pictures (default %(default)s)")
    parser.add_argument("--nouns", help="comma-separated nouns to sample from (default: all that are known)")
    parser.add_argument("--weights", type=Path, help="of an embedded prior (default: those that ship)")
    parser.add_argument("--seed", type=int, default=0, help="(default %(default)s)")
    args = parser.parse_args(arguments)
    nouns, judge, prior = nouns_to_sample(args), read_judge().judge, EmbeddedPriorConfig(weights=args.weights)
    model, rows = prior.build(), []
    with tempfile.TemporaryDirectory() as folder:
        for number, prompt in enumerate(random_prompts(nouns, args.count, args.seed)):
            rng = np.random.default_rng((HELD_OUT, 9, args.seed, number))
            shape, azimuth, elevation = prompt.real(nouns, rng), rng.uniform(0, 360), rng.uniform(5, 25)
            path = Path(folder) / f"{number}.png"
            picture_of(shape, azimuth, elevation).save(path)
            image = ImageConfig(path=path)
            named = name_picture(judged_views_of(image), judge)
            prompts = ViewPrompts(model, prompt.prompt, view_dependent=False)
            guess = guess_azimuth(model, prompts, pictures_of([image], Path())[0])
            assert guess is not None  # the embedded prior knows mean pictures
            row = {
                "prompt": prompt.prompt,
                "noun": named.likeliest[0] == nouns[prompt.noun],
                "among_three": nouns[prompt.noun] in named.likeliest,
                "color": named.color == shapes.COLORS[prompt.color].word,
                "sure": round(named.sure, 3),
                "azimuth": round(azimuth, 1),
                "guessed": guess.azimuth,
                "iou": overlap(shape, elevation, azimuth, guess.azimuth),
                "iou_front": overlap(shape, elevation, azimuth, 0.0),
            }
            rows.append(row)
            sys.stderr.write(f"{json.dumps(row)}\n")
    sys.stdout.write(json.dumps(summary(rows), indent=1) + "\n")
    return 0


def overlap(shape: shapes.Shape, elevation: float, one: float, other: float) -> float:
    """Intersection over union of an object's silhouettes from two sides."""
    solid = []
    for azimuth in (one, other):
        camera = picture_camera(azimuth, elevation, FOVY, 96)
        view = (v.numpy() for v in (camera.azimuth, camera.elevation, camera.distance, camera.fovy))
        seen = render_views(shape.vertices, shape.faces, shape.face_colors, *view, size=96)
        solid.append(torch.from_numpy(seen[0, ..., 3] > 0.5))
    return round(float((solid[0] & solid[1]).sum() / (solid[0] | solid[1]).sum()), 4)


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Means over pictures; and how many prompts are guessed at all, and how many of those are right."""
    names = ("noun", "among_three", "color", "iou", "iou_front")
    told = {name: round(float(np.mean([float(row[name]) for row in rows])), 4) for name in names}
    sure = [row for row in rows if float(row["sure"]) >= SURE]
    told["guessed"] = round(len(sure) / len(rows), 4)
    told["right_of_guessed"] = round(float(np.mean([bool(row["noun"]) for row in sure])), 4) if sure else 0.0
    return told


if __name__ == "__main__":
    sys.exit(main())
