"""Trains the judge that is shipped, and measures it on objects that it has never seen.

usage: python scripts/train_judge.py --out dreamlab/weights/judge.safetensors

It learns from renders of fresh procedural objects of all nouns, is made as sure as it is right on others
(temperature scaling, Guo et al. 2017), and is measured on others again: by single views
and by the majority of the eight views that `dreamlab evaluate` looks at. sure: the mean probability of what
is there. calibration: the expected calibration error over ten bins of the surest noun's probability (Guo et
al. 2017), 0 where the judge is right as often as it says. The figures are printed and kept in the file. It
takes half an hour or more on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dreamlab.core.errors import DreamlabError
from dreamlab.evaluate.classifier import Judge, sample_labelled_images, train_judge
from dreamlab.evaluate.objects import around, majority
from dreamlab.evaluate.prompts import HELD_OUT, render_shape
from dreamlab.evaluate.shipped_judge import SHIPPED, write_judge
from dreamlab.studio import shapes


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=40, help="of each noun to learn from (%(default)s)")
    parser.add_argument("--views", type=int, default=4, help="of each object (%(default)s)")
    parser.add_argument("--epochs", type=int, default=9, help="(default %(default)s)")
    parser.add_argument(
        "--measured", type=int, default=4, help="objects of each noun to measure (%(default)s)"
    )
    parser.add_argument("--nouns", help="comma-separated (default: all that are drawn)")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="(default: the file that is shipped)")
    args = parser.parse_args(arguments)
    nouns = tuple(args.nouns.split(",")) if args.nouns else shapes.NOUNS
    about = {"objects": args.objects, "views": args.views, "epochs": args.epochs}
    try:
        labelled = sample_labelled_images(nouns, args.objects, args.views, (HELD_OUT, 1))
        judge = train_judge(labelled, nouns, args.epochs)
        calibrate(judge, args.measured)
        judge.half().float()  # as it is kept
        figures = measured(judge, args.measured)
        write_judge(judge, args.out, about, figures)
    except DreamlabError as error:
        sys.stderr.write(f"train_judge: {error}\n")
        return 2
    sys.stdout.write(json.dumps({**about, "nouns": len(nouns), **figures}, indent=1) + "\n")
    return 0


@torch.no_grad()
def calibrate(judge: Judge, objects: int) -> tuple[float, float]:
    """Divide the logits of both heads by the temperatures at which fresh objects (not those of `measured`)
    are likeliest; the order of classes stays. Label smoothing and worn pictures leave a judge too doubtful.
    """
    x, nouns, colors = fresh(judge.nouns, objects, 25)
    temperatures = []
    for head, right, found in (
        (judge.noun, nouns, judge.look(x, "color").noun),
        (judge.color, colors, judge.look(x, "color").color),
    ):
        logits = found.clamp_min(1e-30).log()
        grid = torch.linspace(0.3, 2.0, 171)
        losses = [
            torch.nn.functional.cross_entropy(logits / t, right.repeat_interleave(len(around())))
            for t in grid
        ]
        best = float(grid[int(torch.stack(losses).argmin())])
        head.weight.div_(best)
        head.bias.div_(best)
        temperatures.append(best)
    return temperatures[0], temperatures[1]


def fresh(nouns: Sequence[str], objects: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures from the ring of `around()` of fresh objects of each noun, and their nouns and colours."""
    pictures, labels = [], []
    for number, noun in enumerate(nouns):
        for copy in range(objects):
            rng = np.random.default_rng((HELD_OUT, seed, number, copy))
            color = int(rng.integers(len(shapes.COLORS)))
            pictures.append(render_shape(shapes.make(rng, noun, shapes.COLORS[color]), around()))
            labels.append((number, color))
    right = torch.tensor(labels)
    return torch.cat(pictures), right[:, 0], right[:, 1]


def measured(judge: Judge, objects: int) -> dict[str, float]:
    """Figures on `objects` fresh objects of each of the judge's nouns, from the ring of `around()`."""
    x, truth, colors = fresh(judge.nouns, objects, 21)
    seen, form = judge.look(x, "color"), judge.look(x, "form")
    figures = {"objects_measured": float(len(truth))}
    for name, found, right in (
        ("noun", seen.noun, truth),
        ("form_noun", form.noun, truth),
        ("color", seen.color, colors),
    ):
        figures |= {f"{name}{key}": value for key, value in _figures(found, right).items()}
    top = seen.noun.unflatten(0, (len(truth), -1)).mean(1).topk(min(5, len(judge.nouns))).indices
    figures["noun_among_five"] = round((top == truth[:, None]).any(1).float().mean().item(), 4)
    figures["noun_calibration"] = round(calibration(seen.noun, truth.repeat_interleave(len(around()))), 4)
    return figures


def _figures(found: Tensor, truth: Tensor) -> dict[str, float]:
    """Shares right by majority ("") and by single views, and the mean probability of what is there."""
    each = found.unflatten(0, (len(truth), -1))
    views = each.argmax(-1) == truth[:, None]
    sure = each.gather(2, truth[:, None, None].expand(-1, each.shape[1], 1))
    shares = {"": majority(each) == truth, "_view": views, "_sure": sure}
    return {key: round(value.float().mean().item(), 4) for key, value in shares.items()}


def calibration(found: Tensor, truth: Tensor, bins: int = 10) -> float:
    """Expected calibration error of the surest class: the mean, over pictures, of how far the share right in
    a bin of certainty lies from its mean certainty."""
    certainty, named = found.max(1)
    right = (named == truth).float()
    of = (certainty * bins).long().clamp(max=bins - 1)
    gaps = [(right[of == k].mean() - certainty[of == k].mean()).abs() * (of == k).sum() for k in of.unique()]
    return float(torch.stack(gaps).sum() / len(truth))


if __name__ == "__main__":
    sys.exit(main())
