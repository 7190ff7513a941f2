"""Whether the views that a prior samples together are of one object: agreement of their silhouettes.

usage: python scripts/view_consistency.py sheet.png --prompts 12
       python scripts/view_consistency.py sheet.png --ask "a yellow banana,a red car" --weights w.safetensors

Rings of twelve views (eight at 15 degrees, four at 50), as `dreamlab run` samples them first, for prompts
"a COLOUR NOUN" by lot from what the weights have learned, or those given. Every silhouette is compared with
that of the visual hull of all twelve; so are renders of real objects from the same cameras, which give
the ceiling. Written: a sheet with a row of views a prompt, real ones below, and JSON with the same name.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from pathlib import Path

import numpy as np
import torch
from commissions import nouns_to_sample, random_prompts
from PIL import Image

from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.core.types import Cameras
from dreamlab.evaluate.prompts import HELD_OUT, EvalPrompt, render_shape, ring, visible
from dreamlab.evaluate.view_consistency import silhouette_consistency
from dreamlab.priors.embedded.model_space import from_model_space
from dreamlab.priors.embedded.prior import SHIPPED, EmbeddedPriorConfig
from dreamlab.priors.embedded.sampling import sample
from dreamlab.studio.shapes import COLORS

_LOW, _HIGH = (8, 15.0), (4, 50.0)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sheet", type=Path, help="PNG to write; the JSON gets the same name")
    parser.add_argument("--weights", type=Path, help="of the embedded prior (default: those that ship)")
    parser.add_argument("--prompts", type=int, default=12, help="sampled at random (default %(default)s)")
    parser.add_argument("--ask", help="prompts 'a COLOUR NOUN' instead, with commas between")
    parser.add_argument("--nouns", help="sample from these instead, with commas between")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument(
        "--level", type=float, help="begin from the mean pictures noised to this (default: from noise alone)"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    try:
        report, rows = compare(args)
    except DreamlabError as error:
        sys.stderr.write(f"view_consistency: {error}\n")
        return 2
    Image.fromarray((torch.cat(rows).numpy() * 255).round().astype(np.uint8)).save(args.sheet)
    args.sheet.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    sys.stdout.write(json.dumps({k: v for k, v in report.items() if k != "prompts"}) + "\n")
    return 0


def compare(args: argparse.Namespace) -> tuple[dict, list[torch.Tensor]]:
    """Figures of all prompts, and the sheet's rows."""
    prior = EmbeddedPriorConfig(weights=args.weights, views_per_group=12).build()
    nouns = nouns_to_sample(args)
    prompts = asked(args.ask, nouns) if args.ask else random_prompts(nouns, args.prompts, args.seed)
    measured, rows = [], []
    for number, prompt in enumerate(prompts):
        cameras = twelve(prompt.turn)
        generator = torch.Generator().manual_seed(args.seed * 100_003 + number)
        words, null = prior.embed([prompt.prompt])[[0] * 12], prior.embed([""])[[0] * 12]
        begin = {"start": prior.mean(words, cameras), "level": args.level} if args.level else {}
        mine = visible(sample(prior, words, null, cameras, steps=args.steps, generator=generator, **begin))
        real = render_shape(prompt.real(nouns, np.random.default_rng((HELD_OUT, 4, number))), cameras)
        row: dict[str, object] = {"prompt": prompt.prompt}
        for name, x in (("drawn", mine), ("real", real)):
            color, opacity, _ = from_model_space(x)
            found = silhouette_consistency(opacity[..., 0].clamp(0, 1), cameras)
            row |= {name: round(found.mean().item(), 4), f"{name}_worst": round(found.min().item(), 4)}
            rows.append(torch.cat(list((color + 1 - opacity).clamp(0, 1)), 1))
        measured.append(row)
        sys.stderr.write(f"{row['prompt']}: {row['drawn']:.3f} of {row['real']:.3f}\n")
    medians = {k: statistics.median(row[k] for row in measured) for k in measured[0] if k != "prompt"}
    weights = str(args.weights or SHIPPED.name)
    return {
        "weights": weights,
        "steps": args.steps,
        "level": args.level,
        "seed": args.seed,
        "median": medians,
        "prompts": measured,
    }, rows


def asked(prompts: str, nouns: tuple[str, ...]) -> list[EvalPrompt]:
    """Given prompts, with their nouns and colours. Raises InputError for one that is not 'a COLOUR NOUN'."""
    words = [color.word for color in COLORS]
    given = []
    for prompt in (part.strip() for part in prompts.split(",")):
        color, _, noun = prompt.partition(" ")[2].partition(" ")
        if color not in words or noun not in nouns:
            raise InputError("no real object to compare with", expected="'a COLOUR NOUN'", got=prompt)
        given.append(EvalPrompt(prompt, nouns.index(noun), words.index(color), 0.0))
    return given


def twelve(turn: float) -> Cameras:
    """A set of cameras as the stage fit-views samples it."""
    low, high = (ring(n, turn, math.radians(elevation)) for n, elevation in (_LOW, _HIGH))
    return Cameras.cat([low, high])


if __name__ == "__main__":
    sys.exit(main())
