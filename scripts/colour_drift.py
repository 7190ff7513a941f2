"""Where does guidance push an object's colour, and do the mean pictures know it?

usage: python scripts/colour_drift.py
       python scripts/colour_drift.py --noun mushroom --colour red --out drift.json

First table: renders of fresh objects of one prompt, noised to every level: the mean colour of the object
in the answer without guidance, and guided by text and camera at scale 3, less that of the render. What
is not nought is added up by distillation. Second table: how far the mean colour of the prompt's mean picture
lies from that of such objects, for every colour word, as a root mean square over the channels.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dreamlab.core.diffusion import add_noise, cfg_combine
from dreamlab.core.errors import DreamlabError
from dreamlab.core.files import write_atomic
from dreamlab.core.types import Views
from dreamlab.evaluate.prompts import HELD_OUT, render_shape, ring
from dreamlab.priors.embedded.model_space import mean_color
from dreamlab.priors.embedded.prior import EmbeddedPrior, EmbeddedPriorConfig, alpha_sigma
from dreamlab.studio import shapes
from dreamlab.studio.shapes.grammar import with_article

LEVELS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
_VIEWS = 4


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, help="of the embedded prior (default: those that ship)")
    parser.add_argument("--noun", default="mushroom", choices=shapes.NOUNS, metavar="NOUN")
    words = [color.word for color in shapes.COLORS]
    parser.add_argument("--colour", dest="color", default="red", choices=words, metavar="COLOUR")
    parser.add_argument("--objects", type=int, default=8, help="(default %(default)s)")
    parser.add_argument("--out", type=Path, help="JSON to write besides printing the tables")
    args = parser.parse_args()
    try:
        prior = EmbeddedPriorConfig(weights=args.weights, views_per_group=_VIEWS).build()
        drift = by_level(prior, args.noun, args.color, args.objects)
        off = {word: of_mean_picture(prior, args.noun, word, args.objects) for word in words}
    except DreamlabError as error:
        sys.stderr.write(f"colour_drift: {error}\n")
        return 2
    for row in drift:
        plain, guided = (" ".join(f"{v:+.3f}" for v in row[key]) for key in ("plain", "guided"))
        sys.stdout.write(f"{row['level']:.2f}  unguided {plain}  guided {guided}\n")
    sys.stdout.writelines(f"{word:>12}: mean picture off by {value:.3f}\n" for word, value in off.items())
    if args.out:
        write_atomic(args.out, (json.dumps({"drift": drift, "mean": off}, indent=1) + "\n").encode())
    return 0


def renders(noun: str, word: str, objects: int) -> Tensor:
    """Fresh objects of a prompt, four views each, [objects*4,5,S,S]."""
    rng = np.random.default_rng((HELD_OUT, 9))
    color = next(c for c in shapes.COLORS if c.word == word)
    return torch.cat(
        [render_shape(shapes.make(rng, noun, color), ring(_VIEWS, 0.4)) for _ in range(objects)]
    )


def by_level(prior: EmbeddedPrior, noun: str, word: str, objects: int) -> list[dict]:
    """The answers' mean colour less the renders', red, green and blue, at every level."""
    x = renders(noun, word, objects)
    cameras = ring(_VIEWS, 0.4)[torch.arange(len(x)) % _VIEWS]
    prompt, none = (prior.embed([text] * len(x)) for text in (with_article(f"{word} {noun}"), ""))
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    rows = []
    for level in LEVELS:
        t = torch.full((len(x),), level)
        z = add_noise(x, noise, *alpha_sigma(t))
        cond = prior.denoise(z, t, prompt, Views(z, cameras))
        uncond_no_camera = prior.denoise(z, t, none, None)
        answers = {"plain": cond, "guided": cfg_combine(uncond_no_camera, cond, 3.0)}
        rows.append(
            {"level": level} | {name: (color(a) - color(x)).tolist() for name, a in answers.items()}
        )
    return rows


def of_mean_picture(prior: EmbeddedPrior, noun: str, word: str, objects: int) -> float:
    """Distance of the mean picture's mean colour from that of fresh objects."""
    words = prior.embed([with_article(f"{word} {noun}")] * _VIEWS)
    mean = prior.mean(words, ring(_VIEWS, 0.4))
    return float((color(mean) - color(renders(noun, word, objects))).square().mean().sqrt())


def color(x: Tensor) -> Tensor:
    """Mean colour of the objects in a batch, [3]."""
    return mean_color(x, _VIEWS)[0].mean(0).flatten()


if __name__ == "__main__":
    sys.exit(main())
