"""How much of the embedded prior's answer should be its mean picture, at every noise level?

usage: python scripts/mean_share.py
       python scripts/mean_share.py --weights mine.safetensors --objects 96 --out share.json

On fresh procedural objects that the weights learned, four views each: the mean squared error of x0 by the
U-Net alone, by the mean picture alone, by both as the weights mix them, and by both at the best share, which
is the least-squares one. Where the last two columns differ, `UNet.mean_weight` is off.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from commissions import nouns_to_sample

from dreamlab.core.diffusion import add_noise
from dreamlab.core.errors import DreamlabError
from dreamlab.core.files import write_atomic
from dreamlab.core.types import Views
from dreamlab.evaluate.prompts import HELD_OUT, render_shape, ring
from dreamlab.priors.embedded.prior import EmbeddedPrior, EmbeddedPriorConfig, alpha_sigma, log_snr
from dreamlab.studio import shapes

LEVELS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
_VIEWS = 4


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, help="of the embedded prior (default: those that ship)")
    parser.add_argument("--objects", type=int, default=48, help="(default %(default)s)")
    parser.add_argument("--nouns", help="sample from these instead, with commas between")
    parser.add_argument("--out", type=Path, help="JSON to write besides printing the table")
    args = parser.parse_args()
    try:
        prior = EmbeddedPriorConfig(weights=args.weights, views_per_group=_VIEWS).build()
        rows = measured(prior, nouns_to_sample(args), args.objects)
    except DreamlabError as error:
        sys.stderr.write(f"mean_share: {error}\n")
        return 2
    sys.stdout.write(" ".join(f"{name:>10}" for name in rows[0]) + "\n")
    for row in rows:
        sys.stdout.write(" ".join(f"{value:10.4f}" for value in row.values()) + "\n")
    if args.out:
        write_atomic(args.out, (json.dumps(rows, indent=1) + "\n").encode())
    return 0


def measured(prior: EmbeddedPrior, nouns: tuple[str, ...], objects: int) -> list[dict[str, float]]:
    """A row of errors and shares for every level."""
    rng = np.random.default_rng((HELD_OUT, 8))
    sampled = [shapes.make(rng, str(rng.choice(nouns))) for _ in range(objects)]
    x = torch.cat([render_shape(shape, ring(_VIEWS, 0.4)) for shape in sampled])
    owner = torch.arange(len(x)) // _VIEWS
    words = prior.embed([shape.captions[-1] for shape in sampled])[owner.tolist()]
    cameras = ring(_VIEWS, 0.4)[torch.arange(len(x)) % _VIEWS]
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    mean, mean_weight = prior.mean(words, cameras), prior.network.mean_weight.clone()
    rows = []
    for level in LEVELS:
        t = torch.full((len(x),), level)
        z = add_noise(x, noise, *alpha_sigma(t))
        prior.network.mean_weight.copy_(torch.tensor([-100.0, 0.0]))
        alone = prior.denoise(z, t, words, Views(z, cameras))
        prior.network.mean_weight.copy_(mean_weight)
        share = prior.network.mean_share(log_snr(t[:1])).item()
        apart = mean - alone
        best = ((x - alone) * apart).mean().item() / apart.square().mean().item()
        errors = {"unet": alone, "mean": mean, "mixed": alone + share * apart, "best": alone + best * apart}
        row = {name: (picture - x).square().mean().item() for name, picture in errors.items()}
        rows.append({"level": level, **row, "share": share, "best share": best})
    return rows


if __name__ == "__main__":
    sys.exit(main())
