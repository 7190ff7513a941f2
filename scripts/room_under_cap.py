"""Is there room under a mushroom's cap, or did the field stay the ball that it began as?

usage: python scripts/room_under_cap.py --seeds 0-9
       python scripts/room_under_cap.py --preset default --set field.density.strength=10 --picture room.png

Only the first stage of a preset is run, with one thread. Told is, for every seed, how wide the object is at
a quarter of its height, as a share of its greatest width (mean of four views from its own height): a stem is
0.2 to 0.3, and what is wider than 0.45 has stayed closed. Other prompts of the same form may be tried: trees,
tables, umbrellas.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dreamlab.core.cameras import distance_to_fit, turntable
from dreamlab.core.types import Field
from dreamlab.priors.protocols import Prior
from dreamlab.run.config import RunConfig
from dreamlab.run.context import RunContext
from dreamlab.run.pipeline import end_of, work_of
from dreamlab.run.resolve import resolve

FOVY, SIDE, CLOSED = 0.7, 96, 0.45


def shaped(config: RunConfig, prior: Prior | None) -> tuple[Field, Prior]:
    """What the first stage makes, and the prior, so that it is loaded once."""
    with tempfile.TemporaryDirectory() as folder:
        context = RunContext(config, torch.device("cpu"), prior, Path(folder))
        field = end_of(work_of(config.stages[0]).run(None, context))
        assert isinstance(field, Field)
        return field, context.prior


@torch.no_grad()
def side_views(config: RunConfig, field: Field) -> tuple[np.ndarray, np.ndarray]:
    """Four views from the object's own height: colours [4,H,W,3] and opacity [4,H,W]."""
    distance = float(distance_to_fit(torch.tensor([FOVY]), 1.0)[0]) * 1.02
    cameras = turntable(4, 0.0, distance, FOVY, (SIDE, SIDE))
    renderer = config.renderer.build()
    renderer.update(field, 0, torch.Generator())
    seen = renderer(field, cameras, background=lambda d, _: torch.ones_like(d))
    return seen.rgb.numpy(), seen.opacity[..., 0].numpy()


def width_below(opacity: np.ndarray) -> float:
    """Width at a quarter of the height over the greatest width, mean of the views; NaN where nothing is."""
    shares = []
    for view in opacity > 0.5:
        rows, width = np.flatnonzero(view.any(1)), view.sum(1)
        if len(rows):
            shares.append(width[rows[-1] - round(0.25 * (rows[-1] - rows[0]))] / width.max())
    return float(np.mean(shares)) if shares else float("nan")


def numbers(text: str) -> list[int]:
    """"0-3,7" as [0, 1, 2, 3, 7]."""
    ends = [part.split("-") for part in text.split(",")]
    return [n for part in ends for n in range(int(part[0]), int(part[-1]) + 1)]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompt", default="a red mushroom")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--seeds", type=numbers, default="0-5", help="such as 0-3,7")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--picture", type=Path, help="PNG: two views of every seed")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    prior, pictures, shares = None, [], []
    for seed in args.seeds:
        config = resolve(args.prompt, preset=args.preset, overrides=[*args.set, f"seed={seed}"])
        field, prior = shaped(config, prior)
        rgb, opacity = side_views(config, field)
        shares.append(width_below(opacity))
        pictures.append(np.concatenate(list(rgb[:2])))
        sys.stdout.write(f"seed {seed}: {shares[-1]:.2f}\n")
        sys.stdout.flush()
    closed = sum(not share < CLOSED for share in shares)
    sys.stdout.write(f"{closed} of {len(shares)} closed\n")
    if args.picture is not None:
        sheet = np.concatenate(pictures, axis=1).clip(0, 1) * 255
        Image.fromarray(sheet.astype(np.uint8)).save(args.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
