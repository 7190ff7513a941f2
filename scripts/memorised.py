"""Does a prior know the objects of its corpus better than fresh ones? Then it wants more of them.

usage: python scripts/memorised.py CORPUS
       python scripts/memorised.py CORPUS --weights mine.safetensors --objects 164 --out memorised.json

On procedural objects of a corpus that `dreamlab studio gather` wrote, and on as many fresh ones of the same
nouns, four views each and prompted by their captions: the squared error of the mean pictures, how far their
mean colour is off (root mean square), and the loss of v at some noise levels.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.core.files import write_atomic
from dreamlab.evaluate.measure import v_losses
from dreamlab.evaluate.prompts import HELD_OUT, VIEWS, render_mesh_views, render_shape, ring
from dreamlab.priors.embedded.model_space import mean_color
from dreamlab.priors.embedded.prior import EmbeddedPrior, EmbeddedPriorConfig
from dreamlab.studio import shapes
from dreamlab.studio.corpus import Corpus

LEVELS = (0.5, 0.8, 0.95)
_CAMERAS = ring(VIEWS, 0.4)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, help="folder that `dreamlab studio gather` wrote")
    parser.add_argument("--weights", type=Path, help="of the embedded prior (default: those that ship)")
    parser.add_argument("--objects", type=int, default=164, help="of each kind (default %(default)s)")
    parser.add_argument("--out", type=Path, help="JSON to write besides printing the table")
    args = parser.parse_args(arguments)
    try:
        prior = EmbeddedPriorConfig(weights=args.weights, views_per_group=VIEWS).build()
        rows = measured(prior, Corpus.load(args.corpus), args.objects)
    except DreamlabError as error:
        sys.stderr.write(f"memorised: {error}\n")
        return 2
    for name, row in rows.items():
        sys.stdout.write(f"{name:>8} " + "  ".join(f"{key} {value:.4f}" for key, value in row.items()) + "\n")
    if args.out:
        write_atomic(args.out, (json.dumps(rows, indent=1) + "\n").encode())
    return 0


def measured(prior: EmbeddedPrior, corpus: Corpus, objects: int) -> dict[str, dict[str, float]]:
    """The errors on objects of the corpus by lot and on fresh ones of the same nouns."""
    rng = np.random.default_rng((HELD_OUT, 10))
    able = np.flatnonzero((corpus.source == 0) & ~corpus.held_out)
    if not len(able):
        raise InputError("no procedural objects in the corpus", mend="Gather one with `--per-noun 100`")
    lot = rng.choice(able, min(objects, len(able)), replace=False).tolist()
    fresh = [shapes.make(rng, corpus.nouns[index]) for index in lot]
    known = torch.cat([render_mesh_views(*corpus.mesh(index), _CAMERAS) for index in lot])
    unknown = torch.cat([render_shape(shape, _CAMERAS) for shape in fresh])
    return {
        "corpus": errors(prior, known, [corpus.captions[index][-1] for index in lot]),
        "fresh": errors(prior, unknown, [shape.captions[-1] for shape in fresh]),
    }


def errors(prior: EmbeddedPrior, x: Float[Tensor, "n 5 S S"], captions: Sequence[str]) -> dict[str, float]:
    """Of VIEWS renders a caption."""
    words = prior.embed(captions)[[i // VIEWS for i in range(len(x))]]
    cameras = _CAMERAS[torch.arange(len(x)) % VIEWS]
    mean = prior.mean(words, cameras)
    shown, true = (mean_color(pictures, VIEWS)[0] for pictures in (mean, x))
    found = {
        "mean": (mean - x).square().mean().item(),
        "color": (shown - true).square().mean().sqrt().item(),
    }
    losses = v_losses(prior, x, words, cameras, LEVELS, seed=0)
    return found | {f"v {level}": loss for level, loss in zip(LEVELS, losses, strict=True)}


if __name__ == "__main__":
    sys.exit(main())
