"""Draws a contact sheet of distilled objects: prompts through `dreamlab run`, a labelled tile each.

usage: python scripts/contact_sheet.py sheet.png "a red mushroom" "a blue chair" --preset fast
       python scripts/contact_sheet.py sheet.png --random 40 --seed 7 --grid small

With --random the prompts are sampled from what the prior has learned, by the seed and not by hand. Runs are
kept, and an interrupted sheet goes on where it was. What fails gets a tile that says so. Beside the picture
lies a JSON file with prompts, times and failures.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from commissions import (
    Outcome,
    add_options,
    commissions,
    fulfil,
    nouns_to_sample,
    random_prompts,
    three_quarter_view,
)

from dreamlab.core.errors import DreamlabError
from dreamlab.core.files import write_atomic
from dreamlab.views.contact import write_contact_sheet

GRIDS = {"large": (5, 256), "small": (8, 150)}
"""Columns and pixels a tile: for a page of its own, and for many objects at a glance."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path, help="PNG to write; the JSON gets the same name")
    parser.add_argument("prompts", nargs="*")
    parser.add_argument("--random", type=int, metavar="N", help="draw N prompts instead")
    parser.add_argument("--grid", choices=GRIDS, default="large", help="(default %(default)s)")
    add_options(parser)
    args = parser.parse_intermixed_args(arguments)  # prompts may follow options
    if bool(args.prompts) == bool(args.random):
        parser.error("give prompts, or --random N")
    try:
        prompts = args.prompts or [
            q.prompt for q in random_prompts(nouns_to_sample(args), args.random, args.seed)
        ]
        outcomes = []
        for outcome in fulfil(commissions(args, prompts), args.runs):
            outcomes.append(outcome)
            outcome_line = outcome.failure or f"{outcome.seconds['wall']:.0f} s"
            sys.stderr.write(f"{len(outcomes)}/{len(prompts)} {outcome.prompt}: {outcome_line}\n")
        write_sheet(args.picture, outcomes, args.grid)
    except DreamlabError as error:
        sys.stderr.write(f"contact_sheet: {error}\n")
        return 2
    chosen = f"drawn at random with seed {args.seed}" if args.random else "given"
    report = {"preset": args.preset, "seed": args.seed, "prompts": chosen, "grid": args.grid}
    report["objects"] = [outcome.row(args.runs) for outcome in outcomes]
    write_atomic(args.picture.with_suffix(".json"), (json.dumps(report, indent=1) + "\n").encode())
    return 0


def write_sheet(path: Path, outcomes: Sequence[Outcome], grid: str) -> None:
    """One tile an outcome, in order."""
    columns, size = GRIDS[grid]
    tiles = [tile(outcome, size) for outcome in outcomes]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_contact_sheet(path, tiles, [o.prompt for o in outcomes], columns=columns)


def tile(outcome: Outcome, size: int) -> np.ndarray:
    """The object, or what failed."""
    if outcome.glb is None:
        return failure_tile(outcome.failure, size)
    try:
        return three_quarter_view(outcome.glb, size)
    except DreamlabError as error:
        return failure_tile(str(error), size)


def failure_tile(what: str, size: int) -> np.ndarray:
    """A grey tile [size,size,3] that says what failed."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (size, size), (226, 226, 226))
    font = ImageFont.load_default(max(10, size // 18))
    text = textwrap.fill(f"failed: {what}", 26, max_lines=size // 16, placeholder=" ...")
    ImageDraw.Draw(image).multiline_text((size // 16, size // 16), text, (150, 30, 30), font)
    return np.asarray(image)


if __name__ == "__main__":
    sys.exit(main())
