"""Does it help to say a bare prompt in full? Prompts with and without `--expand full`, before the judge.

usage: python scripts/measure_expansion.py --count 8 --preset fast --picture sheet.png --out expansion.json
       python scripts/measure_expansion.py --count 24 --of samples

The prompts are sampled by the seed from what the prior has learned: half of them "a NOUN", half "a COLOUR
NOUN". Each goes twice at every seed through the first stage of a preset, whose field is rendered, and a judge
that has only seen held-out renders names noun, form and, where one was asked for, colour. In the place of
fields, the prior's own samples can be judged, which takes seconds a prompt, or its mean pictures, which takes
less. With two seeds or more: how different the objects of one prompt are. What is made is kept, and an
interrupted measurement goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from commissions import add_options, nouns_to_sample
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.evaluate.classifier import Channels, Judge, judge_of
from dreamlab.evaluate.diversity import spread
from dreamlab.evaluate.objects import around, name_objects
from dreamlab.evaluate.prompts import (
    VIEWS,
    EvalPrompt,
    MeasureConfig,
    mean_sampler,
    prior_sampler,
    rings,
    sample_prompts,
    visible,
)
from dreamlab.evaluate.sheet import save_rows
from dreamlab.priors.embedded.model_space import from_model_space, to_model_space
from dreamlab.priors.embedded.prior import (
    SHIPPED,
    EmbeddedPrior,
    EmbeddedPriorConfig,
    read_vocabulary,
    relative_depth_of,
)
from dreamlab.render.background import SolidBackgroundConfig
from dreamlab.run.context import RunContext
from dreamlab.run.pipeline import end_of, work_of
from dreamlab.run.resolve import resolve
from dreamlab.stages.protocol import SurfaceMesh
from dreamlab.studio.expand import expand
from dreamlab.studio.shapes.grammar import with_article

ARMS = ("off", "full")
NO_COLOR = -1


class Trial(NamedTuple):
    """A prompt with its answers at one seed, and what the prior hears with and without expansion."""

    prompt: EvalPrompt
    seed: int
    heard: dict[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=8, help="prompts (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each, from --seed on")
    parser.add_argument(
        "--of", choices=("fields", "samples", "means"), default="fields", help="(default %(default)s)"
    )
    parser.add_argument("--steps", type=int, default=20, help="of sampling (default %(default)s)")
    parser.add_argument("--judge", type=Path, help="file to keep the trained judge in")
    parser.add_argument("--out", type=Path, help="JSON to write besides printing it")
    parser.add_argument("--picture", type=Path, help="PNG to write: without and with, side by side")
    add_options(parser)
    args = parser.parse_args(arguments)
    try:
        text = json.dumps(measured(args), indent=1) + "\n"
    except DreamlabError as error:
        sys.stderr.write(f"measure_expansion: {error}\n")
        return 2
    if args.out:
        args.out.write_text(text)
    sys.stdout.write(text)
    return 0


def measured(args: argparse.Namespace) -> dict[str, object]:
    """Make what is not made yet, then judge both arms."""
    nouns = nouns_to_sample(args)
    lot = trials(args, nouns)
    pictures: dict[str, list[Tensor]] = {arm: [] for arm in ARMS}
    for pair in zip(*(kept(args, lot, arm) for arm in ARMS), strict=True):
        for arm, x in zip(ARMS, pair, strict=True):
            pictures[arm].append(x)
        trial = lot[len(pictures["off"]) - 1]
        sys.stderr.write(f"{len(pictures['off'])}/{len(lot)} {trial.prompt.prompt}: {trial.heard['full']}\n")
    if args.picture:
        write_pictures(args.picture, pictures)
    judge = judge_of(MeasureConfig(nouns=nouns), args.judge)
    figures = {arm: judged(judge, pictures[arm], lot, args.seeds) for arm in ARMS}
    rows = [
        {"prompt": trial.prompt.prompt, "seed": trial.seed, "heard": trial.heard["full"]}
        | {arm: figures[arm]["each"][number] for arm in ARMS}
        for number, trial in enumerate(lot)
    ]
    about = {"judged": args.of, "preset": args.preset, "set": args.set, "seed": args.seed}
    about |= {"prompts": args.count, "seeds": args.seeds}
    about["expanded"] = sum(trial.heard["full"] != trial.heard["off"] for trial in lot)
    shares = {arm: {k: v for k, v in figures[arm].items() if k != "each"} for arm in ARMS}
    return {**about, **shares, "each": rows}


def write_pictures(path: Path, pictures: dict[str, list[Tensor]], views: int = 4) -> None:
    """One PNG: a row a trial, without expansion on the left and with it on the right, over relative
    depth."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for pair in zip(*(pictures[arm] for arm in ARMS), strict=True):
        rows.append(torch.cat([x[:: max(1, len(x) // views)][:views] for x in pair]))
    save_rows(rows, path)


def trials(args: argparse.Namespace, nouns: tuple[str, ...]) -> list[Trial]:
    """Prompts by lot, no noun twice, each at its seeds; every other one says no colour."""
    vocabulary = read_vocabulary(args.weights or SHIPPED)
    if vocabulary is None:
        raise InputError("the weights do not say which words they know", got=str(args.weights))
    lot: dict[int, EvalPrompt] = {}
    for q in sample_prompts(nouns, 20 * args.count + 100, (12, args.seed)):
        bare = q._replace(prompt=with_article(nouns[q.noun]), color=NO_COLOR)
        lot.setdefault(q.noun, q if len(lot) % 2 else bare)
    if len(lot) < args.count:
        raise InputError("there are not so many nouns", got=f"{args.count} of {len(lot)}")
    found = []
    for q in list(lot.values())[: args.count]:
        for seed in range(args.seed, args.seed + args.seeds):
            full = expand(q.prompt, seed, vocabulary)
            found.append(Trial(q, seed, {"off": q.prompt, "full": full or q.prompt}))
    return found


def kept(args: argparse.Namespace, lot: Sequence[Trial], arm: str) -> Iterator[Tensor]:
    """The pictures of every trial, from the folder of what was made before or made now and put there."""
    prior, weights = None, (args.weights or SHIPPED).read_bytes()
    way = [args.preset, args.set] if args.of == "fields" else [args.of, args.steps]
    for trial in lot:
        text, turn = trial.heard[arm], 0.0 if args.of == "fields" else trial.prompt.turn
        decides = json.dumps([text, turn, trial.seed, way]).encode()
        file = args.runs / f"{hashlib.sha256(decides + weights).hexdigest()[:16]}.safetensors"
        if not file.is_file():
            prior = prior or EmbeddedPriorConfig(weights=args.weights).build()
            if args.of == "fields":
                x = field(args, prior, text, trial.seed)
            else:
                x = views(args, prior, text, turn, trial.seed)
            args.runs.mkdir(parents=True, exist_ok=True)
            save_file({"x": x.contiguous()}, file)
        yield load_file(file)["x"]


def views(
    args: argparse.Namespace, prior: EmbeddedPrior, text: str, turn: float, seed: int
) -> Float[Tensor, "views 5 S S"]:
    """Views that the prior samples together, or their means."""
    config = MeasureConfig(seed=seed, steps=args.steps)
    sampler = mean_sampler(prior) if args.of == "means" else prior_sampler(prior, config)
    return sampler([text] * VIEWS, rings([turn]), 50_000)


def field(
    args: argparse.Namespace, prior: EmbeddedPrior, text: str, seed: int
) -> Float[Tensor, "views 5 S S"]:
    """The field that the preset's first stage makes, seen from all sides. The text is heard as it is."""
    settings = {"seed": seed, "expand": "off", "prior": {"weights": args.weights}}
    config = resolve(text, preset=args.preset, settings=settings, overrides=args.set)
    prior.views_per_group = config.prior.views_per_group  # pyright: ignore[reportAttributeAccessIssue]
    context = RunContext(config, torch.device("cpu"), prior)
    scene = end_of(work_of(config.stages[0]).run(context.begun(), context))
    if scene is None or isinstance(scene, SurfaceMesh):
        raise InputError(f"the first stage of {args.preset} makes no field", got=config.stages[0].kind)
    background = SolidBackgroundConfig().build(torch.Generator())
    with torch.no_grad():
        render = config.renderer.build()(scene, around(), background=background)
    depth = relative_depth_of(render, around())
    return visible(to_model_space(render.premultiplied, render.opacity, depth))


def judged(judge: Judge, pictures: Sequence[Tensor], lot: Sequence[Trial], seeds: int) -> dict[str, Any]:
    """noun, form_noun: shares by majority of an object's views; `_view`: of single views. color: the same
    of the prompts that ask for one. noun_sure, form_sure: the mean probability of the noun. color_sure: that
    of the colour which all views of an object together show most; low for a muddle. haze: see there. spread:
    see `spread_of_seeds`.
    """
    shares, answers = name_objects(judge, pictures, [trial.prompt for trial in lot])
    figures: dict[str, Any] = {
        name: round(shares[name], 3) for name in ("noun", "noun_view", "form_noun", "form_noun_view")
    }
    looks: tuple[tuple[Channels, str], ...] = (("color", "noun_sure"), ("form", "form_sure"))
    for channels, name in looks:
        sure = [judge.look(x, channels).noun[:, t.prompt.noun] for x, t in zip(pictures, lot, strict=True)]
        figures[name] = round(float(torch.cat(sure).mean()), 3)
    colors = [judge.look(x, "color").color.mean(0).amax() for x in pictures]
    figures["color_sure"] = round(float(torch.stack(colors).mean()), 3)
    figures["haze"] = round(haze(torch.cat(list(pictures))), 4)
    colored = [number for number, trial in enumerate(lot) if trial.prompt.color != NO_COLOR]
    if colored:
        of_these, _ = name_objects(judge, [pictures[i] for i in colored], [lot[i].prompt for i in colored])
        figures |= {name: round(of_these[name], 3) for name in ("color", "color_view")}
    if seeds > 1:
        figures["spread"] = round(spread_of_seeds(pictures, seeds), 4)
    return figures | {"each": answers}


def haze(x: Float[Tensor, "n 5 S S"]) -> float:
    """How undecided pictures are about where the object is: 4 a (1 - a) over a, both summed, a the
    opacity."""
    opacity = from_model_space(x)[1].clamp(0, 1)
    return float((4 * opacity * (1 - opacity)).sum() / opacity.sum().clamp_min(1e-6))


def spread_of_seeds(pictures: Sequence[Tensor], seeds: int) -> float:
    """Median over prompts of the root mean square difference between the objects of their seeds."""
    groups = [torch.cat(list(pictures[i : i + seeds])) for i in range(0, len(pictures), seeds)]
    return float(np.median([spread(group, seeds) for group in groups]))


if __name__ == "__main__":
    sys.exit(main())
