"""Whether the views that a prior samples together are of one object, and of which: agreement of their
silhouettes, and what the shipped judge takes them for.

usage: python scripts/view_consistency.py sheet.png --prompts 12
       python scripts/view_consistency.py sheet.png --ask "a yellow banana,a red car" --weights w.safetensors

Rings of twelve views (eight at 15 degrees, four at 50), as `dreamlab run` samples them first, for prompts
"a COLOUR NOUN" by lot from what the weights have learned, or those given. Every silhouette is compared with
that of the visual hull of all twelve; so are renders of real objects from the same cameras, which give the
ceiling. The judge names each view's noun, by all it shows and by outline and relief alone ("form"), and its
colour: what these samples reach is what distillation can hope for. Written: a sheet with a row of views a
prompt, real ones below, and JSON with the same name.
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
from dreamlab.evaluate.classifier import Judge, LabelledImages
from dreamlab.evaluate.measure import naming
from dreamlab.evaluate.prompts import HELD_OUT, EvalPrompt, render_shape, ring, visible
from dreamlab.evaluate.shipped_judge import read_judge
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
    judge, nouns = read_judge().judge, nouns_to_sample(args)
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
            row |= {
                f"{name}_{what}": share for what, share in named(judge, x, nouns[prompt.noun], prompt).items()
            }
            rows.append(torch.cat(list((color + 1 - opacity).clamp(0, 1)), 1))
        measured.append(row)
        sys.stderr.write(f"{row['prompt']}: {row['drawn']:.3f} of {row['real']:.3f}\n")
    agreement = [name + worst for name in ("drawn", "real") for worst in ("", "_worst")]
    shares = [key for key in measured[0] if key not in ("prompt", *agreement)]
    weights = str(args.weights or SHIPPED.name)
    return {
        "weights": weights,
        "steps": args.steps,
        "level": args.level,
        "seed": args.seed,
        "median": {key: statistics.median(row[key] for row in measured) for key in agreement},
        "mean": {key: round(statistics.fmean(row[key] for row in measured), 4) for key in shares},
        "prompts": measured,
    }, rows


def named(judge: Judge, x: torch.Tensor, noun: str, prompt: EvalPrompt) -> dict[str, float]:
    """Shares of the views that are named as asked, by the judge's own numbers of the nouns."""
    labels = torch.tensor([[judge.nouns.index(noun)], [prompt.color]]).expand(2, len(x))
    shares = naming(judge, LabelledImages(x, *labels))
    return {what: round(shares[what], 4) for what in ("noun", "form_noun", "color")}


def asked(prompts: str, nouns: tuple[str, ...]) -> list[EvalPrompt]:
    """Given prompts, with their nouns and colours. Raises InputError for one that is not 'a COLOUR NOUN'."""
    words = [color.word for color in COLORS]
    given = []
    for prompt in (part.strip() for part in prompts.split(",")):
        thing = prompt.partition(" ")[2]
        color = max((word for word in words if thing.startswith(f"{word} ")), key=len, default="")
        noun = thing.removeprefix(f"{color} ")
        if not color or noun not in nouns:
            raise InputError("no real object to compare with", expected="'a COLOUR NOUN'", got=prompt)
        given.append(EvalPrompt(prompt, nouns.index(noun), words.index(color), 0.0))
    return given


def twelve(turn: float) -> Cameras:
    """A set of cameras as the stage fit-views samples it."""
    low, high = (ring(n, turn, math.radians(elevation)) for n, elevation in (_LOW, _HIGH))
    return Cameras.cat([low, high])


if __name__ == "__main__":
    sys.exit(main())
